"""Adding a page by its address: what it takes beyond the fetch.

Pages of four kinds and three sizes are made here, as real sites write them: with all metadata
(WordPress and its plugins), with OpenGraph alone, with nothing but HTML, and a video's page that
is nearly all script. Each is served by a server on loopback, fetched, read (``read_page``) and put
on a desk in SQLite (``put_page``), in turn; what counts is the median and the worst of ``--rounds``
times of reading and putting together (the clock's, and the median of the processor's, as the
machine may be shared), with the fetch beside it. Loading trafilatura, once a process, is shown
apart, and so is a PDF, which is read in a process of its own.
"""

import argparse
import asyncio
import io
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.campaign import heading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pipeline.settings import Settings

GOAL: Final = 20  # ms
ROUNDS: Final = 25
SIZES: Final = (50_000, 100_000, 150_000)  # bytes
VIDEO: Final = 1_000_000
NOW: Final = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
WORDS: Final = (
    "le la les des communs école numérique logiciel libre ville commune citoyens débat données"
    " enquête loi café bibliothèque réseau une un par pour dans avec sans sur qui que travail"
).split()


# --- pages ------------------------------------------------------------------------------------


def sentence(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count)).capitalize() + "."


def make_body(rng: random.Random, size: int, *, byline: str) -> str:
    """Return a page's body: menu, article, teasers, footer; a third of it is text."""
    menu = "".join(
        f'<li class="menu-item"><a href="/rubrique/{i}">{sentence(rng, 3)}</a></li>'
        for i in range(size // 900)
    )
    teasers = "".join(
        f'<div class="card teaser"><a href="/a/{i}"><img src="/i/{i}.jpg" alt="" loading="lazy">'
        f'<span class="titre">{sentence(rng, 8)}</span></a></div>'
        for i in range(size // 1200)
    )
    script = "".join(f"var a{i}={{b:{i},c:'x{i}'}};" for i in range(size // 120))
    text = "".join(f"<p>{sentence(rng, 70)}</p>" for _ in range(size // 1300))
    return (
        f"<header><nav><ul>{menu}</ul></nav></header><main><article><h1>Des communs à l’école</h1>"
        f"{byline}{text}</article></main><aside>{teasers}</aside><script>{script}</script>"
        "<footer><p>© 2026 La Revue</p></footer>"
    )


def complete(rng: random.Random, size: int, url: str) -> str:
    """Return a page of WordPress with its plugins: JSON-LD graph, OpenGraph, labels."""
    graph = [
        {"@type": "WebSite", "@id": "/#site", "name": "La Revue", "url": "/"},
        {"@type": "Person", "@id": "/#ada", "name": "Ada Martin"},
        {
            "@type": "NewsArticle",
            "headline": "Des communs à l’école",
            "author": [{"@id": "/#ada"}, {"@type": "Person", "name": "Bo Lee"}],
            "datePublished": "2026-11-20T09:00:00+01:00",
            "inLanguage": "fr-FR",
            "description": sentence(rng, 25),
            "image": {"@type": "ImageObject", "url": "/une.jpg"},
            "wordCount": 1200,
            "mainEntityOfPage": url,
        },
    ]
    head = (
        f'<link rel="canonical" href="{url}"><script type="application/ld+json">'
        f"{json.dumps({'@context': 'https://schema.org', '@graph': graph})}</script>"
    )
    return make_page(head + open_graph(rng), make_body(rng, size, byline=""))


def open_graph(rng: random.Random) -> str:
    found = {
        "og:title": "Des communs à l’école",
        "og:site_name": "La Revue",
        "og:image": "/une.jpg",
        "og:description": sentence(rng, 25),
        "article:published_time": "2026-11-20T09:00:00+01:00",
    }
    return "".join(f'<meta property="{name}" content="{text}">' for name, text in found.items())


def social(rng: random.Random, size: int, url: str) -> str:
    """Return a page with OpenGraph alone: its author has to be looked for."""
    byline = '<p class="byline">Par <span class="author">Ada Martin</span></p>'
    return make_page(open_graph(rng), make_body(rng, size, byline=byline))


def bare(rng: random.Random, size: int, url: str) -> str:
    """Return a page without any metadata: author and date have to be looked for."""
    byline = '<p class="byline">Par <span class="author">Ada Martin</span>, 20 novembre 2026</p>'
    return make_page("", make_body(rng, size, byline=byline))


def video(rng: random.Random, size: int, url: str) -> str:
    """Return a page as a video site makes it: a megabyte of script."""
    head = (
        open_graph(rng) + '<span itemprop="author"><link itemprop="name" content="Ada Martin">'
        f"</span><script>var data={json.dumps([sentence(rng, 12)] * (VIDEO // 90))};</script>"
    )
    return make_page(head, "<div id=app></div>")


def make_page(head: str, body: str) -> str:
    style = ".a{color:#123;margin:0 auto}" * 300
    return (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Des communs à l’école |'
        f" La Revue</title><style>{style}</style>{head}</head><body>{body}</body></html>"
    )


KINDS: Final[dict[str, Callable[[random.Random, int, str], str]]] = {
    "all metadata": complete,
    "OpenGraph only": social,
    "nothing but HTML": bare,
}


# --- the server -------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    bodies: dict[str, tuple[bytes, str]]

    def do_GET(self) -> None:
        body, kind = self.bodies["/" + self.path.split("/")[1]]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(bodies: dict[str, tuple[bytes, str]]) -> Iterator[str]:
    """Serve each body under its first path segment; yield the server's address."""
    handler = type("Served", (Handler,), {"bodies": bodies})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# --- the measurement --------------------------------------------------------------------------


@dataclass
class Times:
    """Milliseconds of each round."""

    fetch: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    put: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def beyond(self) -> list[float]:
        return [one + other for one, other in zip(self.read, self.put, strict=True)]


def bench_page(engine: "Engine", settings: "Settings", url: str, times: Times) -> dict[str, str]:
    """Add one page, step by step; return the origins of its fields."""
    from pipeline.veille.entries import put_page
    from pipeline.veille.fetch import Fetched, Request, open_fetcher
    from pipeline.veille.page import read_page

    async def fetch() -> Fetched:
        async with open_fetcher(settings.veille) as fetcher:
            return await fetcher.fetch(Request(url=url))

    begun = time.perf_counter()
    answer = asyncio.run(fetch())
    fetched, processor = time.perf_counter(), time.thread_time()
    page = read_page(answer.body, url=answer.url, now=NOW, content_type=answer.content_type)
    read = time.perf_counter()
    put_page(engine, page, by="Gwenola", now=NOW, note="à lire", tags=("communs",))
    done = time.perf_counter()
    times.processor.append((time.thread_time() - processor) * 1000)
    for kept, seconds in (
        (times.fetch, fetched - begun),
        (times.read, read - fetched),
        (times.put, done - read),
    ):
        kept.append(seconds * 1000)
    return dict(page.origins)


def make_bodies(rng: random.Random) -> dict[str, tuple[bytes, str]]:
    named: dict[str, tuple[bytes, str]] = {}
    for number, (name, make) in enumerate(KINDS.items()):
        for size in SIZES:
            key = f"/{number}-{size}"
            named[key] = (make(rng, size, "").encode(), f"text/html; x={name.replace(' ', '_')}")
    named["/video"] = (video(rng, VIDEO, "").encode(), "text/html; x=video,_all_script")
    named["/pdf"] = (make_pdf(), "application/pdf")
    return named


def make_pdf() -> bytes:
    from pypdf import PdfWriter

    writer, out = PdfWriter(), io.BytesIO()
    for _ in range(40):
        writer.add_blank_page(595, 842)
    writer.add_metadata({"/Title": "Rapport annuel", "/Author": "Ada Martin"})
    writer.write(out)
    return out.getvalue()


def bench_trafilatura() -> float:
    begun = time.perf_counter()
    import trafilatura  # noqa: F401

    return (time.perf_counter() - begun) * 1000


def bench_pdf(engine: "Engine", settings: "Settings", address: str) -> float:
    from pipeline.veille.adding import add_page

    begun = time.perf_counter()
    add_page(engine, settings, f"{address}/pdf/rapport.pdf", by="Gwenola", now=NOW)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    from pipeline.settings import Settings, Veille
    from pipeline.store.upgrade import open_store

    settings = Settings(veille=Veille(allow_private=("127.0.0.1/32",)))
    bodies = make_bodies(random.Random(20261124))
    heading(f"adding by address, {rounds} rounds, SQLite; the goal is {GOAL} ms beyond the fetch")
    print(f"loading trafilatura, once a process: {bench_trafilatura():.0f} ms")
    with tempfile.TemporaryDirectory() as folder, serving(bodies) as address:
        engine = open_store("sqlite:///desk.db", Path(folder))
        measured = {key: Times() for key in bodies if key != "/pdf"}
        origins: dict[str, dict[str, str]] = {}
        for turn in range(rounds):
            for key, times in measured.items():
                origins[key] = bench_page(engine, settings, f"{address}{key}/{turn}", times)
        print_times(bodies, measured, origins)
        pdfs = bench_pdf(engine, settings, address)
        print(f"a PDF of 40 pages, fetch and process of its own included: {pdfs:.0f} ms")
        engine.dispose()


def print_times(
    bodies: dict[str, tuple[bytes, str]],
    measured: dict[str, Times],
    origins: dict[str, dict[str, str]],
) -> None:
    print(
        f"{'page':<18} {'kB':>5} {'fetch':>7} {'read':>7} {'put':>6} {'beyond':>8} {'worst':>7}"
        f" {'cpu':>5}"
    )
    everything: list[float] = []
    for key, times in measured.items():
        body, kind = bodies[key]
        beyond = times.beyond()
        everything += beyond
        asked = "  trafilatura" if "trafilatura" in origins[key].values() else ""
        name = kind.partition("x=")[2].replace("_", " ")
        medians = [statistics.median(one) for one in (times.fetch, times.read, times.put, beyond)]
        print(
            f"{name:<18} {len(body) // 1000:>5} {medians[0]:>7.1f} {medians[1]:>7.1f}"
            f" {medians[2]:>6.1f} {medians[3]:>8.1f} {max(beyond):>7.1f}"
            f" {statistics.median(times.processor):>5.1f}{asked}"
        )
    median = statistics.median(everything)
    processor = statistics.median(one for times in measured.values() for one in times.processor)
    print(
        f"all: median {median:.1f} ms beyond the fetch, worst {max(everything):.1f};"
        f" cpu {processor:.1f}"
    )


if __name__ == "__main__":
    main()
