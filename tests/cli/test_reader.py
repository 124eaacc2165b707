"""The reader, key by key, on a real database; its look on wide, narrow and small screens."""

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from sqlalchemy import Engine, insert
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, TextArea
from textual.worker import Worker, WorkerCancelled

from pipeline.cli import speech
from pipeline.cli.reader.app import Reader
from pipeline.cli.reader.asks import AskNote, AskTags, Choice, Help, split_tags
from pipeline.cli.reader.browser import open_page
from pipeline.cli.reader.desk import Desk
from pipeline.cli.reader.edges import footer_of, header_of
from pipeline.cli.reader.frame import Doors
from pipeline.cli.reader.keys import KEYS
from pipeline.cli.reader.rows import KEPT, Rows
from pipeline.cli.reader.texts import MARKS, column_day, language_name, seemly, seemly_lines
from pipeline.cli.reader.view import View
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.entries import entry, entry_feed, entry_tag, feed
from pipeline.veille import triage
from pipeline.veille.card import Card, Cursor, Filter, Page
from pipeline.veille.entries import find_cards, list_cards
from pipeline.veille.item import page_key
from pipeline.veille.rows import row_of
from pipeline.veille.states import State
from tests.veille.builders import NOW, a_letter, a_workspace, an_entry

TO_SORT = Filter(states=(State.NEW,))
WIDE, NARROW, SMALL = (140, 40), (90, 34), (60, 20)
LETTER = "2026-11-30-des-cafes"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INFOLETTRE_LANGUAGE", "en")
    monkeypatch.setenv("LANGUAGE", "en")  # restored afterwards: speaking sets it
    speech.language.cache_clear()
    yield
    speech.language.cache_clear()


@pytest.fixture
def store(sqlite_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """Return one database only: what the reader asks of it is the same for both."""
    shutil.copy(sqlite_file, tmp_path / "store.db")
    found = open_engine("sqlite:///store.db", tmp_path)
    yield found
    found.dispose()


def fill(engine: Engine, *titles: str, **fields: Any) -> list[str]:
    """Put an entry a title, the first the newest, and return their short names."""
    refs, rows = [], []
    for number, title in enumerate(titles):
        at = NOW - timedelta(minutes=number)
        one = an_entry(f"https://revue.example/{number}", title=title, published_at=at, **fields)
        refs.append(one.id)
        rows.append(
            row_of(one)
            | {"state": "new", "state_at": NOW, "state_by": "", "rule": "", "issue": "", "note": ""}
        )
    with writing(engine) as connection:
        connection.execute(insert(entry), rows)
    return refs


def card(engine: Engine, ref: str) -> Card:
    return find_cards(engine, [ref])[0]


@dataclass
class Seat:
    """A curator's place: the reader, its pilot, and what the browser was asked for."""

    app: Reader
    pilot: Pilot[None]
    opened: list[str]

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each when all is done that came of the one before."""
        for key in keys:
            self.send(key)
            await self.rest()

    def send(self, key: str) -> None:
        """Press a key, and do not wait (the pilot's own press waits 40 ms and more)."""
        self.app.post_message(Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None)))

    async def type(self, text: str) -> None:
        names = {character: key for key, character in _CHARACTERS.items()}
        for one in text:
            self.send(names.get(one, one))
        await self.rest()

    async def rest(self) -> None:
        """Wait until all is written, read and drawn."""
        await self._handled()
        await self.app.rest()
        while waiting := self._waiting():
            for one in waiting:
                with suppress(WorkerCancelled):
                    await one.wait()
            await self._handled()
        await self._handled()

    async def _handled(self) -> None:
        for _ in range(_HOPS):
            await self.pilot.pause(0)

    def _waiting(self) -> list[Worker[Any]]:
        return [one for one in self.app.workers if one.group != "deeds" and not one.is_finished]

    async def go_through(self, rows: int) -> None:
        """Read page after page."""
        for row in range(150, rows, 150):
            self.app.listing.move(row)
            await self.rest()

    def text(self, name: str) -> str:
        return str(self.app.screen_stack[0].query_one(f"#{name}").render())

    def line(self, y: int) -> str:
        return self.app.listing.render_line(y).text

    @property
    def title(self) -> str:
        found = self.app.listing.card
        return found.entry.title if found else ""

    def screen(self) -> list[str]:
        """Return the lines of the whole screen."""
        width, height = self.app.size
        compositor = self.app.screen._compositor
        strips = compositor.render_strips()
        assert len(strips) == height
        assert {strip.cell_length for strip in strips} == {width}
        return [strip.text for strip in strips]


_CHARACTERS = {"space": " ", "comma": ",", "slash": "/", "question_mark": "?"}
_HOPS = 4  # from the app to the screen, its field, back to the app
Play = Callable[[Seat], Awaitable[None]]


def sit(
    engine: Engine,
    folder: Path,
    play: Play,
    *,
    by: str = "ada",
    size: tuple[int, int] = WIDE,
    wanted: Filter = TO_SORT,
    letters: Sequence[str] = (LETTER,),
    letter: str = "",
    has_browser: bool = True,
) -> None:
    """Open the reader, play, and close it."""
    workspace = a_workspace(folder / "ws")
    for slug in letters:
        if not (workspace.issues / slug).exists():
            a_letter(workspace, slug)
    ticks = itertools.count()
    opened: list[str] = []

    def opener(url: str) -> bool:
        opened.append(url)
        return has_browser

    desk = Desk(
        engine=engine,
        workspace=workspace,
        by=by,
        clock=lambda: NOW + timedelta(seconds=next(ticks)),
    )

    async def run() -> None:
        app = Reader(Doors(desk=desk, open_page=opener, letter=letter), View(wanted=wanted))
        async with app.run_test(size=size) as pilot:
            seat = Seat(app, pilot, opened)
            await seat.rest()
            await play(seat)

    asyncio.run(run())


def test_enter_and_capital_k_keep_x_discards_and_the_cursor_goes_on(
    engine: Engine, tmp_path: Path
) -> None:
    first, second, third = fill(engine, "Un", "Deux", "Trois")

    async def play(seat: Seat) -> None:
        assert "3 to sort" in seat.text("header")
        await seat.press("enter")
        assert seat.title == "Deux"
        assert seat.text("said") == "Kept: “Un” · u undoes it"
        assert seat.line(0).startswith(" ✓ Un")  # it stays in the list, marked
        assert "2 to sort" in seat.text("header")
        await seat.press("x", "K")
        assert "0 to sort" in seat.text("header")

    sit(engine, tmp_path, play)
    states = [card(engine, ref).state for ref in (first, second, third)]
    assert states == [State.KEPT, State.DISCARDED, State.KEPT]
    assert card(engine, first).state_by == "ada"


def test_undo_takes_back_the_last_act_then_the_one_before(engine: Engine, tmp_path: Path) -> None:
    first, second = fill(engine, "Un", "Deux")

    async def play(seat: Seat) -> None:
        await seat.press("enter", "x", "u")
        assert seat.text("said") == "Undone: “Deux”"
        assert (card(engine, first).state, card(engine, second).state) == (State.KEPT, State.NEW)
        await seat.press("u")
        assert seat.title == "Un"  # the cursor is where it was
        assert card(engine, first).state is State.NEW
        await seat.press("u")
        assert "nothing" in seat.text("said")

    sit(engine, tmp_path, play)


def test_keys_pressed_faster_than_the_database_are_all_written_in_their_order(
    store: Engine, tmp_path: Path
) -> None:
    refs = fill(store, *map(str, range(12)))

    async def play(seat: Seat) -> None:
        for key in ["x", "enter"] * 6:
            seat.send(key)
        await seat.rest()

    sit(store, tmp_path, play)
    states = [card(store, ref).state for ref in refs]
    assert states == [State.DISCARDED, State.KEPT] * 6


def test_b_puts_an_entry_back_and_s_shows_the_states_in_turn(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un", "Deux", "Trois")

    async def play(seat: Seat) -> None:
        await seat.press("enter", "x")
        shown = []
        for _ in range(4):
            await seat.press("s")
            rows = seat.app.rows
            titles = [one.entry.title for row in range(len(rows)) if (one := rows.card(row))]
            shown.append((seat.app.view.says(), titles))
        assert shown == [
            ("Entries kept", ["Un"]),
            ("Entries discarded", ["Deux"]),
            ("All entries", ["Un", "Deux", "Trois"]),
            ("Entries to sort", ["Trois"]),
        ]
        await seat.press("s")
        await seat.press("b")
        assert "To sort again" in seat.text("said")

    sit(store, tmp_path, play)
    assert len(list_cards(store, TO_SORT).cards) == 2


def test_tags_are_written_completed_and_taken_away(store: Engine, tmp_path: Path) -> None:
    first, second = fill(store, "Un", "Deux")
    triage.tag(store, [second], add=["Données"], by="ines", now=NOW)

    async def play(seat: Seat) -> None:
        await seat.press("t")
        assert isinstance(seat.app.screen, AskTags)
        await seat.type("école, donn")
        await seat.rest()
        await seat.press("tab")
        await seat.press("enter")
        assert card(store, first).tags == ("Données", "école")
        assert "#Données #école" in seat.line(1)
        await seat.press("t")
        field = seat.app.screen.query_one(Input)
        assert field.value == "Données, école, "
        field.value = "école"
        await seat.press("enter")
        assert card(store, first).tags == ("école",)
        await seat.press("t", "z", "escape")
        assert card(store, first).tags == ("école",)

    sit(store, tmp_path, play)


@pytest.mark.parametrize("leave", ["escape", "ctrl+s"])
def test_a_note_is_saved_whichever_way_it_is_left(
    store: Engine, tmp_path: Path, leave: str
) -> None:
    (ref,) = fill(store, "Un")

    async def play(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("deux")
        await seat.press("enter")
        await seat.type("lignes")
        await seat.press(leave)
        assert not isinstance(seat.app.screen, AskNote)
        assert card(store, ref).note == "deux\nlignes"
        assert "deux\nlignes" in seat.text("text")
        await seat.press("n")
        assert seat.app.screen.query_one(TextArea).text == "deux\nlignes"
        await seat.press("escape")  # the same text is no act
        await seat.press("u")
        assert card(store, ref).note == ""

    sit(store, tmp_path, play)


def test_ctrl_c_in_the_note_saves_it_and_ends_the_reader(store: Engine, tmp_path: Path) -> None:
    (ref,) = fill(store, "Un")

    async def play(seat: Seat) -> None:
        await seat.press("n")
        await seat.type("vite")
        await seat.press("ctrl+c")
        assert seat.app._exit

    sit(store, tmp_path, play)
    assert card(store, ref).note == "vite"


def test_search_shows_what_says_the_words_as_they_are_typed(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "Le café qui éteint", "Un wiki", "Deux cafés")

    async def play(seat: Seat) -> None:
        await seat.press("slash")
        await seat.type("cafe")
        for _ in range(200):  # until the typing rests
            if seat.app.view.wanted.text == "cafe":
                break
            await seat.pilot.pause(0.02)
        await seat.rest()
        assert len(seat.app.rows) == 2
        await seat.press("enter", "j")  # the keys are the list's again
        assert seat.title == "Deux cafés"
        assert "“cafe”" in seat.text("header")
        await seat.press("slash")
        await seat.press("escape")
        assert len(seat.app.rows) == 3
        await seat.press("slash")
        await seat.type("zzz")
        await seat.press("enter")
        assert seat.text("text") == "Nothing here: Escape takes the filter and the search away."
        await seat.press("escape")
        assert len(seat.app.rows) == 3

    sit(engine, tmp_path, play)


def test_f_shows_one_watchlist_source_language_or_tag(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un", "Deux")
    with writing(store) as connection:
        connection.execute(entry.update().where(entry.c.title == "Deux").values(source="Next"))

    async def play(seat: Seat) -> None:
        await seat.press("f")
        assert isinstance(seat.app.screen, Choice)
        await seat.type("nex")
        await seat.press("enter")
        assert [seat.title, len(seat.app.rows)] == ["Deux", 1]
        assert seat.app.view.says() == "Entries to sort · Next"
        await seat.press("f", "enter")  # the first choice: everything
        assert len(seat.app.rows) == 2
        await seat.press("f", "down", "up", "escape")
        assert len(seat.app.rows) == 2

    sit(store, tmp_path, play)


def test_a_assigns_to_a_letter_the_newest_first_and_to_none(store: Engine, tmp_path: Path) -> None:
    (ref,) = fill(store, "Un")
    letters = ("2026-11-23-un", LETTER)

    async def play(seat: Seat) -> None:
        await seat.press("a")
        options = seat.app.screen.query_one(OptionList)
        assert [str(one.prompt) for one in options.options] == [LETTER, "2026-11-23-un"]
        await seat.press("down", "enter")
        assert card(store, ref).issue == "2026-11-23-un"
        assert "For the letter 2026-11-23-un" in seat.text("text")
        await seat.press("a")
        await seat.type("no letter")
        await seat.press("enter")
        assert card(store, ref).issue == ""

    sit(store, tmp_path, play, letters=letters)


def test_w_writes_the_entry_into_the_letter_it_is_for(engine: Engine, tmp_path: Path) -> None:
    (ref,) = fill(engine, "Un article")

    async def play(seat: Seat) -> None:
        await seat.press("w", "enter")
        assert f"“Un article” is written into {LETTER}" in seat.text("said")
        assert seat.line(0).startswith(" » Un article")
        await seat.press("x")  # it is in the letter: that is said, and it stays
        assert LETTER in seat.text("said")

    sit(engine, tmp_path, play)
    assert card(engine, ref).state is State.WRITTEN
    written = (tmp_path / "ws" / "issues" / LETTER / "issue.yaml").read_text()
    assert "https://revue.example/0" in written


def test_without_any_letter_a_and_w_say_how_to_start_one(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un")

    async def play(seat: Seat) -> None:
        for key in "aw":
            await seat.press(key)
            assert "infolettre new" in seat.text("said")

    sit(store, tmp_path, play, letters=())


@pytest.mark.parametrize("has_browser", [True, False])
def test_o_opens_the_page_or_says_its_address(
    store: Engine, tmp_path: Path, has_browser: bool
) -> None:
    fill(store, "Un")

    async def play(seat: Seat) -> None:
        await seat.press("o")
        assert seat.opened == ["https://revue.example/0"]
        assert "https://revue.example/0" in seat.text("said")
        assert ("No browser" in seat.text("said")) is not has_browser

    sit(store, tmp_path, play, has_browser=has_browser)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "http://[", ""])
def test_nothing_but_a_web_page_is_opened(url: str) -> None:
    assert not open_page(url)


def test_a_browser_of_the_terminal_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    monkeypatch.setattr(webbrowser, "_browsers", {})
    monkeypatch.setattr(webbrowser, "_tryorder", [])
    webbrowser.register("w3m", None, webbrowser.GenericBrowser("false"), preferred=True)
    assert not open_page("https://revue.example/")


def test_another_curators_change_is_told_and_shown(engine: Engine, tmp_path: Path) -> None:
    first, second = fill(engine, "Un", "Deux")

    async def play(seat: Seat) -> None:
        triage.discard(engine, [first], by="ines", now=NOW)
        await seat.press("enter")
        assert "ines" in seat.text("said")
        assert seat.line(0).startswith(" × Un")
        await seat.press("k")
        assert "Discarded by ines" in seat.text("text")

    sit(engine, tmp_path, play)
    assert card(engine, first).state is State.DISCARDED
    assert card(engine, second).state is State.NEW


def test_two_curators_clear_the_same_entries_side_by_side(engine: Engine, tmp_path: Path) -> None:
    refs = fill(engine, "Un", "Deux", "Trois")

    async def ada(seat: Seat) -> None:
        def other() -> None:
            async def ines(theirs: Seat) -> None:
                await theirs.press("x", "enter")
                await theirs.press("u")

            sit(engine, tmp_path, ines, by="ines")

        await asyncio.to_thread(other)
        await seat.press("enter", "enter", "u")

    sit(engine, tmp_path, ada)
    states = [(card(engine, ref).state, card(engine, ref).state_by) for ref in refs]
    assert states[0] == (State.DISCARDED, "ines")  # ines was first, ada was told
    assert states[1][0] is State.NEW  # ines took hers back, then ada hers
    assert states[2][0] is State.NEW


def test_a_database_that_is_away_is_a_sentence_and_loses_nothing(
    store: Engine, tmp_path: Path
) -> None:
    (ref,) = fill(store, "Un")
    away = open_engine("postgresql://nobody@127.0.0.1:9/none", tmp_path)

    async def play(seat: Seat) -> None:
        doors = seat.app.doors
        seat.app.doors = replace(doors, desk=replace(doors.desk, engine=away))
        await seat.press("enter")
        assert "cannot be reached" in seat.text("said")
        assert seat.line(0).startswith("   Un")  # as it was
        await seat.press("n")
        await seat.type("gardé")
        await seat.press("escape")
        assert "cannot be reached" in seat.text("said")
        assert "gardé" in seat.text("text")
        await seat.press("q")
        assert "A note is not in the database" in seat.text("said")
        assert not seat.app._exit
        seat.app.doors = doors
        await seat.press("n", "escape")  # opened again, saved again
        assert card(store, ref).note == "gardé"
        await seat.press("q")
        assert seat.app._exit

    sit(store, tmp_path, play)
    away.dispose()


def test_a_reader_that_cannot_reach_the_database_at_its_start_says_so(tmp_path: Path) -> None:
    away = open_engine("postgresql://nobody@127.0.0.1:9/none", tmp_path)

    async def play(seat: Seat) -> None:
        assert "cannot be reached" in seat.text("said")
        for key in ("j", "enter", "x", "t", "n", "a", "w", "o", "b", "G", "space", "r", "u"):
            await seat.press(key)
        assert "cannot be reached" in seat.text("said")

    sit(away, tmp_path, play)
    away.dispose()


def test_a_thousand_entries_are_read_as_one_goes_down(store: Engine, tmp_path: Path) -> None:
    fill(store, *map(str, range(1_000)))

    async def play(seat: Seat) -> None:
        assert len(seat.app.rows) == 200
        for _ in range(9):
            await seat.press("pagedown")
        assert len(seat.app.rows) == 400
        await seat.press("G")
        assert [len(seat.app.rows), seat.title] == [1_000, "999"]
        await seat.press("g")
        assert seat.title == "0"
        await seat.press("end", "pageup", "up")
        assert seat.title == str(999 - seat.app.listing.per_screen)

    sit(store, tmp_path, play)


def test_cards_that_were_let_go_of_are_read_again(store: Engine, tmp_path: Path) -> None:
    fill(store, *map(str, range(KEPT + 300)))

    async def play(seat: Seat) -> None:
        await seat.go_through(KEPT + 200)
        assert seat.app.rows.card(0) is None
        await seat.press("g")
        await seat.rest()
        assert seat.line(0).startswith("   0 ")
        assert seat.text("text").startswith("0\n")
        await seat.press("enter")
        assert "Kept: “0”" in seat.text("said")

    sit(store, tmp_path, play)


def test_entries_that_were_erased_meanwhile_leave_the_list(store: Engine, tmp_path: Path) -> None:
    refs = fill(store, *map(str, range(KEPT + 300)))
    first = card(store, refs[0])

    async def play(seat: Seat) -> None:
        await seat.go_through(KEPT + 200)
        with writing(store) as connection:
            connection.execute(entry.delete().where(entry.c.title.in_(["0", "2"])))
        await seat.press("g")
        assert [seat.title, seat.app.rows.row(first)] == ["1", None]
        assert seat.line(2).startswith("   3 ")

    sit(store, tmp_path, play)


def test_refreshing_stays_on_the_entry_and_drops_what_is_sorted(
    store: Engine, tmp_path: Path
) -> None:
    fill(store, "Un", "Deux", "Trois", "Quatre")

    async def play(seat: Seat) -> None:
        await seat.press("x", "x", "j")
        await seat.press("r")
        assert [seat.title, len(seat.app.rows)] == ["Quatre", 2]

    sit(store, tmp_path, play)


def test_space_reads_on_then_goes_to_the_next_entry(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un", "Deux", excerpt="Une longue phrase. " * 40)

    async def play(seat: Seat) -> None:
        presses = 0
        while seat.title == "Un":
            await seat.press("space")
            presses += 1
            assert presses < 12
        assert presses > 1
        assert seat.app.query_one("#pane").scroll_offset.y == 0

    sit(store, tmp_path, play, size=SMALL)


def test_a_click_goes_to_its_entry(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un", "Deux", "Trois")

    async def play(seat: Seat) -> None:
        await seat.pilot.click("Listing", offset=(5, 4))
        await seat.rest()
        assert seat.title == "Deux"

    sit(store, tmp_path, play)


def test_the_help_names_every_key(store: Engine, tmp_path: Path) -> None:
    fill(store, "Un")

    async def play(seat: Seat) -> None:
        await seat.press("question_mark")
        assert isinstance(seat.app.screen, Help)
        shown = "\n".join(seat.screen())
        for key in KEYS:
            assert key.help[:30] in shown
        await seat.press("j", "k", "escape")
        assert not isinstance(seat.app.screen, Help)

    sit(store, tmp_path, play)


@pytest.mark.parametrize(("size", "is_wide", "lines"), [(WIDE, True, 2), (NARROW, False, 2),
                                                        (SMALL, False, 1)])  # fmt: skip
def test_the_pane_stands_beside_the_list_or_below_it(
    store: Engine, tmp_path: Path, size: tuple[int, int], is_wide: bool, lines: int
) -> None:
    fill(store, "Un", "Deux")

    async def play(seat: Seat) -> None:
        listing, pane = seat.app.listing.region, seat.app.query_one("#pane").region
        assert (pane.y == listing.y) is is_wide
        assert (pane.x == listing.x) is not is_wide
        assert seat.app.listing.lines_each == lines
        assert "Deux" in seat.line(lines)
        assert any("Une classe, un wiki." in line for line in seat.screen())
        assert "help" in seat.screen()[-1]

    sit(store, tmp_path, play, size=size)


HOSTILE = (
    "[bold red]pas[/] de [link=x]balisage",
    "\x1b[31mrouge\x07\x00 et \u202eà l’envers\u202c",
    "Anticonstitutionnellement" * 30,
    "مرحبا بالعالم: مقال عن الخصوصية",
    "👩‍👩‍👧‍👦 famille 🏳️‍🌈 東京 👍🏽",
    "Z" + "\u0335\u0327\u031b" * 60 + "algo",
    "   ",
    "\ud83d perdu".encode("utf-8", "replace").decode(),
)


@pytest.mark.parametrize("size", [WIDE, SMALL])
def test_hostile_texts_leave_every_line_as_wide_as_the_screen(
    store: Engine, tmp_path: Path, size: tuple[int, int]
) -> None:
    fields = {"source": HOSTILE[0], "authors": HOSTILE[:3], "excerpt": " ".join(HOSTILE)}
    titles = [title.replace("\x00", "") for title in HOSTILE]  # PostgreSQL takes none
    fields["excerpt"] = str(fields["excerpt"]).replace("\x00", "")
    fields["authors"] = tuple(titles[:3])
    refs = fill(store, *titles, **fields)
    triage.tag(store, refs, add=["[red]tag[/]"], by="[b]x[/b]", now=NOW)

    async def play(seat: Seat) -> None:
        for _ in HOSTILE:
            shown = seat.screen()  # which measures every line
            assert not any("\x1b" in line or "\u202e" in line for line in shown)
            await seat.press("j")
        await seat.press("g")
        assert "[bold red]pas[/] de [link=x]balisage" in seat.text("text")
        await seat.press("enter", "t", "escape", "n", "escape", "f", "escape", "a", "escape")
        assert "[bold red]pas[/]" in seat.text("said")

    sit(store, tmp_path, play, size=size)


def test_what_letters_cite_and_other_feeds_bring_is_shown(store: Engine, tmp_path: Path) -> None:
    (ref,) = fill(store, "Un", language="en", minutes=4)
    cited = page_key("https://lecture.example/a?b=1")  # as the letter of the builders does
    with writing(store) as connection:
        connection.execute(entry.update().values(canonical_url=cited))
        for number, title in ((1, "La Revue"), (2, "Planète")):
            address = f"https://f{number}.example/"
            connection.execute(insert(feed).values(id=number, url=address, title=title))
            connection.execute(
                insert(entry_feed).values(entry_id=1, feed_id=number, first_at=NOW, last_at=NOW)
            )
        connection.execute(insert(entry_tag).values(entry_id=1, tag="lu"))

    async def play(seat: Seat) -> None:
        text = seat.text("text")
        assert "Cited already in no. 43" in text
        assert "4 min read · English" in text
        assert "Planète" in text
        assert "#lu" in text
        assert "cited already in no. 43" in seat.line(1)

    sit(store, tmp_path, play)
    assert card(store, ref).cited_in[0].number == "43"


def test_all_sorted_says_what_to_do_next(store: Engine, tmp_path: Path) -> None:
    async def play(seat: Seat) -> None:
        assert "infolettre veille pull" in seat.text("text")
        await seat.press("j", "k", "enter", "G", "s")
        assert "s shows other states" in seat.text("text")

    sit(store, tmp_path, play)


@pytest.mark.parametrize("width", [20, 60, 110, 200])
def test_header_and_footer_fit_their_line(width: int) -> None:
    header = header_of("Entries to sort · " + "très long " * 30, "12 to sort", width)
    assert cell_len(header.plain) == width
    footer = footer_of(width).plain
    assert footer.endswith("? help  q quit")
    assert cell_len(footer) <= max(width, cell_len("? help  q quit"))


def test_no_key_stands_for_two_acts() -> None:
    names = [name for key in KEYS for name in key.keys.split(",")]
    assert len(names) == len(set(names))
    assert set(MARKS) == set(State)
    assert all(cell_len(mark) == 1 for mark in MARKS.values())


def test_texts_are_made_seemly() -> None:
    assert seemly("a\x1b[1m\u202eb\n\tc\u200d") == "a[1mb c"
    assert seemly("10\u00a0h") == "10\u00a0h"  # a no-break space is meant
    assert seemly_lines("a\r\n\tb\x07") == "a\n    b"
    assert language_name("fr-CA") == "French"
    assert language_name("[x]") == "[x]"
    assert split_tags(" a, #b ,, a,  c  d ") == ("a", "b", "c d")


def test_a_day_of_another_year_names_it() -> None:
    zone, today = NOW.tzinfo, NOW.date()
    assert zone is not None
    assert column_day(NOW, zone, today=today) == "24\u00a0Nov"
    assert column_day(NOW - timedelta(days=400), zone, today=today) == "10/2025"


def test_rows_hold_no_more_cards_than_they_may(store: Engine) -> None:
    rows = Rows()
    entries = [an_entry(f"https://revue.example/{one}") for one in range(KEPT + 50)]
    cards = tuple(Card(id=i, entry=one, state_at=NOW) for i, one in enumerate(entries))
    rows.reset(Page(cards=cards, next=Cursor(dated_at=NOW, id=1)))
    assert len(rows) == KEPT + 50
    assert rows.card(0) is None
    assert rows.card(KEPT + 49) is not None
    assert list(rows.missing(0, 100)) == list(range(50))
    assert rows.card(KEPT + 50) is None
    with reading(store) as connection:
        assert connection.scalar(entry.select().limit(1)) is None
