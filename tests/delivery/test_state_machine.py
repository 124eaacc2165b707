"""One campaign under any sequence of sending, dying, pausing, leaving and events: nobody is lost,
and nobody is served twice unless a person asked for it."""

import shutil
import tempfile
from collections import Counter
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
from sqlalchemy import Engine, text

from pipeline.delivery.campaign import Pause
from pipeline.delivery.campaigns import (
    approve_campaign,
    cancel_campaign,
    count_deliveries,
    open_campaign,
    pause_campaign,
    resume_campaign,
)
from pipeline.delivery.events import Event, Kind
from pipeline.delivery.feedback import record_events
from pipeline.delivery.ledger import accept_uncertain, requeue_uncertain
from pipeline.delivery.objections import Judge
from pipeline.delivery.ports import Recipient, State
from pipeline.delivery.states import SERVED, WAITING, CampaignState, Status
from pipeline.delivery.tending import tend
from pipeline.delivery.worker import Worker
from pipeline.errors import InputError, ProviderError
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.tables import metadata
from tests.delivery.mailings import (
    START,
    Bug,
    Clock,
    Died,
    Scripted,
    a_frozen,
    a_worker,
    accepts,
    add_people,
    batches_of,
    bury,
    drain,
    leave,
    person,
    read_campaign,
    rows_of,
    settings_with,
)

PEOPLE = 8
BATCH = 3
SERVED_VALUES = {status.value for status in SERVED}
FATES = ("accepted", "accepted", "deferred", "failed", "die", "bug", "away", "refused")
DOUBTS = (*FATES, "uncertain", "silent")
numbers = st.integers(min_value=1, max_value=PEOPLE)


def fate_of(word: str) -> State | BaseException | None:
    """Return what a script answers for a word."""
    fates: dict[str, State | BaseException | None] = {
        "die": Died(),
        "bug": Bug(),
        "away": ProviderError("away", retryable=True),
        "refused": ProviderError("the password is wrong"),
        "silent": None,
    }
    return fates[word] if word in fates else State(word)


class Sending(RuleBasedStateMachine):
    """A campaign to eight people, in batches of three."""

    url = ""
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="infolettre-machine-"))
        self.engine = self.open()
        self.clock = Clock()
        self.served_at: dict[str, int] = {}  # how often handed over when the row was served
        self.left_at: dict[str, int] = {}  # … when the person left
        self.resent: Counter[str] = Counter()
        self.events = 0
        self.is_cancelled = False
        add_people(self.engine, PEOPLE)

    def open(self) -> Engine:
        if self.url:
            engine = open_engine(self.url, self.folder)
            with writing(engine) as connection:
                names = ", ".join(metadata.tables)
                connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            return engine
        shutil.copy(self.template, self.folder / "test.db")
        return open_engine("sqlite:///test.db", self.folder)

    @initialize(can_be_asked=st.booleans(), needs_approval=st.booleans(), is_begun=st.booleans())
    def begin(self, can_be_asked: bool, needs_approval: bool, is_begun: bool) -> None:
        self.provider = Scripted(can_be_asked=can_be_asked)
        self.needs_approval = needs_approval
        self.settings = settings_with(batch=BATCH, require_approval=needs_approval)
        self.worker = self.new_worker()
        self.number = self.send_again()
        if is_begun:
            approve_campaign(self.engine, self.number, by="moi", now=self.clock())
            tend(self.worker)

    def new_worker(self) -> Worker:
        settings = self.settings
        return a_worker(self.engine, self.provider, settings=settings, clock=self.clock)

    def send_again(self) -> int:
        opened = open_campaign(
            self.engine,
            a_frozen(),
            segment="all",
            provider="scripted",
            now=self.clock(),
            needs_approval=self.needs_approval and self.clock() != START,  # asked for at the start
        )
        return opened.campaign.id

    # --- what may happen ----------------------------------------------------------------------

    @rule(words=st.lists(st.sampled_from(DOUBTS), min_size=BATCH, max_size=BATCH))
    def work(self, words: list[str]) -> None:
        """Work on one batch; the words say what becomes of its recipients, in order."""
        self.clock.advance(minutes=2)  # the provider has rested
        tend(self.worker)
        fates = [fate_of(word) for word in words if word in FATES or not self.provider.can_be_asked]

        def script(recipient: Recipient, turn: int) -> State | BaseException | None:
            return fates.pop(0) if fates else State.ACCEPTED

        self.provider.script = script
        try:
            self.worker.work(self.number)
        except Died as end:
            if not isinstance(end, Bug):
                self.worker.__exit__()
                bury(self.engine, self.worker)
                self.worker = self.new_worker()
        self.provider.script = accepts

    @rule()
    def work_well(self) -> None:
        tend(self.worker)
        self.worker.work(self.number)

    @rule()
    def look_round(self) -> None:
        tend(self.worker, judge=Judge(engine=self.engine, settings=self.settings))

    @rule(minutes=st.sampled_from([-600, -1, 1, 2, 70, 600]))
    def the_clock_jumps(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @rule()
    def somebody_sends_again(self) -> None:
        over = read_campaign(self.engine, self.number).state is CampaignState.CANCELLED
        try:
            assert self.send_again() == self.number
        except InputError:
            assert over

    @rule()
    def approve(self) -> None:
        approve_campaign(self.engine, self.number, by="moi", now=self.clock())

    @rule()
    def pause(self) -> None:
        self.ask(lambda: pause_campaign(self.engine, self.number, reason=Pause.PERSON))

    @rule()
    def resume(self) -> None:
        self.ask(lambda: resume_campaign(self.engine, self.number, now=self.clock()))

    @rule(chance=st.integers(min_value=0, max_value=9))
    def cancel(self, chance: int) -> None:
        if chance == 9:
            self.ask(lambda: cancel_campaign(self.engine, self.number, now=self.clock()))
            self.is_cancelled = True

    def ask(self, act: Any) -> None:
        before = read_campaign(self.engine, self.number)
        try:
            act()
        except InputError:
            assert read_campaign(self.engine, self.number) == before

    @rule(number=numbers)
    def somebody_leaves(self, number: int) -> None:
        leave(self.engine, person(number))
        self.left_at.setdefault(person(number), self.provider.taken.get(person(number), 0))

    @rule(number=numbers, kind=st.sampled_from(Kind))
    def something_comes_back(self, number: int, kind: Kind) -> None:
        self.events += 1
        event = Event(
            kind=kind,
            at=self.clock() + timedelta(minutes=1),
            id=f"event-{self.events}",
            recipient=f"public-{number:014}",
            campaign=read_campaign(self.engine, self.number).name,
        )
        record_events(self.engine, [event], now=self.clock(), soft_limit=3)
        if self.is_gone(number):
            self.left_at.setdefault(person(number), self.provider.taken.get(person(number), 0))

    def is_gone(self, number: int) -> bool:
        query = text("SELECT state FROM subscriber WHERE id = :id")
        with reading(self.engine) as connection:
            return bool(connection.scalar(query, {"id": number}) != "active")

    @rule()
    def resend(self) -> None:
        if read_campaign(self.engine, self.number).state is CampaignState.CANCELLED:
            return
        doubted = [row.address for row in self.rows() if row.state == Status.UNCERTAIN.value]
        assert requeue_uncertain(self.engine, self.number, size=BATCH) == len(doubted)
        self.resent.update(doubted)

    @rule()
    def accept(self) -> None:
        accept_uncertain(self.engine, self.number, now=self.clock(), detail="moi")

    # --- what holds ---------------------------------------------------------------------------

    def rows(self) -> list[Any]:
        return rows_of(self.engine, self.number)

    @invariant()
    def each_recipient_has_one_row(self) -> None:
        found = read_campaign(self.engine, self.number)
        rows = self.rows()
        assert len(rows) == len({row.address for row in rows}) == found.total
        assert bool(found.started_at) or not rows
        with reading(self.engine) as connection:
            counts = count_deliveries(connection, self.number)
        assert counts.total == found.total
        assert 0 <= counts.claimed <= counts.of(Status.QUEUED)
        assert counts.sent == sum(row.state in SERVED_VALUES for row in rows)

    @invariant()
    def what_is_cancelled_stays_so(self) -> None:
        state = read_campaign(self.engine, self.number).state
        assert not self.is_cancelled or state in (CampaignState.CANCELLED, CampaignState.DONE)

    @invariant()
    def who_is_served_stays_so(self) -> None:
        states = {row.address: row.state for row in self.rows()}
        for address, state in states.items():
            if state in SERVED_VALUES:
                self.served_at.setdefault(address, self.provider.taken.get(address, 0))
        for address, count in self.served_at.items():
            assert states[address] in SERVED_VALUES
            assert self.provider.taken.get(address, 0) == count, f"{address} got it again"

    @invariant()
    def nobody_gets_it_twice(self) -> None:
        for address, count in self.provider.served.items():
            assert count <= 1 + self.resent[address], f"{address} got it {count} times"

    @invariant()
    def who_left_is_left_alone(self) -> None:
        for address, count in self.left_at.items():
            assert self.provider.taken.get(address, 0) == count, f"{address} had left"

    @invariant()
    def who_waits_is_in_a_batch_that_will_come(self) -> None:
        batches = {one.number: one for one in batches_of(self.engine, self.number)}
        for row in self.rows():
            if row.state == Status.QUEUED.value:
                mine = batches[row.batch]
                assert mine.state in ("open", "claimed")
                assert mine.low <= row.subscriber_id <= mine.high
            assert (row.due_at is not None) == (row.state == Status.DEFERRED.value)

    def teardown(self) -> None:
        try:
            if hasattr(self, "worker"):
                self.end_well()
        finally:
            self.engine.dispose()
            shutil.rmtree(self.folder)

    def end_well(self) -> None:
        """Let all go well from now on: the campaign ends, and nobody is left."""
        approve_campaign(self.engine, self.number, by="moi", now=self.clock())
        self.provider.script = accepts
        with self.worker as worker:
            found = drain(worker, self.clock, self.number)
        states = Counter(row.state for row in self.rows())
        if found.state is CampaignState.DONE:
            assert not sum(states[status.value] for status in WAITING)
            assert {one.state for one in batches_of(self.engine, self.number)} <= {"done"}
        assert not any(one.state == "claimed" for one in batches_of(self.engine, self.number))
        if self.provider.can_be_asked:
            assert not states[Status.UNCERTAIN.value]
        self.each_recipient_has_one_row()
        self.who_is_served_stays_so()
        self.nobody_gets_it_twice()
        self.who_left_is_left_alone()


def test_the_promises_hold_whatever_happens(sqlite_file: Path) -> None:
    machine = type("OnSqlite", (Sending,), {"template": sqlite_file})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None)
    )


def test_the_promises_hold_on_postgresql_too(postgres: str) -> None:
    machine = type("OnPostgresql", (Sending,), {"url": postgres})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=10, stateful_step_count=20, deadline=None)
    )
