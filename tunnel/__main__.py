"""``python -m tunnel``: the same as the command ``tunnel``."""

from tunnel.cli import entry_point

if __name__ == "__main__":
    entry_point()
