"""Two curators in any sequence of actions: undo is exact, nothing kept is lost, all is told."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select, text

from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.entries import entry
from pipeline.store.tables import metadata
from pipeline.veille.card import Card, words_of
from pipeline.veille.decisions import facts_of
from pipeline.veille.entries import find_cards, purge_entries, put_page
from pipeline.veille.letter import sync_letter, write_cards
from pipeline.veille.states import State
from pipeline.veille.triage import (
    Done,
    assign,
    discard,
    history,
    keep,
    put_back,
    tag,
    undo,
    write_note,
)
from pipeline.workspace import Workspace
from tests.veille.builders import NOW, a_letter, a_workspace, an_entry

SLUG = "2026-11-30-cafes"
CURATORS = st.sampled_from(["Claire", "Marc"])
SOME = st.sets(st.integers(0, 2), min_size=1)
TAGS = st.sampled_from(["a", "b,é", "E", ""])
SEEN = st.none() | st.sampled_from(State)  # None: whatever it is


@dataclass
class Deed:
    """What one action did: for each card that it changed the fields before and after."""

    by: str
    fields: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)


class Desk(RuleBasedStateMachine):
    """Three cards, two curators, one letter; ``facts`` is what each card should be."""

    engine: Engine
    open: Callable[[Path], Engine]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="infolettre-desk-"))
        self.engine = type(self).open(self.folder)
        self.workspace: Workspace = a_workspace(self.folder)
        self.letter = a_letter(self.workspace, SLUG)
        self.original = (self.letter / "issue.yaml").read_bytes()
        self.now = NOW
        self.deeds: list[Deed] = []  # that can be undone, the newest last
        self.events: dict[str, int] = {}
        self.facts: dict[str, dict[str, Any]] = {}

    @initialize()
    def fill(self) -> None:
        """Put on the desk what is not there (any more)."""
        for number in range(3):
            page = an_entry(f"https://revue.example/{number}", title=f"Article {number}")
            if page.id not in self.facts:
                card = put_page(self.engine, page, by="", now=NOW)
                self.facts[page.id], self.events[page.id] = facts_of(card), 0
        self.refs = sorted(self.facts)

    def named(self, some: set[int]) -> list[str]:
        return [ref for number, ref in enumerate(self.refs) if number in some]

    def cards(self) -> dict[str, Card]:
        return {card.entry.id: card for card in find_cards(self.engine, self.facts)}

    def act(self, by: str, do: Callable[[], Done | None], *, is_undoable: bool = True) -> None:
        """Let a curator act, and note which fields of which cards changed by it."""
        self.now += timedelta(minutes=1)
        done = do()
        deed = Deed(by)
        for ref, card in self.cards().items():
            present, before = facts_of(card), self.facts[ref]
            names = [name for name in present if present[name] != before[name]]
            if names:
                old = {name: before[name] for name in names}
                deed.fields[ref] = old, {name: present[name] for name in names}
                self.facts[ref] = present
                self.events[ref] += 1
        if done is not None:
            assert set(done.changed) == set(deed.fields)
            assert len(done.event_ids) == len(deed.fields)
        if deed.fields and is_undoable:
            self.deeds.append(deed)

    @rule(by=CURATORS, some=SOME, what=st.sampled_from([keep, discard, put_back]), seen=SEEN)
    def sort(self, by: str, some: set[int], what: Callable[..., Done], seen: State | None) -> None:
        refs, before = self.named(some), self.cards()
        known = dict.fromkeys(refs, seen) if seen else None
        self.act(by, lambda: what(self.engine, refs, by=by, now=self.now, seen=known))
        for ref, card in self.cards().items():
            if seen and before[ref].state is not seen and before[ref].state_by != by:
                assert card == before[ref]  # another decided: nothing happens

    @rule(
        by=CURATORS, some=SOME, add=st.sampled_from(["a", "b,é", ""]), remove=st.sampled_from("aE")
    )
    def tag(self, by: str, some: set[int], add: str, remove: str) -> None:
        refs = self.named(some)
        self.act(
            by,
            lambda: tag(self.engine, refs, add=[add], remove=[remove], by=by, now=self.now),
        )

    @rule(by=CURATORS, some=SOME, note=st.sampled_from(["", "Un *avis*.", "Un autre."]))
    def note(self, by: str, some: set[int], note: str) -> None:
        if refs := self.named(some):
            self.act(by, lambda: write_note(self.engine, refs[0], note, by=by, now=self.now))

    @rule(by=CURATORS, some=SOME, issue=st.sampled_from(["", SLUG, "2026-12-07-suite"]))
    def assign(self, by: str, some: set[int], issue: str) -> None:
        refs = self.named(some)
        self.act(by, lambda: assign(self.engine, refs, issue, by=by, now=self.now))

    @rule(by=CURATORS, some=SOME)
    def write(self, by: str, some: set[int]) -> None:
        cards = self.cards()
        text = (self.letter / "issue.yaml").read_text(encoding="utf-8")
        refs = [ref for ref in self.named(some) if cards[ref].entry.url not in text]

        def do() -> None:
            write_cards(self.engine, self.workspace, refs, self.letter, by=by, now=self.now)

        self.act(by, do)

    @rule(by=CURATORS, is_emptied=st.booleans())
    def look(self, by: str, is_emptied: bool) -> None:
        """Look at the letter, which somebody may have emptied by hand."""
        if is_emptied:
            (self.letter / "issue.yaml").write_bytes(self.original)

        def do() -> None:
            sync_letter(self.engine, self.letter, by=by, now=self.now)

        self.act(by, do, is_undoable=False)

    @rule(by=CURATORS)
    def undo(self, by: str) -> None:
        mine = [deed for deed in self.deeds if deed.by == by]
        expected = {ref: dict(facts) for ref, facts in self.facts.items()}
        left = 0
        if mine:
            self.deeds.remove(mine[-1])
            for ref, (before, after) in mine[-1].fields.items():
                if all(expected[ref][name] == value for name, value in after.items()):
                    expected[ref] |= before
                else:
                    left += 1
        self.now += timedelta(minutes=1)

        done = undo(self.engine, by=by, now=self.now)

        assert {ref: facts_of(card) for ref, card in self.cards().items()} == expected
        assert len(done.event_ids) == (len(mine[-1].fields) if mine else 0)
        assert len(done.notices) >= left
        self.facts = expected

    @rule()
    def purge(self) -> None:
        """Years pass: what nobody wanted goes with its history, and a feed brings it again."""
        purge_entries(self.engine, now=NOW + timedelta(days=999), keep_days=90)
        with reading(self.engine) as connection:
            there = set(connection.scalars(select(entry.c.ref)))
        for ref in set(self.facts) - there:
            gone = self.facts.pop(ref)
            assert gone["state"] in ("new", "discarded")
            assert [gone[name] for name in ("note", "tags", "issue")] == ["", [], ""]
            for deed in self.deeds:
                deed.fields.pop(ref, None)
        self.deeds = [deed for deed in self.deeds if deed.fields]
        self.fill()

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        cards = self.cards()
        assert {ref: facts_of(card) for ref, card in cards.items()} == self.facts
        with reading(self.engine) as connection:
            rows = connection.execute(select(entry.c.ref, entry.c.words)).all()
        words = {row.ref: row.words for row in rows}
        for ref, card in cards.items():
            expected = words_of(card.entry, note=card.note, tags=card.tags)
            assert sorted(words[ref].split()) == sorted(expected.split())

    @invariant()
    def the_history_tells_each_change(self) -> None:
        for ref in self.facts:
            events = history(self.engine, ref)
            assert len(events) == self.events[ref]
            assert sum(not event.is_undone for event in events) >= sum(
                ref in deed.fields for deed in self.deeds
            )

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)


def test_two_curators_on_sqlite(sqlite_file: Path) -> None:
    def fresh(folder: Path) -> Engine:
        shutil.copy(sqlite_file, folder / "test.db")
        return open_engine("sqlite:///test.db", folder)

    machine = type("OnSqlite", (Desk,), {"open": staticmethod(fresh)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )


def test_two_curators_on_postgresql(postgres: str) -> None:
    def fresh(folder: Path) -> Engine:
        found = open_engine(postgres, folder)
        with writing(found) as connection:
            connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} CASCADE"))
        return found

    machine = type("OnPostgresql", (Desk,), {"open": staticmethod(fresh)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=5, stateful_step_count=20, deadline=None)
    )
