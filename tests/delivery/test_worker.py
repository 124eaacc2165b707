"""A worker and one campaign: each recipient has what became of them, whatever goes wrong."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from pipeline.delivery import ledger, pace, roll
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.campaigns import cancel_campaign, pause_campaign, resume_campaign
from pipeline.delivery.ports import Recipient, State
from pipeline.delivery.retry import MAX_ATTEMPTS
from pipeline.delivery.tending import tend
from pipeline.delivery.turn import LEASE
from pipeline.delivery.watch import LONG
from pipeline.delivery.worker import FIRST_SLICE, Worker
from pipeline.errors import ProviderError
from pipeline.settings import Domain, Settings
from pipeline.store.campaigns import batch
from pipeline.store.engine import reading
from tests.delivery.mailings import (
    SECRET,
    START,
    Clock,
    Died,
    Script,
    Scripted,
    a_campaign,
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
    tally,
)


def running(engine: Engine, people: int = 10, *, size: int = 10) -> Campaign:
    add_people(engine, people)
    found = a_campaign(engine)
    roll.start_campaign(engine, found.id, now=START, size=size)
    return read_campaign(engine, found.id)


def only(number: int, fate: State | BaseException | None) -> Script:
    """Let this become of one person, and everybody else be served."""

    def script(recipient: Recipient, turn: int) -> State | BaseException | None:
        return fate if recipient.address == person(number) else State.ACCEPTED

    return script


def everybody(fate: State | BaseException | None) -> Script:
    return lambda recipient, turn: fate


def work(engine: Engine, found: Campaign, provider: Scripted, **keys: object) -> Worker:
    """Work on one batch."""
    worker = a_worker(engine, provider, **keys)  # type: ignore[arg-type]
    with worker:
        assert worker.work(found.id)
    return worker


def test_each_recipient_of_a_batch_has_an_outcome_and_the_batch_is_done(engine: Engine) -> None:
    found, provider = running(engine), Scripted(script=only(3, State.FAILED), code="250")
    work(engine, found, provider)
    assert tally(engine) == {"accepted": 9, "failed": 1}
    assert [one.state for one in batches_of(engine, found.id)] == ["done"]
    assert {row.attempts for row in rows_of(engine)} == {1}
    assert provider.taken == {person(number): 1 for number in range(1, 11)}


def test_who_was_put_off_is_tried_again_and_given_up_after_eight_times(engine: Engine) -> None:
    found, clock = running(engine, 2), Clock()
    provider = Scripted(script=only(1, State.DEFERRED))
    with a_worker(engine, provider, clock=clock) as worker:
        for _ in range(30):
            tend(worker)
            worker.work(found.id)
            clock.advance(minutes=20)
    rows = rows_of(engine)
    assert [(row.state, row.attempts) for row in rows] == [
        ("failed", MAX_ATTEMPTS),
        ("accepted", 1),
    ]
    assert provider.taken == {person(1): MAX_ATTEMPTS, person(2): 1}
    assert read_campaign(engine, found.id).state == "done"


def test_what_the_provider_asks_to_wait_is_waited(engine: Engine) -> None:
    found, clock = running(engine, 1), Clock()
    provider = Scripted(script=everybody(State.DEFERRED), retry_after=7200.0)
    with a_worker(engine, provider, clock=clock) as worker:
        worker.work(found.id)
        clock.advance(seconds=7199)
        tend(worker)
        assert not worker.work(found.id)
        clock.advance(seconds=2)
        tend(worker)
        assert worker.work(found.id)


def test_a_429_lets_the_provider_rest_for_all_workers(engine: Engine) -> None:
    found, clock = running(engine, 20), Clock()
    provider = Scripted(script=everybody(State.DEFERRED), retry_after=90.0, code="429")
    work(engine, found, provider, clock=clock)
    provider.script = accepts
    with a_worker(engine, provider, clock=clock) as other:
        assert other.resting_until(found.id) == START + timedelta(seconds=90)
        assert not other.work(found.id)
        clock.advance(seconds=90)
        assert other.work(found.id)


@pytest.mark.parametrize("fate", [Died(), RuntimeError("an error of ours")])
def test_of_a_worker_that_died_those_without_an_outcome_are_uncertain(
    engine: Engine, fate: BaseException
) -> None:
    found = running(engine)
    provider = Scripted(script=only(4, fate))
    worker = a_worker(engine, provider)
    with worker, pytest.raises(type(fate)):
        worker.work(found.id)
    assert tally(engine) == {"accepted": 3, "queued": 7}
    assert batches_of(engine, found.id)[0].state == "claimed"
    bury(engine, worker)
    provider.script = accepts
    clock = Clock()
    with a_worker(engine, provider, clock=clock) as other:
        assert other.recover() == 1
        assert other.recover() == 0
        drain(other, clock, found.id)
    assert tally(engine) == {"accepted": 3, "uncertain": 7}
    assert set(provider.taken.values()) == {1}


def test_a_provider_that_can_be_asked_leaves_nobody_uncertain(engine: Engine) -> None:
    found, clock = running(engine), Clock()
    provider = Scripted(script=only(4, Died()), can_be_asked=True)
    worker = a_worker(engine, provider)
    with worker, pytest.raises(Died):
        worker.work(found.id)
    bury(engine, worker)
    provider.script = accepts
    with a_worker(engine, provider, clock=clock) as other:
        drain(other, clock, found.id)
    assert tally(engine) == {"accepted": 10}
    assert provider.served == {person(number): 1 for number in range(1, 11)}


def test_a_worker_that_lives_is_not_taken_for_dead(engine: Engine) -> None:
    found = running(engine)
    claim = ledger.claim_batch(
        engine, found.id, worker=a_worker(engine, Scripted()).name, lease_until=START
    )
    assert claim is not None
    with a_worker(engine, Scripted(), clock=Clock(START + timedelta(days=1))) as other:
        assert other.recover() == 0  # its process is there, whatever the clock says


def test_another_machines_worker_is_dead_when_its_lease_ran_out_long_ago(engine: Engine) -> None:
    found, clock = running(engine), Clock()
    claim_elsewhere(engine, found, begun_to=10)
    with a_worker(engine, Scripted(), clock=clock) as worker:
        assert worker.recover() == 0
        clock.now = START + LEASE + timedelta(seconds=1)
        assert worker.recover() == 0  # clocks differ, or the database was away
        clock.now = START + LEASE + LONG + timedelta(seconds=1)
        assert worker.recover() == 1
    assert tally(engine) == {"uncertain": 10}


@pytest.mark.parametrize("begun_to", [None, 4])
def test_only_who_was_about_to_be_served_is_in_doubt(engine: Engine, begun_to: int | None) -> None:
    found, provider = running(engine), Scripted()
    claim_elsewhere(engine, found, begun_to=begun_to)
    with a_worker(engine, provider, clock=Clock(START + LEASE + LONG * 2)) as worker:
        assert worker.recover() == 1
        assert worker.work(found.id)
    doubtful = begun_to or 0
    served = {person(number): 1 for number in range(doubtful + 1, 11)}
    assert provider.served == served
    assert tally(engine).get("uncertain", 0) == doubtful
    assert tally(engine)["accepted"] == 10 - doubtful


def test_a_worker_notes_whom_it_is_about_to_serve_slice_by_slice(engine: Engine) -> None:
    found = running(engine, people=300, size=300)
    marks: list[int] = []

    def before(recipients: object) -> None:
        with reading(engine) as connection:
            marks.append(connection.scalars(select(batch.c.begun_to)).one())

    work(engine, found, Scripted(before=before))
    assert marks[0] == FIRST_SLICE
    assert marks == sorted(set(marks))
    assert marks[-1] == 300


def claim_elsewhere(engine: Engine, found: Campaign, *, begun_to: int | None) -> None:
    """Let a worker of another machine take the first batch and begin on it."""
    there = "there|0|pid:[1]//7/7/x"
    claim = ledger.claim_batch(engine, found.id, worker=there, lease_until=START + LEASE)
    assert claim is not None
    ledger.extend_lease(engine, claim, lease_until=START + LEASE, begun_to=begun_to)


def test_of_whom_a_provider_says_nothing_are_in_doubt_and_not_served_again(engine: Engine) -> None:
    found, clock = running(engine), Clock()
    provider = Scripted(script=only(4, None))
    with a_worker(engine, provider, clock=clock) as worker:
        drain(worker, clock, found.id)
    assert tally(engine) == {"accepted": 9, "uncertain": 1}
    assert set(provider.taken.values()) == {1}


def test_a_batch_that_was_claimed_as_the_database_went_away_is_in_no_doubt(engine: Engine) -> None:
    found, provider = running(engine), Scripted()
    with a_worker(engine, provider) as worker:
        ledger.claim_batch(engine, found.id, worker=worker.name, lease_until=START)
        assert worker.recover() == 1  # it never began on it
        assert worker.work(found.id)
    assert tally(engine) == {"accepted": 10}


def test_a_refused_password_pauses_at_once(engine: Engine) -> None:
    found = running(engine)
    work(engine, found, Scripted(script=everybody(ProviderError("the password is wrong"))))
    paused = read_campaign(engine, found.id)
    assert (paused.state, paused.pause) == ("paused", Pause.PROVIDER)
    assert paused.pause_detail == "the password is wrong"
    assert tally(engine) == {"queued": 10}
    assert [one.state for one in batches_of(engine, found.id)] == ["open"]


def test_a_provider_that_is_away_is_tried_five_times_with_growing_rests(engine: Engine) -> None:
    found, clock = running(engine), Clock()
    provider = Scripted(script=everybody(ProviderError("away", retryable=True)))
    rests = []
    with a_worker(engine, provider, clock=clock) as worker:
        for _ in range(5):
            assert worker.work(found.id)
            until = pace.next_at(engine, "provider:scripted", now=clock())
            rests.append((until - clock()).total_seconds())
            clock.now = max(until, clock())
    assert rests == [5.0, 10.0, 20.0, 40.0, 0.0]
    assert read_campaign(engine, found.id).pause is Pause.PROVIDER


def test_strikes_are_forgiven_when_the_provider_takes_a_batch(engine: Engine) -> None:
    found, clock = running(engine, 20), Clock()
    provider = Scripted(script=everybody(ProviderError("away", retryable=True)))
    with a_worker(engine, provider, clock=clock) as worker:
        worker.work(found.id)
        assert read_campaign(engine, found.id).strikes == 1
        provider.script = accepts
        clock.advance(minutes=1)
        worker.work(found.id)
    assert read_campaign(engine, found.id).strikes == 0


@pytest.mark.parametrize(
    ("fate", "reason"),
    [(State.FAILED, Pause.REFUSED), (State.UNCERTAIN, Pause.UNANSWERED)],
)
@pytest.mark.parametrize("rate", [0.0, 8.0])
def test_a_provider_that_refuses_or_answers_for_nobody_pauses(
    engine: Engine, fate: State, reason: Pause, rate: float
) -> None:
    found = running(engine, 60, size=40)
    settings = settings_with(batch=40, rate=rate)
    worker = a_worker(engine, Scripted(script=everybody(fate)), settings=settings)
    worker.sleep = lambda seconds: True  # type: ignore[method-assign]
    with worker:
        worker.work(found.id)
    assert read_campaign(engine, found.id).pause is reason
    assert tally(engine)["queued"] >= 20


def test_nobody_is_sent_to_without_the_key_of_the_links(engine: Engine) -> None:
    found, provider = running(engine), Scripted()
    with Worker(
        engine=engine,
        settings=settings_with(),
        root=Path("/nowhere"),
        environ={},
        clock=Clock(),
        providers={"scripted": provider},
    ) as worker:
        worker.work(found.id)
    assert read_campaign(engine, found.id).pause is Pause.PROVIDER
    assert not provider.taken
    assert SECRET.keys() == {"INFOLETTRE_SECRET"}


def slices(count: int, act: Callable[[], object]) -> Callable[[Sequence[Recipient]], None]:
    """Return a hook that acts before the ``count``-th slice is handed over."""
    seen: list[int] = []

    def before(recipients: Sequence[Recipient]) -> None:
        seen.append(len(recipients))
        if len(seen) == count:
            act()

    return before


def sliced(engine: Engine, provider: Scripted) -> Worker:
    """Return a worker that hands over two at a time, and does not wait."""
    worker = a_worker(engine, provider, settings=settings_with(batch=10, rate=2.0))
    worker.sleep = lambda seconds: not worker.is_stopped  # type: ignore[method-assign]
    return worker


def test_who_leaves_between_two_slices_gets_nothing(engine: Engine) -> None:
    found = running(engine)
    provider = Scripted()
    provider.before = slices(2, lambda: leave(engine, person(5)))
    with sliced(engine, provider) as worker:
        worker.work(found.id)
    assert person(5) not in provider.taken
    row = rows_of(engine)[4]
    assert (row.state, row.code, row.attempts) == ("skipped", "unsubscribed", 0)
    assert tally(engine) == {"accepted": 9, "skipped": 1}


@pytest.mark.parametrize("how", ["pause", "cancel", "stop"])
def test_pausing_cancelling_and_stopping_act_within_a_batch(engine: Engine, how: str) -> None:
    found = running(engine)
    provider = Scripted()
    worker = sliced(engine, provider)
    acts: dict[str, Callable[[], object]] = {
        "pause": lambda: pause_campaign(engine, found.id, reason=Pause.PERSON),
        "cancel": lambda: cancel_campaign(engine, found.id, now=START),
        "stop": worker.stop,
    }
    provider.before = slices(2, acts[how])
    with worker:
        worker.work(found.id)
    assert tally(engine)["queued"] >= 6
    assert [one.state for one in batches_of(engine, found.id)] == ["open"]
    if how == "pause":
        resume_campaign(engine, found.id, now=START)
        provider.before = lambda recipients: None
        clock = Clock()
        with a_worker(engine, provider, clock=clock) as other:
            drain(other, clock, found.id)
        assert tally(engine) == {"accepted": 10}
        assert set(provider.taken.values()) == {1}


def test_a_batch_that_was_taken_away_is_not_gone_on_with(engine: Engine) -> None:
    found, provider = running(engine), Scripted()
    worker = sliced(engine, provider)

    def take_away() -> None:
        claim = ledger.claimed_batches(engine)[0][0]
        ledger.take_over(engine, claim, worker="another", lease_until=START)

    provider.before = slices(2, take_away)
    with worker:
        worker.work(found.id)
    assert len(provider.taken) == 4
    assert tally(engine) == {"accepted": 4, "queued": 6}
    assert batches_of(engine, found.id)[0].worker == "another"


def test_two_workers_keep_a_domains_rate_together(engine: Engine) -> None:
    found, clock = running(engine, 60, size=20), Clock()
    times: list[float] = []

    def note(recipient: Recipient, turn: int) -> State:
        times.append((clock() - START).total_seconds())
        return State.ACCEPTED

    base = settings_with(batch=20)
    settings = Settings(
        site=base.site,
        organisation=base.organisation,
        senders=base.senders,
        delivery=base.delivery,
        domains={"exemple.example": Domain(rate=1.0)},
    )
    provider = Scripted(script=note)
    with (
        a_worker(engine, provider, clock=clock, settings=settings) as one,
        a_worker(engine, provider, clock=clock, settings=settings) as other,
    ):
        for _ in range(300):
            for worker in (one, other):
                tend(worker)
                worker.work(found.id)
            clock.advance(seconds=5)
            if read_campaign(engine, found.id).is_over:
                break
    assert tally(engine) == {"accepted": 60}
    assert max(provider.taken.values()) == 1
    for second in range(0, 600, 5):  # ten may leave at once: the horizon's
        assert sum(1 for at in times if at <= second) <= second + 10


def test_a_rate_is_kept_by_two_workers_together(engine: Engine) -> None:
    found, clock = running(engine, 60, size=20), Clock()
    sent: list[float] = []

    def note(recipient: Recipient, turn: int) -> State:
        sent.append((clock() - START).total_seconds())
        return State.ACCEPTED

    def sleep(seconds: float) -> bool:
        clock.advance(seconds=max(0.0, seconds))
        return True

    provider, settings = Scripted(script=note), settings_with(batch=20, rate=4.0)
    workers = [a_worker(engine, provider, clock=clock, settings=settings) for _ in "ab"]
    for worker in workers:
        worker.sleep = sleep  # type: ignore[method-assign]
    while any(worker.work(found.id) for worker in workers):
        pass
    for worker in workers:
        worker.__exit__()
    assert len(sent) == 60
    assert all(sum(1 for at in sent if at < limit) <= 4 * limit + 4 for limit in range(16))
    assert max(sent) <= 15


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_jumps_serves_nobody_twice(engine: Engine, hours: float) -> None:
    found, clock = running(engine, 30), Clock()
    provider = Scripted(script=lambda one, turn: State.DEFERRED if turn == 0 else State.ACCEPTED)
    with a_worker(engine, provider, clock=clock) as worker:
        worker.work(found.id)
        clock.advance(hours=hours)
        worker.work(found.id)
        drain(worker, clock, found.id)
    assert tally(engine) == {"accepted": 30}
    assert provider.served == {person(number): 1 for number in range(1, 31)}
