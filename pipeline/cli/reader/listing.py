"""The list: only the lines on the screen are made, however many entries there are."""

from collections.abc import Callable
from datetime import date, tzinfo
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pipeline.cli.reader.look import ACCENT, CITED, STATE_STYLES
from pipeline.cli.reader.rows import Rows
from pipeline.cli.reader.texts import MARKS, cited_in, column_day, facts_of, seemly, title_of
from pipeline.veille.card import Card

_DOT: Final = " · "
_CHOSEN: Final = Style(reverse=True)
_DAY: Final = 10  # cells
_SOURCE: Final = 24  # cells, in the list of one line an entry
Piece = tuple[str, Style]


class Listing(ScrollView, can_focus=True, inherit_bindings=False):
    """The entries, one or two lines each; ``cursor`` is the row that is read."""

    class Moved(Message):
        """The cursor is on another row."""

    class Missed(Message):
        """Rows were drawn whose cards have to be read again."""

    def __init__(self, rows: Rows, *, zone: tzinfo, today: Callable[[], date]) -> None:
        super().__init__()
        self.rows = rows
        self.cursor = 0
        self.lines_each = 2
        self._zone = zone
        self._today = today

    @property
    def card(self) -> Card | None:
        """Return the card below the cursor."""
        return self.rows.card(self.cursor)

    @property
    def per_screen(self) -> int:
        """Return how many entries have room."""
        return max(1, self.scrollable_content_region.height // self.lines_each)

    @property
    def on_screen(self) -> tuple[int, int]:
        """Return the first row that is seen, and the one behind the last."""
        first = self.scroll_offset.y // self.lines_each
        return first, min(len(self.rows), first + self.per_screen + 2)

    def use_lines(self, count: int) -> None:
        """Show each entry in so many lines."""
        if count != self.lines_each:
            self.lines_each = count
            self.renew()

    def renew(self) -> None:
        """Draw anew: the rows are others, or more, or changed."""
        self.virtual_size = Size(
            self.scrollable_content_region.width, len(self.rows) * self.lines_each
        )
        self.cursor = max(0, min(self.cursor, len(self.rows) - 1))
        self._show_cursor()
        self.refresh()

    def move(self, to: int) -> None:
        """Put the cursor on a row, or on the nearest that there is."""
        self.cursor = max(0, min(to, len(self.rows) - 1))
        self._show_cursor()
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        self.renew()

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is not None:
            row = (inside.y + self.scroll_offset.y) // self.lines_each
            if row < len(self.rows):
                self.move(row)

    def _show_cursor(self) -> None:
        top = self.cursor * self.lines_each
        height = self.scrollable_content_region.height
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        elif top + self.lines_each > self.scroll_offset.y + height:
            self.scroll_to(y=top + self.lines_each - height, animate=False)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen, exactly as wide as the list."""
        width = self.scrollable_content_region.width
        row, part = divmod(y + self.scroll_offset.y, self.lines_each)
        if row >= len(self.rows):
            return Strip.blank(width, Style())
        card = self.rows.card(row)
        if card is None:
            self.call_later(self._miss)
            pieces: list[Piece] = [("  …", Style(dim=True))]
        elif self.lines_each == 1:
            pieces = self._line(card, width)
        else:
            pieces = _head(card) if part == 0 else self._facts(card)
        segments = fitted(pieces, width)
        if row == self.cursor:
            bar = part == 0 or self.lines_each == 1
            segments = [_chosen(one, is_reversed=bar) for one in segments]
        return Strip(segments, width)

    def _miss(self) -> None:
        # not while it is drawn: a message of that moment stops at the screen, its sender
        self.post_message(self.Missed())

    def _line(self, card: Card, width: int) -> list[Piece]:
        day = column_day(card.entry.dated_at, self._zone, today=self._today())
        source = seemly(card.entry.source) if width >= 72 else ""
        style = Style.parse(STATE_STYLES[card.state])
        room = width - _DAY - 3 - (min(cell_len(source), _SOURCE) + 2 if source else 0)
        flags = " ".join(cited_in(one) for one in card.cited_in[:1])
        flag_room = cell_len(flags) + 1 if flags and room > 60 else 0
        title = set_cell_size(shortened(title_of(card), room - flag_room), max(0, room - flag_room))
        mark = f"{MARKS[card.state]}{'°' if flags else ' '}"
        pieces = [(f"{mark} ", style), (set_cell_size(day, _DAY), Style(dim=True)), (title, style)]
        if flag_room:
            pieces.append((f" {flags}", Style(color=CITED)))
        return [*pieces, ("  " + shortened(source, _SOURCE), Style(dim=True))] if source else pieces

    def _facts(self, card: Card) -> list[Piece]:
        cited = cited_in(card.cited_in[0]) if card.cited_in else None
        pieces: list[Piece] = [("   ", Style())]
        for number, fact in enumerate(facts_of(card, self._zone, today=self._today())):
            if number:
                pieces.append((_DOT, Style(dim=True)))
            pieces.append((fact, Style(color=CITED) if fact == cited else Style(dim=True)))
        return pieces


def _head(card: Card) -> list[Piece]:
    style = Style.parse(STATE_STYLES[card.state])
    return [(f" {MARKS[card.state]} ", style), (title_of(card), style)]


def _chosen(segment: Segment, *, is_reversed: bool) -> Segment:
    style = segment.style or Style()
    if is_reversed:
        return Segment(segment.text, Style(bold=style.bold, dim=style.dim) + _CHOSEN)
    return Segment(segment.text, style + Style(color=ACCENT, dim=False))


def shortened(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells, with an ellipsis where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def fitted(pieces: list[Piece], width: int) -> list[Segment]:
    """Return segments of exactly ``width`` cells: cut with an ellipsis, or filled with blanks."""
    segments: list[Segment] = []
    room = width
    for text, style in pieces:
        shown = shortened(text, room)
        room -= cell_len(shown)
        segments.append(Segment(shown, style))
        if shown != text or room <= 0:
            break
    return [*segments, Segment(" " * room, Style())] if room > 0 else segments
