"""The recipients' rows: there before anything is sent, claimed by one, ended by an outcome."""

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import combinations

import pytest
from sqlalchemy import Engine

from pipeline.audience.queries import save_filter
from pipeline.audience.segments import parse_rule
from pipeline.delivery import ledger, roll
from pipeline.delivery.campaign import Pause
from pipeline.delivery.campaigns import (
    cancel_campaign,
    count_deliveries,
    open_campaign,
    pause_campaign,
    resume_campaign,
)
from pipeline.delivery.frozen import Frozen
from pipeline.delivery.ledger import Claim, Record
from pipeline.delivery.states import Status
from pipeline.store.engine import reading, writing
from tests.delivery.letters import an_edition
from tests.delivery.mailings import (
    START,
    a_campaign,
    a_frozen,
    add_people,
    batches_of,
    leave,
    person,
    read_campaign,
    rows_of,
    set_campaign,
    tally,
)

LATER = START + timedelta(seconds=40)


def started(engine: Engine, *, people: int = 10, size: int = 4) -> int:
    add_people(engine, people)
    found = a_campaign(engine)
    assert roll.start_campaign(engine, found.id, now=START, size=size) == people
    return found.id


def claim(engine: Engine, number: int, *, worker: str = "a") -> Claim:
    found = ledger.claim_batch(engine, number, worker=worker, lease_until=LATER)
    assert found is not None
    return found


def outcome(number: int, status: Status = Status.ACCEPTED, **more: object) -> Record:
    return Record(subscriber_id=number, status=status, **more)  # type: ignore[arg-type]


def states(engine: Engine, number: int) -> list[str]:
    return [row.state for row in rows_of(engine, number)]


def test_each_recipient_is_a_row_in_a_batch_before_anything_is_sent(engine: Engine) -> None:
    number = started(engine)
    leave(engine, person(1))  # who leaves later keeps their row
    rows = rows_of(engine, number)
    assert [row.subscriber_id for row in rows] == list(range(1, 11))
    assert {row.state for row in rows} == {"queued"}
    assert [row.batch for row in rows] == [1] * 4 + [2] * 4 + [3] * 2
    assert [(one.low, one.high) for one in batches_of(engine, number)] == [(1, 4), (5, 8), (9, 10)]
    found = read_campaign(engine, number)
    assert (found.state, found.total, found.started_at) == ("running", 10, START)


def test_a_campaign_starts_once(engine: Engine) -> None:
    number = started(engine)
    assert roll.start_campaign(engine, number, now=START, size=4) is None
    assert len(rows_of(engine, number)) == 10


def test_who_is_not_active_gets_no_row(engine: Engine) -> None:
    add_people(engine, 5)
    for who, state in enumerate(("pending", "unsubscribed", "bounced", "complained"), start=1):
        leave(engine, person(who), state=state)
    found = a_campaign(engine)
    assert roll.start_campaign(engine, found.id, now=START, size=4) == 1


def test_two_workers_take_different_batches_until_none_is_left(engine: Engine) -> None:
    number = started(engine)
    claims = [claim(engine, number, worker=name) for name in "abc"]
    assert [one.number for one in claims] == [1, 2, 3]
    assert ledger.claim_batch(engine, number, worker="d", lease_until=LATER) is None
    seen = [{one.subscriber_id for one in ledger.read_batch(engine, this)} for this in claims]
    assert set().union(*seen) == set(range(1, 11))
    assert not any(one & other for one, other in combinations(seen, 2))
    with reading(engine) as connection:
        assert count_deliveries(connection, number).claimed == 10


def test_many_who_claim_at_once_get_each_batch_once(engine: Engine) -> None:
    number = started(engine, people=40, size=2)
    taken: list[int] = []

    def work(name: str) -> None:
        while one := ledger.claim_batch(engine, number, worker=name, lease_until=LATER):
            taken.append(one.number)

    at_once(*(lambda name=name: work(name) for name in "abcd"))
    assert sorted(taken) == list(range(1, 21))


def at_once(*acts: Callable[[], object]) -> None:
    """Do all at the same time, and raise what one of them raises."""
    errors: list[BaseException] = []

    def act(one: Callable[[], object]) -> None:
        try:
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=act, args=(one,)) for one in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


@pytest.mark.parametrize("how", ["pause", "cancel"])
def test_nothing_is_claimed_of_a_campaign_that_stands_still(engine: Engine, how: str) -> None:
    number = started(engine)
    if how == "pause":
        pause_campaign(engine, number, reason=Pause.PERSON)
    else:
        cancel_campaign(engine, number, now=START)
    assert ledger.claim_batch(engine, number, worker="a", lease_until=LATER) is None


def test_only_who_holds_a_batch_closes_it(engine: Engine) -> None:
    number = started(engine)
    mine = claim(engine, number)
    theirs = ledger.take_over(engine, mine, worker="b", lease_until=LATER)
    assert theirs is not None
    assert ledger.take_over(engine, mine, worker="c", lease_until=LATER) is None
    assert not ledger.extend_lease(engine, mine, lease_until=LATER)
    ledger.record(engine, mine, [], now=START, close="done")
    assert batches_of(engine, number)[0].state == "claimed"
    ledger.record(engine, theirs, [], now=START, close="open")
    assert batches_of(engine, number)[0].state == "open"


def test_an_outcome_is_written_once_and_ends_the_row(engine: Engine) -> None:
    number = started(engine)
    mine = claim(engine, number)
    ledger.record(engine, mine, [outcome(1, code="250", detail="ok\0")], now=START)
    ledger.record(engine, mine, [outcome(1, Status.FAILED)], now=START)
    ledger.record(engine, mine, [outcome(1, Status.DEFERRED, due_at=LATER)], now=START)
    row = rows_of(engine, number)[0]
    assert (row.state, row.attempts, row.code, row.due_at) == ("accepted", 1, "250", None)
    assert [one.subscriber_id for one in ledger.read_batch(engine, mine)] == [2, 3, 4]


def test_a_worker_taken_for_dead_settles_the_uncertain_but_puts_nobody_off(engine: Engine) -> None:
    number = started(engine)
    mine = claim(engine, number)
    theirs = ledger.take_over(engine, mine, worker="b", lease_until=LATER)
    assert theirs is not None
    doubts = [outcome(who, Status.UNCERTAIN) for who in (1, 2, 3, 4)]
    ledger.record(engine, theirs, doubts, now=START, close="done")
    late = [outcome(1), outcome(2, Status.FAILED), outcome(3, Status.DEFERRED, due_at=LATER)]
    ledger.record(engine, mine, late, now=START)
    assert states(engine, number)[:4] == ["accepted", "failed", "uncertain", "uncertain"]


def test_the_deferred_come_again_when_their_time_has_come_and_not_before(engine: Engine) -> None:
    number = started(engine, people=4)
    mine = claim(engine, number)
    put_off = [
        outcome(1, Status.DEFERRED, due_at=LATER),
        outcome(2),
        outcome(3, Status.DEFERRED, due_at=LATER + timedelta(hours=1)),
        outcome(4, Status.DEFERRED, due_at=LATER),
    ]
    ledger.record(engine, mine, put_off, now=START, close="done")
    assert ledger.regroup_due(engine, number, now=START, size=4) == 0
    assert not ledger.finish_campaign(engine, number, now=START)
    assert ledger.regroup_due(engine, number, now=LATER, size=4) == 2
    again = claim(engine, number)
    assert [one.subscriber_id for one in ledger.read_batch(engine, again)] == [1, 4]
    assert [one.attempts for one in ledger.read_batch(engine, again)] == [1, 1]
    ledger.record(engine, again, [outcome(1), outcome(4)], now=START, close="done")
    assert not ledger.finish_campaign(engine, number, now=LATER)
    with reading(engine) as connection:
        assert count_deliveries(connection, number).next_due == LATER + timedelta(hours=1)


def test_the_uncertain_are_sent_again_or_accepted_on_a_persons_word_alone(engine: Engine) -> None:
    number = started(engine, people=4)
    doubts = [outcome(who, Status.UNCERTAIN) for who in (1, 2, 3, 4)]
    ledger.record(engine, claim(engine, number), doubts, now=START, close="done")
    assert ledger.finish_campaign(engine, number, now=START)
    assert ledger.requeue_uncertain(engine, number, size=3) == 4
    assert read_campaign(engine, number).state == "running"
    again = claim(engine, number)
    assert [one.subscriber_id for one in ledger.read_batch(engine, again)] == [1, 2, 3]
    ledger.record(engine, again, doubts[:3], now=START, close="done")
    assert ledger.accept_uncertain(engine, number, now=START, detail="moi") == 3
    assert ledger.accept_uncertain(engine, number, now=START, detail="moi") == 0
    assert states(engine, number) == ["accepted"] * 3 + ["queued"]


def test_who_has_the_letter_from_another_campaign_of_it_is_skipped(engine: Engine) -> None:
    add_people(engine, 3, segment="presse")
    add_people(engine, 2, first=4)
    first = a_campaign(engine, segment="presse")
    roll.start_campaign(engine, first.id, now=START, size=9)
    ledger.record(engine, claim(engine, first.id), [outcome(1, Status.FAILED)], now=START)
    second = a_campaign(engine, segment="all")
    roll.start_campaign(engine, second.id, now=START, size=9)
    rows = rows_of(engine, second.id)
    assert [row.state for row in rows] == ["queued", "skipped", "skipped", "queued", "queued"]
    assert rows[1].code == roll.ALREADY


def test_a_rehearsal_keeps_nobody_from_the_letter(engine: Engine) -> None:
    add_people(engine, 3)
    first = a_campaign(engine, provider="outbox")
    roll.start_campaign(engine, first.id, now=START, size=9)
    second = a_campaign(engine, provider="smtp")
    roll.start_campaign(engine, second.id, now=START, size=9)
    assert tally(engine, second.id) == {"queued": 3}


def test_after_a_cancelled_campaign_only_those_who_have_nothing_get_it(engine: Engine) -> None:
    number = started(engine, people=6, size=3)
    ledger.record(engine, claim(engine, number), [outcome(1), outcome(2)], now=START)
    cancel_campaign(engine, number, now=START)
    again = open_campaign(
        engine, a_frozen(slug="essai"), segment="all", provider="scripted", now=START, again=True
    ).campaign
    roll.start_campaign(engine, again.id, now=START, size=9)
    assert states(engine, again.id) == ["skipped"] * 2 + ["queued"] * 4


def test_two_campaigns_of_a_letter_that_start_at_once_serve_nobody_twice(engine: Engine) -> None:
    add_people(engine, 300, segment="presse")
    first, second = a_campaign(engine, segment="presse"), a_campaign(engine, segment="all")
    at_once(
        lambda: roll.start_campaign(engine, first.id, now=START, size=9),
        lambda: roll.start_campaign(engine, second.id, now=START, size=9),
    )
    both = rows_of(engine, first.id) + rows_of(engine, second.id)
    assert sorted(row.subscriber_id for row in both if row.state == "queued") == list(range(1, 301))


def test_each_gets_the_variant_of_their_tags_and_saved_filters(engine: Engine) -> None:
    add_people(engine, 3, segment="presse")
    add_people(engine, 4, first=4)
    with writing(engine) as connection:
        save_filter(
            connection, "proches", parse_rule("domain = exemple.example and not segment = presse")
        )
    segments = ("presse", "proches")
    frozen = a_frozen(slug="essai")
    frozen = Frozen(
        slug="essai",
        title="Essai",
        segments=segments,
        editions={variant: an_edition(slug="essai") for variant in range(4)},
        pictures={},
        frame=frozen.frame,
    )
    found = open_campaign(engine, frozen, segment="all", provider="scripted", now=START).campaign
    roll.start_campaign(engine, found.id, now=START, size=9)
    expected = [frozen.variant_of(frozenset({"presse"}))] * 3
    expected += [frozen.variant_of(frozenset({"proches"}))] * 4
    assert [row.variant for row in rows_of(engine, found.id)] == expected


def test_who_left_meanwhile_is_seen_at_once(engine: Engine) -> None:
    number = started(engine)
    readers = ledger.read_batch(engine, claim(engine, number))
    assert ledger.left_meanwhile(engine, readers) == {}
    leave(engine, person(2), state="complained")
    assert ledger.left_meanwhile(engine, readers) == {2: "complained"}


def test_a_campaign_is_done_only_when_no_batch_and_nobody_waits(engine: Engine) -> None:
    number = started(engine, people=2)
    assert not ledger.finish_campaign(engine, number, now=START)
    mine = claim(engine, number)
    assert not ledger.finish_campaign(engine, number, now=START)
    ledger.record(engine, mine, [outcome(1), outcome(2)], now=START, close="done")
    pause_campaign(engine, number, reason=Pause.PERSON)
    assert not ledger.finish_campaign(engine, number, now=START)
    resume_campaign(engine, number, now=START)
    assert ledger.finish_campaign(engine, number, now=START)


def test_the_statuses_come_in_order_a_page_at_a_time(engine: Engine) -> None:
    number = started(engine, people=1_005, size=1_005)
    found = list(ledger.statuses_of(engine, number))
    assert [row[0] for row in found] == list(range(1, 1_006))


def test_a_campaign_of_nobody_is_done_at_once(engine: Engine) -> None:
    found = a_campaign(engine)
    assert roll.start_campaign(engine, found.id, now=START, size=4) == 0
    assert ledger.finish_campaign(engine, found.id, now=START)


def test_what_is_started_again_past_all_rules_is_refused_by_the_database(engine: Engine) -> None:
    number = started(engine)
    set_campaign(engine, number, state="scheduled")
    with pytest.raises(Exception, match=r"(?i)unique"):
        roll.start_campaign(engine, number, now=START, size=4)
    assert len(rows_of(engine, number)) == 10
