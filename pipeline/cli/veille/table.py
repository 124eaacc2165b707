"""Cards in a table: on a terminal as wide as it is, through a pipe one line each, whole."""

import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Final

from pipeline.cli.speech import language, show, tell
from pipeline.text.dates import month, numeric, short_date
from pipeline.text.typography import NBSP
from pipeline.veille.card import Card
from pipeline.veille.states import STATE_WORDS, State
from pipeline.words import mark

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

OPEN: Final = (State.NEW, State.KEPT)  # what a curator has still to do with
ID: Final = 8  # characters of an id that are shown
OLD: Final = 300  # days: from then on a date needs its year
WIDE: Final = 100  # columns, from which on a date has room for its weekday
SOURCE: Final = (14, 24)  # columns, at least and at most
PIPED: Final = 10_000  # columns: nothing is broken where no person reads
_STYLES: Final = {
    State.KEPT: "green",
    State.WRITTEN: "cyan",
    State.PUBLISHED: "blue",
    State.DISCARDED: "red",
}


def show_cards(cards: Sequence[Card], *, zone: tzinfo, today: date) -> None:
    """Print cards below each other: id, date, source, title, and what is known of each."""
    from rich.text import Text

    is_piped = not sys.stdout.isatty()
    width = PIPED if is_piped else shutil.get_terminal_size().columns
    source = SOURCE[1] if is_piped else max(SOURCE[0], min(SOURCE[1], width // 6))
    table = new_table()
    table.add_column(tell("Id"), style="cyan", no_wrap=True)
    table.add_column(tell("Date"), no_wrap=True)
    table.add_column(
        tell("Source"), max_width=source, min_width=source, overflow="ellipsis", no_wrap=True
    )
    table.add_column(tell("Title"), overflow="fold", no_wrap=is_piped)
    for card in cards:
        day = show_day(card.entry.dated_at, zone=zone, today=today, is_wide=width >= WIDE)
        title = Text(card.entry.title)
        if marks := marks_of(card):
            title = title + Text("  " if is_piped else "\n") + marks
        table.add_row(card.entry.id[:ID], day, Text(card.entry.source), title)
    print_table(table)


def new_table() -> "Table":
    """Return an empty table as the house draws them."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def print_table(table: "Table") -> None:
    """Print a table; through a pipe without colours, and no line ends in spaces."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console().print(table)
        return
    out = io.StringIO()
    Console(file=out, width=PIPED, color_system=None).print(table)
    for line in out.getvalue().splitlines():
        show(line.rstrip())


def show_day(moment: datetime, *, zone: tzinfo, today: date, is_wide: bool) -> str:
    """Say a day in a column: « jeu. 12 nov. », « 12 nov. » where it is narrow, with its year later.

    >>> from datetime import UTC
    >>> show_day(datetime(2024, 3, 7, tzinfo=UTC), zone=UTC, today=date(2026, 1, 1), is_wide=True)
    '07/03/2024'
    """
    day = moment.astimezone(zone).date()
    if abs((today - day).days) > OLD:
        return numeric(day, language())
    if is_wide:
        return short_date(day, language())
    return f"{day.day:>2}{NBSP}{month(day, language())}"


def marks_of(card: Card) -> "Text":
    """Return what is to be known of a card beside its title, in one line."""
    from rich.text import Text

    marks = [Text(said, style=style) for said, style in _each_mark(card)]
    return Text(" · ", style="dim").join(marks)


def _each_mark(card: Card) -> Iterator[tuple[str, str]]:
    """Yield each mark with its style; what is still to be sorted has none of its state."""
    if card.state is not State.NEW:
        yield tell(STATE_WORDS[card.state]), _STYLES[card.state]
    if card.issue:
        place = mark("for {issue}") if card.state in OPEN else mark("in {issue}")
        yield tell(place, issue=card.issue), "dim"
    for tag in card.tags:
        yield f"#{tag}", "magenta"
    if card.note:
        yield tell("with a note"), "yellow"
    if card.also_in:
        yield tell("also in {feeds}", feeds=_few(card.also_in)), "dim"
    if letters := cited_words(card):
        yield tell("cited already in {letters}", letters=_few(letters)), "bold yellow"


def cited_words(card: Card) -> list[str]:
    """Return the letters that cite a page, as people call them: « le n° 42 »; not its own."""
    return [
        tell("no. {number}", number=one.number) if one.number else one.slug
        for one in card.cited_in
        if one.slug != card.issue
    ]


def _few(names: Iterable[str]) -> str:
    """Return three names at most, and how many more there are."""
    known = list(names)
    more = f" + {len(known) - 3}" if len(known) > 3 else ""
    return ", ".join(known[:3]) + more
