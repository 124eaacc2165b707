"""Lines of plain text: how wide a text is, and where it may break.

What does not live here: what the text says and which prefixes its lines carry.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from pipeline.text.merge import TOKEN, NotAToken, decode

WIDTH = 76  # columns: what still fits when a reply quotes it (RFC 3676 asks for at most 78)

_TAG_WIDTH = 12  # a first name or so, for a tag without fallback
_MERGED = "mergeq"
_ORDINARY_SPACES = re.compile(r"[ \t]+")
# Latin, Greek and Cyrillic letters, and the punctuation of French: one column each.
_ALL_SINGLE = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u202f\u20ac]*")


@lru_cache(maxsize=4096)  # a paragraph that did not change is not filled again
def wrap(text: str, *, width: int = WIDTH, first: str = "", rest: str = "") -> str:
    """Break a text into lines of at most `width` columns, prefixes included.

    Lines break at ordinary spaces only: never at a no-break space, never inside an address, which
    may stick out. A line break in the text stays one. A merge token counts as wide as its
    fallback, and ideograms and emoji count double.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        prefix = rest if lines else first
        rooms = (width - display_width(prefix), width - display_width(rest))
        for line in _filled(paragraph, *rooms):
            lines.append(((rest if lines else first) + line).rstrip(" "))
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Count the columns a text takes on a terminal or in a plain-text mail."""
    if _MERGED in text:
        text = TOKEN.sub(_as_wide, text)
    if _ALL_SINGLE.fullmatch(text):
        return len(text)
    return sum(_columns(character) for character in text)


def _filled(text: str, room: int, room_after: int) -> Iterator[str]:
    """Fill lines word by word, the first with `room` columns and the others with `room_after`."""
    measure = len if _is_single(text) else display_width
    line: list[str] = []
    used = -1
    for word in _ORDINARY_SPACES.split(text.strip(" \t")):
        columns = measure(word)
        if line and used + 1 + columns > room:
            yield " ".join(line)
            line, used, room = [], -1, room_after
        used += 1 + columns
        line.append(word)
    yield " ".join(line)


def _is_single(text: str) -> bool:
    return _MERGED not in text and _ALL_SINGLE.fullmatch(text) is not None


def _as_wide(match: re.Match[str]) -> str:
    try:
        return decode(match[0]).fallback or "x" * _TAG_WIDTH
    except NotAToken:
        return match[0]


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
