"""What is done between batches, and the engine that does it all in one program."""

from datetime import timedelta

from sqlalchemy import Engine

from pipeline.delivery.campaign import Pause
from pipeline.delivery.campaigns import open_campaign
from pipeline.delivery.ports import Recipient, State
from pipeline.delivery.tending import start_due, tend, work_here
from pipeline.errors import WorldError
from tests.delivery.mailings import (
    START,
    Clock,
    Scripted,
    a_campaign,
    a_frozen,
    a_worker,
    add_people,
    read_campaign,
    rows_of,
    tally,
)


def test_a_schedule_is_kept_not_earlier(engine: Engine) -> None:
    add_people(engine, 3)
    at, clock = START + timedelta(hours=1), Clock()
    found = open_campaign(
        engine, a_frozen(), segment="all", provider="scripted", now=START, scheduled_at=at
    ).campaign
    with a_worker(engine, Scripted(), clock=clock) as worker:
        tend(worker)
        assert read_campaign(engine, found.id).state == "scheduled"
        clock.now = at
        assert start_due(worker, found)
        assert not start_due(worker, found)  # another program was quicker
    assert read_campaign(engine, found.id).started_at == at


def test_what_a_judge_objects_to_waits_and_nothing_is_enqueued(engine: Engine) -> None:
    add_people(engine, 3)
    found = a_campaign(engine)
    with a_worker(engine, Scripted()) as worker:
        tend(worker, judge=lambda campaign, now: Pause.EDITED)
        tend(worker)
    paused = read_campaign(engine, found.id)
    assert (paused.state, paused.pause, rows_of(engine)) == ("paused", Pause.EDITED, [])


def test_everything_is_sent_and_called_done_in_one_program(engine: Engine) -> None:
    add_people(engine, 25)
    found = a_campaign(engine)
    chores: list[int] = []
    with a_worker(engine, Scripted()) as worker:
        work_here(worker, chores=lambda: chores.append(1), goes_on=lambda: False)
    assert read_campaign(engine, found.id).state == "done"
    assert tally(engine) == {"accepted": 25}
    assert chores == [1]


def test_only_the_campaign_that_is_meant_is_worked_on(engine: Engine) -> None:
    add_people(engine, 3)
    first, second = a_campaign(engine, slug="un"), a_campaign(engine, slug="deux")
    with a_worker(engine, Scripted()) as worker:
        work_here(worker, goes_on=lambda: False, only=second.id)
    assert read_campaign(engine, first.id).state == "scheduled"
    assert read_campaign(engine, second.id).state == "done"


def test_chores_that_fail_keep_no_letter_back(engine: Engine) -> None:
    add_people(engine, 3)
    a_campaign(engine)

    def fail() -> None:
        raise WorldError("no mailbox")

    with a_worker(engine, Scripted()) as worker:
        work_here(worker, chores=fail, goes_on=lambda: False)
    assert tally(engine) == {"accepted": 3}


def test_a_stopped_worker_leaves_nothing_claimed(engine: Engine) -> None:
    add_people(engine, 25)
    found = a_campaign(engine)
    provider = Scripted()
    worker = a_worker(engine, provider)

    def script(recipient: Recipient, turn: int) -> State:
        if len(provider.taken) == 14:
            worker.stop()
        return State.ACCEPTED

    provider.script = script
    with worker:
        work_here(worker)
    assert tally(engine) == {"accepted": 15, "queued": 10}
    with a_worker(engine, Scripted()) as other:
        work_here(other, goes_on=lambda: False)
    assert tally(engine) == {"accepted": 25}
    assert read_campaign(engine, found.id).state == "done"
