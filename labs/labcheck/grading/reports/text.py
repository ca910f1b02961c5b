"""Other people's words made harmless, and numbers and times as a person reads them."""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

BLANK = "—"

# What turns the direction of the text after it (Unicode Standard Annex 9) makes one name look like another.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"\s+")
# Characters that mean something in Markdown (CommonMark 0.31, section 6) wherever in a line they are. An
# underscore inside a word means nothing and would only be harder to read.
_MARKDOWN = re.compile(r"[\\`*\[\]<>&#|~$]|(?<!\w)_|_(?!\w)")


def clean(text: str) -> str:
    """Return text on one line, in composed characters, without control codes or turns of direction."""
    flat = _SPACE.sub(" ", _DIRECTION.sub("", unicodedata.normalize("NFC", text)))
    # Cs: a half of a surrogate pair, which no encoding can write.
    return "".join(c for c in flat if unicodedata.category(c) not in ("Cc", "Cs")).strip()


def markdown(text: str) -> str:
    """Return text, cleaned, that Markdown shows as it is when it does not begin a line."""
    return _MARKDOWN.sub(r"\\\g<0>", clean(text))


def number(value: Decimal, places: int = 2) -> str:
    """Return a number with a decimal comma, and no more decimals than it needs."""
    text = f"{rounded(value, places):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(".", ",")


def rounded(value: Decimal, places: int = 2) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def percent(share: Decimal) -> str:
    return f"{number(share * 100, 0)} %"


def when(moment: datetime | None) -> str:
    """Return a time in UTC to the minute, or a dash."""
    return BLANK if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
