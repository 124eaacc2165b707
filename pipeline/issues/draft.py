"""The text of a letter that is about to be written, and its number and date."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from pipeline.blocks.block import Library

FRIDAY: Final = 4
_NUMBER: Final = re.compile(r"^number:\s*(\d+)", re.MULTILINE)
#: What a new letter begins with: greeting, calendar, readings, shorts, goodbye.
_OUTLINE: Final = ("edito", "agenda", "veille", "en-bref", "avant-de-partir", "credits")


def upcoming_friday(today: date) -> date:
    """Return the Friday of this week, or today if it is one."""
    return today + timedelta((FRIDAY - today.weekday()) % 7)


def next_number(letters: Iterable[str]) -> int:
    """Return the number after the greatest in the texts of ``letters``."""
    found = (_NUMBER.search(text) for text in letters)
    return max((int(one[1]) for one in found if one), default=0) + 1


def draft_issue(
    *, number: int, title: str, date: date, language: str, sender: str, library: Library
) -> str:
    """Return the ``issue.yaml`` of a new letter, valid as it stands, with hints to write over."""
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        f"number: {number}",
        f'title: "{quoted}"',
        "# subtitle: une ligne, sous le titre ; elle sert aussi de pré-en-tête",
        f"date: {date.isoformat()}",
        f"language: {language}",
        f"sender: {sender}",
        "",
        "blocks:",
    ]
    for name in _OUTLINE:
        if name in library:
            lines += ["", *_drafted(name, library)]
    return "\n".join(lines) + "\n"


def _drafted(name: str, library: Library) -> list[str]:
    """Return a block's example as lines of a letter, under its description."""
    block = library[name]
    return [
        f"  # {block.label['fr']} : {block.description['fr']}",
        f"  - block: {name}",
        *indented(block.example_text),
    ]


def indented(example: str) -> list[str]:
    """Return the lines of a block's example as they stand in a letter."""
    return [f"    {line}" if line else "" for line in example.rstrip().split("\n")]
