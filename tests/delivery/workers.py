"""Worker processes for tests, on a PostgreSQL of the test: started, killed, stopped, waited for.

Run as a program, this file is such a worker; it stands for ``infolettre worker``.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from pipeline.delivery.ears import Ears
from pipeline.delivery.jobs import serve_jobs
from pipeline.delivery.ports import Provider, Recipient, State
from pipeline.delivery.providers import open_provider
from pipeline.delivery.worker import Worker
from pipeline.errors import InfolettreError
from pipeline.store.campaigns import batch, campaign, delivery
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.tables import metadata
from tests.delivery.mailings import SECRET, Scripted, settings_with

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shared(postgres: str, tmp_path: Path) -> Iterator[Engine]:
    """Return a PostgreSQL with our tables, empty, and without any jobs."""
    found = open_engine(postgres, tmp_path)
    with writing(found) as connection:
        names = ", ".join(metadata.tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        connection.execute(text("DROP SCHEMA IF EXISTS jobs CASCADE"))
    yield found
    found.dispose()
    with writing(found) as connection:
        connection.execute(_END_OTHERS)  # of workers that were killed
        connection.execute(text("DROP SCHEMA IF EXISTS jobs CASCADE"))
    found.dispose()


_END_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND datname = current_database() AND backend_type = 'client backend'"
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker process has to work with.

    Its providers are the real outbox in ``folder``, and a scripted one that takes ``seconds`` a
    message. ``size`` is that of a batch.
    """

    url: str
    folder: str
    seconds: float = 0.0
    size: int = 50


@dataclass
class Process:
    """A worker process; what it says, it writes to ``log``."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self, kind: str) -> list[str]:
        """Return what it said of a kind: ready, sent (to the scripted one), a status, trouble."""
        if not self.log.exists():
            return []
        found = (line.partition(" ") for line in self.log.read_text().splitlines())
        return [rest for word, _, rest in found if word == kind]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20.0) -> int:
        """Send SIGTERM and return how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def said(self) -> str:
        """Return what stands on its standard error."""
        return self.log.with_suffix(".err").read_text()


@contextmanager
def working(engine: Engine, folder: Path, count: int = 1, **job: object) -> Iterator[list[Process]]:
    """Start workers, wait until they take jobs, and leave none behind."""
    url = engine.url.render_as_string(hide_password=False)
    arguments = json.dumps(asdict(Job(url=url, folder=str(folder), **job)))  # type: ignore[arg-type]
    found: list[Process] = []
    try:
        for number in range(count):
            log = folder / f"worker-{number}-{time.monotonic_ns()}.log"
            with log.with_suffix(".err").open("wb") as errors:
                command = [sys.executable, "-m", __name__, arguments, str(log)]
                process = subprocess.Popen(command, cwd=ROOT, stderr=errors)
            found.append(Process(process, log))
        until(lambda: all(one.lines("ready") for one in found), seconds=20)
        yield found
    finally:
        for one in found:
            one.process.kill()
            one.process.wait()


def until(is_so: Callable[[], bool], *, seconds: float = 20.0) -> float:
    """Wait for what other processes do; return how long it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds, "it did not come to pass"
        time.sleep(0.05)
    return time.monotonic() - began


def state_of(engine: Engine, number: int) -> str:
    with reading(engine) as connection:
        return str(connection.scalar(select(campaign.c.state).where(campaign.c.id == number)))


def tally(engine: Engine) -> dict[str, int]:
    """Count the recipients by state."""
    columns = delivery.c
    with reading(engine) as connection:
        rows = connection.execute(select(columns.state, func.count()).group_by(columns.state))
        return {row.state: row[1] for row in rows}


def claimed(engine: Engine) -> int:
    with reading(engine) as connection:
        query = select(func.count()).select_from(batch).where(batch.c.state == "claimed")
        return connection.scalar(query) or 0


def jobs_of(engine: Engine) -> list[tuple[str, str]]:
    """Return each batch's job, by its name, with its state."""
    query = (
        "SELECT queueing_lock AS name, status FROM jobs.procrastinate_jobs"
        " WHERE task_name = 'send_batch' ORDER BY id"
    )
    with reading(engine) as connection:
        return [(row.name, row.status) for row in connection.execute(text(query))]


def _main(arguments: Sequence[str]) -> None:
    job, log = Job(**json.loads(arguments[0])), open(arguments[1], "a", buffering=1)  # noqa: SIM115

    def say(kind: str, rest: object = "") -> None:
        log.write(f"{kind} {rest}\n")

    def take(recipient: Recipient, turn: int) -> State:
        time.sleep(job.seconds)
        say("sent", recipient.address)
        return State.ACCEPTED

    def hear(error: InfolettreError) -> None:
        say("trouble", error)

    folder, engine = Path(job.folder), open_engine(job.url, Path(job.folder))
    settings, provider = settings_with(batch=job.size), Scripted(script=take)
    outbox = open_provider("outbox", settings=settings, root=folder, environ=SECRET)
    providers: dict[str, Provider] = {"scripted": provider, "outbox": outbox}
    ears = Ears(
        on_trouble=hear,
        on_outcome=lambda status, reader, _: say(f"{status}", reader.address),
    )
    with Worker(
        engine=engine,
        settings=settings,
        root=folder,
        environ=SECRET,
        ears=ears,
        providers=providers,
    ) as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        serve_jobs(worker, ready=lambda: say("ready"), chores=lambda: say("chores"))
    engine.dispose()
    say("ended")


if __name__ == "__main__":
    _main(sys.argv[1:])
