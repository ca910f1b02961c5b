"""What makes a message to a person a good one."""

from __future__ import annotations

import re

# Words that betray a text of the system's or a library's that slipped through.
ENGLISH = re.compile(
    r"\b(?:the|not|no such|is a|directory|file|invalid|expected|argument|unknown|failed|denied|"
    r"permission|must|cannot|missing|value|usage|options|positional|choose|required|address|refused)\b",
    re.IGNORECASE,
)


def assert_spanish(text: str) -> None:
    """Check that a message is Spanish and has no leftovers of a template."""
    # Command lines, addresses and names quoted in it are not its own words.
    words = re.sub(r"«[^»]*»|--[\w-]+|\S*[/:=]\S*|\S+\.\S+", " ", text)
    assert not ENGLISH.search(words), text
    assert not re.search(r"\{\w*\}|%s|%\(|\bNone\b|<class|Errno", text), text
