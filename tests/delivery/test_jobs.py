"""Jobs on a real PostgreSQL: announced once each, and no more than hints of what is to be done."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from pipeline.delivery import campaigns, ledger, roll
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.ears import Ears
from pipeline.delivery.job_tables import prepare
from pipeline.delivery.jobs import announce, serve_jobs
from pipeline.delivery.worker import Worker, utc_now
from pipeline.errors import InfolettreError, InputError, WorkspaceError
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.tables import metadata
from tests.delivery.mailings import Scripted, a_campaign, a_worker, add_people
from tests.delivery.workers import claimed, jobs_of, shared, state_of, tally, until

__all__ = ["shared"]


def running(engine: Engine, *, people: int, size: int = 10, provider: str = "scripted") -> Campaign:
    """Return a campaign whose batches are open."""
    add_people(engine, people)
    found = a_campaign(engine, provider=provider)
    roll.start_campaign(engine, found.id, now=utc_now(), size=size)
    return found


@contextmanager
def serving(worker: Worker, **options: Any) -> Iterator[list[BaseException]]:
    """Serve in a thread until the block ends; yield the errors with which it ended."""
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            serve_jobs(worker, **options)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=serve)
    with worker:
        thread.start()
        try:
            yield errors
        finally:
            worker.stop()
            thread.join(20)
            assert not thread.is_alive()


def test_each_open_batch_has_one_job(shared: Engine) -> None:
    found = running(shared, people=25)
    announce(shared, found.id)
    announce(shared, found.id)
    assert jobs_of(shared) == [(f"batch:{found.id}:{number}", "todo") for number in (1, 2, 3)]


def test_two_who_announce_at_once_queue_nothing_twice(shared: Engine) -> None:
    found = running(shared, people=300, size=1)
    threads = [threading.Thread(target=announce, args=(shared, found.id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({name for name, _ in jobs_of(shared)}) == sorted(n for n, _ in jobs_of(shared))
    assert len(jobs_of(shared)) == 300


def test_two_thousand_batches_are_announced_in_a_second(shared: Engine) -> None:
    found = running(shared, people=2_000, size=1)
    began = time.monotonic()
    announce(shared, found.id)
    assert time.monotonic() - began < 1.0
    assert len(jobs_of(shared)) == 2_000


def test_a_batch_that_somebody_has_is_not_announced(shared: Engine) -> None:
    found = running(shared, people=20)
    ledger.claim_batch(
        shared, found.id, worker="another", lease_until=utc_now() + timedelta(hours=1)
    )
    announce(shared, found.id)
    assert jobs_of(shared) == [(f"batch:{found.id}:2", "todo")]


def test_without_postgresql_nothing_is_announced(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        announce(engine, running(engine, people=1).id)
        found = [one for one in inspect(engine).get_table_names() if "entry_search" not in one]
        assert found == sorted([*metadata.tables, "alembic_version"])


def test_the_jobs_tables_are_in_a_schema_of_their_own(shared: Engine) -> None:
    prepare(shared)
    prepare(shared)
    found = inspect(shared)
    assert "procrastinate_jobs" in found.get_table_names(schema="jobs")
    assert not [name for name in found.get_table_names() if "procrastinate" in name]


def test_tables_of_an_older_procrastinate_are_made_anew(shared: Engine) -> None:
    found = running(shared, people=5)
    announce(shared, found.id)
    with writing(shared) as connection:
        comment = "Infolettre, Procrastinate 01.00.00_01_old"
        connection.execute(text(f"COMMENT ON SCHEMA jobs IS '{comment}'"))
        connection.execute(text("ALTER TABLE jobs.procrastinate_jobs DROP COLUMN priority"))
    announce(shared, found.id)
    assert jobs_of(shared) == [(f"batch:{found.id}:1", "todo")]


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("Infolettre, Procrastinate 99.00.00_01_new", "a newer Infolettre made them"),
        ("somebody's jobs", "a schema “jobs” of another program"),
    ],
)
def test_a_schema_that_is_not_ours_to_change_is_left_alone(
    shared: Engine, comment: str, said: str
) -> None:
    with writing(shared) as connection:
        connection.execute(text("CREATE SCHEMA jobs"))
        connection.execute(text("CREATE TABLE jobs.theirs (number integer)"))
        quoted = comment.replace("'", "''")
        connection.execute(text(f"COMMENT ON SCHEMA jobs IS '{quoted}'"))
    with pytest.raises(WorkspaceError, match=said):
        prepare(shared)
    assert inspect(shared).get_table_names(schema="jobs") == ["theirs"]


def test_who_may_make_no_schema_is_told_what_to_ask_for(shared: Engine, postgres: str) -> None:
    with writing(shared) as connection:
        connection.execute(text("DROP ROLE IF EXISTS redaction"))
        connection.execute(text("CREATE ROLE redaction LOGIN"))
    url = shared.url.set(username="redaction").render_as_string(hide_password=False)
    poor = open_engine(url, None)  # type: ignore[arg-type]
    try:
        with pytest.raises(WorkspaceError, match="GRANT CREATE ON DATABASE postgres TO redaction"):
            prepare(poor)
    finally:
        poor.dispose()
        with writing(shared) as connection:
            connection.execute(text("DROP ROLE redaction"))


def test_jobs_are_done_and_deleted(shared: Engine) -> None:
    found, provider = running(shared, people=25), Scripted()
    announce(shared, found.id)
    with serving(a_worker(shared, provider, clock=utc_now)) as errors:
        until(lambda: tally(shared) == {"accepted": 25} and not jobs_of(shared))
    assert not errors
    assert set(provider.taken.values()) == {1}


def test_a_job_for_a_batch_that_is_not_open_ends_at_once(shared: Engine) -> None:
    found, provider = running(shared, people=20), Scripted()
    announce(shared, found.id)
    campaigns.pause_campaign(shared, found.id, reason=Pause.PERSON)
    with serving(a_worker(shared, provider, clock=utc_now)):
        until(lambda: not jobs_of(shared))
    assert (provider.taken, tally(shared)) == ({}, {"queued": 20})


def test_a_campaign_whose_provider_rests_is_not_announced(shared: Engine) -> None:
    found, provider = running(shared, people=20), Scripted()
    worker = a_worker(shared, provider, clock=utc_now)
    worker.rest(found, 3600)
    swept = threading.Event()
    with serving(worker, chores=swept.set):
        assert swept.wait(20)  # chores come after the first round
        assert jobs_of(shared) == []
    assert provider.taken == {}


def test_a_round_starts_what_is_due_and_announces_it(shared: Engine) -> None:
    add_people(shared, 20)
    found, provider = a_campaign(shared), Scripted()
    with serving(a_worker(shared, provider, clock=utc_now)):
        until(lambda: tally(shared) == {"accepted": 20})
    assert found.state == "scheduled"
    assert state_of(shared, found.id) in ("running", "done")  # the next round calls it done


def test_jobs_of_dead_workers_are_removed_by_a_round(shared: Engine) -> None:
    found = running(shared, people=20)
    announce(shared, found.id)
    with writing(shared) as connection:
        connection.execute(text("SET LOCAL search_path TO jobs"))  # for its triggers
        connection.execute(
            text(
                "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES"
                " (now() - interval '31 seconds') RETURNING id) UPDATE procrastinate_jobs"
                " SET status = 'doing', worker_id = (SELECT id FROM dead)"
            )
        )
    with serving(a_worker(shared, Scripted(), clock=utc_now)):
        until(lambda: tally(shared) == {"accepted": 20} and not jobs_of(shared))
    assert state_of(shared, found.id) in ("running", "done")  # nothing paused it on the way


def test_an_error_of_ours_ends_the_service_and_is_raised(shared: Engine) -> None:
    add_people(shared, 1)
    a_campaign(shared)

    def judge(found: Campaign, now: datetime) -> Pause | None:
        raise ZeroDivisionError

    with serving(a_worker(shared, Scripted(), clock=utc_now), judge=judge) as errors:
        until(lambda: bool(errors))
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_chores_that_fail_are_told_and_keep_nothing_back(shared: Engine) -> None:
    found, heard = running(shared, people=5), list[InfolettreError]()

    def chores() -> None:
        raise InputError("the mailbox is closed")

    ears = Ears(on_trouble=heard.append)
    with serving(a_worker(shared, Scripted(), clock=utc_now, ears=ears), chores=chores):
        until(lambda: bool(heard) and tally(shared) == {"accepted": 5})
    assert [str(error) for error in heard] == ["the mailbox is closed"]
    assert found.id


def test_a_stop_within_a_batch_leaves_nothing_claimed(shared: Engine) -> None:
    found, begun = running(shared, people=200, size=100), threading.Event()
    provider = Scripted(before=lambda recipients: begun.set())
    slow = provider.script

    def script(recipient: Any, turn: int) -> Any:
        time.sleep(0.01)
        return slow(recipient, turn)

    provider.script = script
    announce(shared, found.id)
    with serving(a_worker(shared, provider, clock=utc_now)) as errors:
        assert begun.wait(20)
    assert not errors
    assert claimed(shared) == 0
    assert [state for _, state in jobs_of(shared) if state == "doing"] == []
    assert tally(shared).get("accepted", 0) == len(provider.taken) < 200


def test_nothing_is_listened_to_once_it_is_over(shared: Engine) -> None:
    ready: Callable[[], None]
    is_ready = threading.Event()
    ready = is_ready.set
    with serving(a_worker(shared, Scripted(), clock=utc_now), ready=ready):
        assert is_ready.wait(20)
    query = text("SELECT count(*) FROM jobs.procrastinate_workers")
    with reading(shared) as connection:
        assert connection.scalar(query) == 0
