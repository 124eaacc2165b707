"""Pulls as jobs on a real PostgreSQL: beside the batches, one of all workers at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine, text

from pipeline.delivery import roll
from pipeline.delivery.jobs import announce, serve_jobs
from pipeline.delivery.worker import Worker, utc_now
from pipeline.store.engine import reading
from tests.delivery.mailings import Scripted, a_campaign, a_worker, add_people
from tests.delivery.workers import shared, tally, until

__all__ = ["shared"]

IsOver = Callable[[], bool]


@contextmanager
def serving(worker: Worker, pull: Callable[[IsOver], None]) -> Iterator[None]:
    """Serve in a thread until the block ends."""
    thread = threading.Thread(target=serve_jobs, args=(worker,), kwargs={"pull": pull})
    with worker:
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(20)
            assert not thread.is_alive()


def jobs(engine: Engine) -> list[str]:
    query = text("SELECT status FROM jobs.procrastinate_jobs WHERE task_name = 'pull'")
    with reading(engine) as connection:
        return list(connection.scalars(query))


def test_batches_leave_while_a_pull_is_under_way(shared: Engine) -> None:
    pulling, going = threading.Event(), threading.Event()

    def pull(is_over: IsOver) -> None:
        pulling.set()
        assert going.wait(20)

    with serving(a_worker(shared, Scripted(), clock=utc_now), pull):
        assert pulling.wait(20)
        add_people(shared, 20)
        found = a_campaign(shared)
        roll.start_campaign(shared, found.id, now=utc_now(), size=10)
        announce(shared, found.id)
        until(lambda: tally(shared) == {"accepted": 20})
        assert jobs(shared).count("doing") == 1
        going.set()
        until(lambda: "doing" not in jobs(shared))


def test_a_pull_hears_that_it_is_over(shared: Engine) -> None:
    pulling, ended = threading.Event(), threading.Event()

    def pull(is_over: IsOver) -> None:
        pulling.set()
        until(is_over)
        ended.set()

    with serving(a_worker(shared, Scripted(), clock=utc_now), pull):
        assert pulling.wait(20)
        assert not ended.is_set()
    assert ended.is_set()
    assert "doing" not in jobs(shared)


def test_of_two_workers_one_pulls_at_a_time(shared: Engine) -> None:
    lock, met = threading.Lock(), list[str]()
    pulled = threading.Event()

    def pull(is_over: IsOver) -> None:
        if not lock.acquire(blocking=False):
            met.append("two at once")
            return
        pulled.set()
        threading.Event().wait(0.5)
        lock.release()

    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(serving(a_worker(shared, Scripted(), clock=utc_now), pull))
        assert pulled.wait(20)
        until(lambda: jobs(shared) == [])
    assert met == []
