"""``python -m gtd_app`` is ``gtd-app``."""

import sys

from gtd_app.cli import entry_point

if __name__ == "__main__":
    sys.exit(entry_point())
