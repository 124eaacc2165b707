"""The screen of the reader, and how it is filled. Nothing here waits for the database.

What the keys change is in ``app.py``.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final, TypeVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, Static

from pipeline.cli.reader import look
from pipeline.cli.reader.desk import PAGE, Desk
from pipeline.cli.reader.edges import footer_of, header_of
from pipeline.cli.reader.listing import Listing
from pipeline.cli.reader.pane import read_card
from pipeline.cli.reader.rows import Rows
from pipeline.cli.reader.texts import seemly
from pipeline.cli.reader.view import View, remaining
from pipeline.cli.speech import language, tell
from pipeline.errors import InfolettreError
from pipeline.veille.card import Cursor, Filter
from pipeline.veille.entries import Facets
from pipeline.veille.states import State

T = TypeVar("T")
_AHEAD: Final = 100  # rows: when so few are left below the cursor, more are read
_MOST: Final = 2_000  # cards that are read at once, to stay far below
_AROUND: Final = 60  # rows that are read again above and below those on the screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the reader needs of the world: the desk, a browser, and the letter to fill first."""

    desk: Desk
    open_page: Callable[[str], bool]
    letter: str = ""


class Frame(App[None]):
    """Shows the entries of a view, a page at a time."""

    CSS = look.CSS
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, doors: Doors, view: View) -> None:
        super().__init__(ansi_color=True)  # said here, or NO_COLOR gets a filter for true colours
        self.register_theme(look.THEME)
        self.theme = look.THEME.name
        self.doors = doors
        self.view = view
        self.rows = Rows()
        self.counts: dict[State, int] = {}
        self.facets = Facets()
        self.tags: tuple[str, ...] = ()
        self.drafts: dict[str, str] = {}
        self.zone = doors.desk.zone
        self.is_reading = False
        self._view_number = 0  # answers for a view before this one come too late

    def compose(self) -> ComposeResult:
        yield Static(id="header", markup=False)
        with Container(id="desk"):
            yield Listing(self.rows, zone=self.zone, today=self.today)
            with VerticalScroll(id="pane", can_focus=False):
                yield Static(id="text", markup=False)
        yield Static(id="said", markup=False)
        yield Input(id="search", placeholder=tell("words to look for"), compact=True)
        yield Static(id="footer", markup=False)

    def on_mount(self) -> None:
        self.animation_level = "none"
        self.listing.focus()
        self.begin()

    @property
    def desk(self) -> Desk:
        return self.doors.desk

    @property
    def listing(self) -> Listing:
        return self.screen_stack[0].query_one(Listing)

    def today(self) -> date:
        """Return the day by the workspace's hours."""
        return self.desk.clock().astimezone(self.zone).date()

    # --- drawing ----------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        self.screen_stack[0].set_class(event.size.width >= look.WIDE, "-wide")
        self.listing.use_lines(2 if event.size.height >= look.TALL else 1)
        self.draw_frame()

    def draw_frame(self) -> None:
        """Draw the first and the last line."""
        count = remaining(self.counts, self.view.wanted.states) if self.counts else ""
        width = self.size.width - 2
        self._static("header").update(header_of(self.view.says(), count, width))
        self._static("footer").update(footer_of(width))

    def draw_card(self) -> None:
        """Draw what is read: the card below the cursor, or why there is none."""
        card = self.listing.card
        if card is None:
            is_empty = not len(self.rows) and not self.is_reading
            self._static("text").update(Content(self._nothing() if is_empty else ""))
            return
        note = self.drafts.get(card.entry.id)
        self._static("text").update(read_card(card, zone=self.zone, today=self.today(), note=note))

    def draw(self) -> None:
        """Draw the cards anew, since some changed."""
        self.listing.refresh()
        self.draw_card()

    def say(self, text: str, *, is_trouble: bool = False) -> None:
        """Tell the curator something above the footer, until there is something else to tell."""
        self._static("said").update(Content.styled(text, "ansi_red" if is_trouble else "ansi_cyan"))

    def say_error(self, error: InfolettreError) -> None:
        """Tell what went wrong, with the next step."""
        self.say(seemly(error.say(language())), is_trouble=True)

    def _static(self, name: str) -> Static:
        return self.screen_stack[0].query_one(f"#{name}", Static)

    def _nothing(self) -> str:
        if self.view.is_narrowed:
            return tell("Nothing here: Escape takes the filter and the search away.")
        if self.view.wanted.states == (State.NEW,):
            return tell(
                "All is sorted. “infolettre veille pull” fetches the feeds, r shows what is new,"
                " s shows what you kept."
            )
        return tell("Nothing here: s shows other states.")

    # --- reading ----------------------------------------------------------------------------

    async def asked(self, ask: Callable[[], T]) -> T | None:
        """Return what a thread found, or None where it met trouble, which is told."""
        try:
            return await asyncio.to_thread(ask)
        except InfolettreError as error:
            self.say_error(error)
            return None

    async def rest(self) -> None:
        """Return when what was done is written."""

    @work(group="begin")
    async def begin(self) -> None:
        """Read what the letters cite, then the entries."""
        await self.asked(self.desk.prepare)
        self.load()

    @work(exclusive=True, group="load")
    async def load(self, *, stay: bool = False) -> None:
        """Read the view from its first entry on; with ``stay`` the cursor stays on its entry."""
        self._view_number += 1
        number, wanted, here = self._view_number, self.view.wanted, self.listing.card
        limit = min(_MOST, max(PAGE, self.listing.cursor + 1)) if stay else PAGE
        self.is_reading = True
        self.draw_frame()
        await self.rest()
        page = await self.asked(partial(self.desk.page, wanted, limit=limit))
        if number != self._view_number:
            return
        self.is_reading = False
        if page is not None:
            self.rows.reset(page)
            row = self.rows.row(here) if stay and here else None
            self.listing.cursor = row or 0
            self.listing.renew()
            self.draw_card()
            self.recount()
            self.reread_facets()

    @work(exclusive=True, group="extend")
    async def extend(self) -> None:
        """Read the next page."""
        number, wanted = self._view_number, self.view.wanted
        page = await self.asked(partial(self.desk.page, wanted, after=self.rows.next))
        if page is not None and number == self._view_number:
            self.rows.extend(page)
            self.listing.renew()

    @work(exclusive=True, group="extend")
    async def read_to_end(self, after: Cursor) -> None:
        """Learn what there is down to the last entry, and go there.

        Who moves the cursor meanwhile stays where he is.
        """
        number, at = self._view_number, self.listing.cursor
        ids = await self.asked(partial(self.desk.ids, self.view.wanted, after=after))
        if ids is not None and number == self._view_number:
            self.rows.complete(ids)
            self.listing.renew()
            if self.listing.cursor == at:
                self.listing.move(len(self.rows) - 1)

    @work(group="missed")
    async def read_missed(self) -> None:
        """Read those cards again that stand on the screen or near it and were let go of."""
        while ids := self._missing():
            cards = await self.asked(partial(self.desk.read, ids))
            if cards is None:
                return
            self.rows.put(cards)
            if len(cards) < len(ids):  # old ones were erased
                self.rows.drop(set(ids) - {card.id for card in cards})
                self.listing.renew()
            self.draw()

    def _missing(self) -> Sequence[int]:
        first, last = self.listing.on_screen
        if self.rows.missing(first, last):
            return self.rows.missing(first - _AROUND, last + _AROUND)
        return ()

    @work(exclusive=True, group="count")
    async def recount(self) -> None:
        """Count anew, once all is written that was done."""
        await self.rest()
        counts = await self.asked(partial(self.desk.counts, self.view.wanted))
        if counts is not None:
            self.counts = counts
            self.draw_frame()

    @work(exclusive=True, group="facets")
    async def reread_facets(self) -> None:
        """Read what there is to filter by, and the tags in use."""
        self.facets = await self.asked(partial(self.desk.facets, self.view.all_facets)) or Facets()
        everything = await self.asked(partial(self.desk.facets, Filter()))
        self.tags = tuple(tag for tag, _ in everything.tags) if everything else self.tags

    @on(Listing.Missed)
    def _missed(self) -> None:
        if self._missing() and not self._is_busy("missed"):
            self.read_missed()

    def _is_busy(self, group: str) -> bool:
        return any(one.group == group and not one.is_finished for one in self.workers)

    @on(Listing.Moved)
    def _moved(self) -> None:
        self.screen_stack[0].query_one("#pane").scroll_home(animate=False)
        self.draw_card()
        self._missed()
        is_near = self.listing.cursor > len(self.rows) - _AHEAD
        if is_near and self.rows.next and not self.is_reading and not self._is_busy("extend"):
            self.extend()
