"""The reader: what its keys do. Every act is shown at once and written behind the screen."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Input

from pipeline.cli.reader.asks import AskNote, AskTags, Choice, Help
from pipeline.cli.reader.deeds import Deed, Deeds, Outcome, Told
from pipeline.cli.reader.frame import Doors, Frame
from pipeline.cli.reader.keys import KEYS
from pipeline.cli.reader.listing import shortened
from pipeline.cli.reader.texts import language_name, seemly, title_of
from pipeline.cli.reader.view import FIELDS, View
from pipeline.cli.speech import language, tell, tell_count
from pipeline.cli.tally import figure
from pipeline.veille.card import Card
from pipeline.veille.states import State
from pipeline.words import mark

_TYPING: Final = 0.2  # seconds without a key until what was typed is looked for
_BLOCKS: Final = ("veille", "on-en-parle", "en-bref")
_TITLE: Final = 60  # cells of a title in what is told
_SAID: Final = {
    State.KEPT: mark("Kept: “{title}” · u undoes it"),
    State.DISCARDED: mark("Discarded: “{title}” · u undoes it"),
    State.NEW: mark("To sort again: “{title}” · u undoes it"),
}
_FIELD_WORDS: Final = {
    "watchlist": mark("watchlist"),
    "source": mark("source"),
    "language": mark("language"),
    "tag": mark("tag"),
}


class Reader(Frame):
    """The frame with its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key.keys, key.action, show=False) for key in KEYS),
        Binding("escape", "widen", show=False),
        Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True),
    ]

    def __init__(self, doors: Doors, view: View) -> None:
        super().__init__(doors, view)
        self.deeds = Deeds(on_told=self._told, drafts=self.drafts)
        self._typing: Timer | None = None
        self._is_warned = False

    def on_mount(self) -> None:
        self.run_worker(self.deeds.work(), group="deeds")

    async def rest(self) -> None:
        await self.deeds.rest()

    # --- moving -----------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self.listing.move(self.listing.cursor + by)

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.listing.per_screen - 1))

    def action_first(self) -> None:
        self.listing.move(0)

    def action_last(self) -> None:
        if after := self.rows.next:
            self.read_to_end(after)
        else:
            self.listing.move(len(self.rows) - 1)

    def action_read_on(self) -> None:
        pane = self.query_one("#pane", VerticalScroll)
        if pane.scroll_offset.y < pane.max_scroll_y:
            pane.scroll_page_down(animate=False)
        else:
            self.action_move(1)

    # --- deciding ---------------------------------------------------------------------------

    def action_keep(self) -> None:
        self._decide(State.KEPT)

    def action_discard(self) -> None:
        self._decide(State.DISCARDED)

    def action_put_back(self) -> None:
        self._decide(State.NEW)

    def _decide(self, state: State) -> None:
        if (card := self.listing.card) is None:
            return
        said = tell(_SAID[state], title=self._short(card))
        after = replace(
            card, state=state, state_by=self.desk.by, state_at=self.desk.clock(), rule=""
        )
        self._do(Deed(do=partial(self.desk.decide, card, state), said=said, before=card), after)
        self.action_move(1)

    def _do(self, deed: Deed, after: Card | None = None) -> None:
        """Show a card as it will be, and have it written."""
        if after is not None:
            self.rows.put([after])
        self.deeds.add(deed)
        self.draw()

    def _told(self, told: Told) -> None:
        """Show what came of a deed."""
        if told.error is not None:
            self.rows.put([told.deed.before] if told.deed.before else [])
            self.say_error(told.error)
        elif told.outcome is not None:
            self.rows.put(told.outcome.cards)
            if told.deed.is_undo:
                self._show_undone(told.outcome)
            self._say_outcome(told.deed, told.outcome)
        self.draw()
        self.recount()

    def _say_outcome(self, deed: Deed, outcome: Outcome) -> None:
        if outcome.notices:
            said = " · ".join(seemly(one.say(language())) for one in outcome.notices)
            self.say(said, is_trouble=True)
        elif deed.is_undo and len(outcome.cards) > 1:
            count = len(outcome.cards)
            said = tell_count("Undone: {n} entry", "Undone: {n} entries", count, n=figure(count))
            self.say(said)
        elif deed.is_undo and outcome.cards:
            self.say(tell("Undone: “{title}”", title=self._short(outcome.cards[0])))
        else:
            self.say(deed.said)

    def action_undo(self) -> None:
        self._do(Deed(do=self.desk.undo, is_undo=True))

    def _show_undone(self, outcome: Outcome) -> None:
        rows = [self.rows.row(card) for card in outcome.cards]
        if found := [row for row in rows if row is not None]:
            self.listing.move(min(found))

    # --- writing ----------------------------------------------------------------------------

    def action_tag(self) -> None:
        if card := self.listing.card:
            self.push_screen(AskTags(card.tags, self.tags), partial(self._tag, card))

    def _tag(self, card: Card, tags: tuple[str, ...] | None) -> None:
        if tags is None or set(tags) == set(card.tags):
            return
        self.tags += tuple(tag for tag in tags if tag not in self.tags)
        do = partial(self.desk.tag, card.entry.id, tags, before=card.tags)
        said = tell("Tags of “{title}” written · u undoes it", title=self._short(card))
        self._do(Deed(do=do, said=said, before=card), replace(card, tags=tags))

    def action_note(self) -> None:
        if card := self.listing.card:
            note = self.drafts.get(card.entry.id, card.note)
            title = tell("Note on “{title}”", title=self._short(card))
            self.push_screen(AskNote(title, note), partial(self._note, card))

    def _note(self, card: Card, text: str | None) -> None:
        ref = card.entry.id
        if text is None or (text.strip() == card.note.strip() and ref not in self.drafts):
            return
        do = partial(self.desk.note, ref, text)
        said = tell("Note on “{title}” written · u undoes it", title=self._short(card))
        self._do(Deed(do=do, said=said, before=card, note=text), replace(card, note=text))

    def action_assign(self) -> None:
        if (card := self.listing.card) is None:
            return
        letters = self.desk.letters()
        first = self.doors.letter
        ordered = [first, *(one for one in letters if one != first)] if first else letters
        options = [(slug, slug) for slug in ordered]
        if card.issue:
            options.append(("", tell("for no letter")))
        if options:
            title = tell("For which letter is “{title}”?", title=self._short(card))
            self.push_screen(Choice(title, options), partial(self._assign, card))
        else:
            self.say(tell("There is no letter yet: “infolettre new” starts one."), is_trouble=True)

    def _assign(self, card: Card, slug: str | None) -> None:
        if slug is None or slug == card.issue:
            return
        title = self._short(card)
        said = tell("“{title}” is for {letter} · u undoes it", title=title, letter=slug)
        if not slug:
            said = tell("“{title}” is for no letter now · u undoes it", title=title)
        self._do(Deed(do=partial(self.desk.assign, card.entry.id, slug), said=said, before=card))

    def action_write(self) -> None:
        if (card := self.listing.card) is None:
            return
        slug = card.issue or self.doors.letter or next(iter(self.desk.letters()), "")
        if not slug:
            self.say(tell("There is no letter yet: “infolettre new” starts one."), is_trouble=True)
            return
        title = tell("Write “{title}” into {letter}, block:", title=self._short(card), letter=slug)
        ask = Choice(title, [(block, block) for block in _BLOCKS])
        self.push_screen(ask, partial(self._write, card, slug))

    def _write(self, card: Card, slug: str, block: str | None) -> None:
        if block is None:
            return
        folder = self.desk.workspace.issues / slug
        said = tell("“{title}” is written into {letter}", title=self._short(card), letter=slug)
        do = partial(self.desk.write, card.entry.id, folder, block)
        self._do(Deed(do=do, said=said, before=card))

    @work(group="open")
    async def action_open(self) -> None:
        if (card := self.listing.card) is None:
            return
        url = seemly(card.entry.url)
        if await asyncio.to_thread(self.doors.open_page, card.entry.url):
            self.say(tell("Opened: {url}", url=url))
        else:
            self.say(tell("No browser was found here; the address: {url}", url=url))

    # --- what is shown ----------------------------------------------------------------------

    def show(self, view: View) -> None:
        """Show other entries."""
        if view != self.view:
            self.view = view
            self.load()

    def action_state(self) -> None:
        self.show(self.view.next_states())

    def action_refresh(self) -> None:
        self.load(stay=True)

    def action_filter(self) -> None:
        options = [("", tell("everything"))] if self.view.is_narrowed else []
        self.push_screen(Choice(tell("Show only"), [*options, *self._facets()]), self._filter)

    def _facets(self) -> Iterator[tuple[str, str]]:
        facets = self.facets
        known = (facets.watchlists, facets.sources, facets.languages, facets.tags)
        for field, counts in zip(FIELDS, known, strict=True):
            for value, count in counts:
                if value:
                    name = language_name(value) if field == "language" else seemly(value)
                    said = f"{name} · {tell(_FIELD_WORDS[field])} · {figure(count)}"
                    yield f"{field}:{value}", said

    def _filter(self, chosen: str | None) -> None:
        if chosen is not None:
            field, _, value = chosen.partition(":")
            self.show(self.view.filtered(field, value))

    def action_search(self) -> None:
        field = self._search
        field.add_class("-open")
        field.value = self.view.wanted.text
        field.focus()

    @property
    def _search(self) -> Input:
        return self.screen_stack[0].query_one("#search", Input)

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING, self._look_for)

    def _look_for(self) -> None:
        if self._search.has_class("-open"):
            self.show(self.view.searching(self._search.value.strip()))

    @on(Input.Submitted, "#search")
    def _entered(self) -> None:
        self._look_for()
        self._close_search()

    def _close_search(self) -> None:
        self._search.remove_class("-open")
        self.listing.focus()

    def action_widen(self) -> None:
        """Take the search away while it is typed; else it and the filter."""
        if self._search.has_class("-open"):
            self._close_search()
            self.show(self.view.searching(""))
        else:
            self.show(self.view.searching("").filtered("", ""))

    # --- help and the end -------------------------------------------------------------------

    def action_help(self) -> None:
        self.push_screen(Help())

    def action_leave(self) -> None:
        if isinstance(self.screen, AskNote):  # what was typed is not lost by Ctrl-C
            self.screen.action_save()
        self.call_later(self._leave)

    @work(group="leave")
    async def _leave(self) -> None:
        self.say(tell("Writing what is left…"))
        await self.rest()
        if self.drafts and not self._is_warned:
            self._is_warned = True
            self.say(
                tell("A note is not in the database: n opens it again, q quits without it."),
                is_trouble=True,
            )
            return
        self.exit()

    def _short(self, card: Card) -> str:
        """Return a title that leaves room for what is told of it."""
        return shortened(title_of(card), max(_TITLE // 3, min(_TITLE, self.size.width - 38)))
