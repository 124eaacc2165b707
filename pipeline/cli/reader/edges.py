"""The first and the last line: what is shown and how many remain; the keys."""

from rich.cells import cell_len
from textual.content import Content

from pipeline.cli.reader.keys import ALWAYS, KEYS, Key
from pipeline.cli.reader.listing import shortened
from pipeline.cli.speech import tell

_GAP = "  "


def header_of(shown: str, count: str, width: int) -> Content:
    """Return the first line in ``width`` cells; the count keeps its place on the right."""
    left = shortened(shown, width - cell_len(count) - len(_GAP))
    blank = " " * max(0, width - cell_len(left) - cell_len(count))
    return Content.assemble((left, "bold"), blank, (count, "ansi_cyan"))


def footer_of(width: int) -> Content:
    """Return as many keys as have room in ``width`` cells, and always how to get help and out."""
    named = [key for key in KEYS if key.label]
    fixed = [key for key in named if key.action in ALWAYS]
    room = width - sum(cell_len(_words(key)) + len(_GAP) for key in fixed) + len(_GAP)
    chosen: list[Key] = []
    for key in named:
        if key not in fixed:
            room -= cell_len(_words(key)) + len(_GAP)
            if room < 0:
                break
            chosen.append(key)
    pieces = [_shown(key) for key in (*chosen, *fixed)]
    return Content(_GAP).join(pieces)


def _words(key: Key) -> str:
    return f"{tell(key.shown)} {tell(key.label)}"


def _shown(key: Key) -> Content:
    return Content.assemble((tell(key.shown), "bold ansi_cyan"), (f" {tell(key.label)}", "dim"))
