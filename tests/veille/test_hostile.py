"""What strangers may serve: none of it costs more than its time, its memory and one line."""

import asyncio
import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pipeline.errors import FetchError
from pipeline.settings import Veille
from pipeline.veille.feeds import MAX_ENTRIES, ParsedFeed
from pipeline.veille.fetch import Fetched, Request, open_fetcher
from pipeline.veille.parsing import Job, open_parsers
from tests.servers import tcp_server
from tests.veille import stuck
from tests.veille.asking import bad
from tests.veille.builders import NOW, on_loopback, rss, rss_item
from tests.veille.pulling import entries, feeds, only, pull
from tests.veille.server import Site

LIMIT = 5_000_000
MB = 1024  # of KB, as /proc counts


@contextmanager
def bounded(*, seconds: float, megabytes: float) -> Iterator[None]:
    """Hold this process to a time and a growth of its peak memory, by the kernel's own account."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, begun = _status("VmRSS"), time.perf_counter()
    yield
    assert time.perf_counter() - begun < seconds
    assert _status("VmHWM") - before < megabytes * MB


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def parse(*bodies: bytes, **more: Any) -> list[ParsedFeed | FetchError]:
    """Parse one body after the other in a process of the pool; what was raised is returned."""

    async def run() -> list[ParsedFeed | FetchError]:
        found: list[ParsedFeed | FetchError] = []
        async with open_parsers(processes=1, **more) as parsers:
            for body in bodies:
                job = Job(body=body, url="https://mal.example/f", content_type="", now=NOW)
                try:
                    found.append(await parsers.parse(job))
                except FetchError as error:
                    found.append(error)
        return found

    return asyncio.run(run())


# --- bodies without end -----------------------------------------------------------------------


def test_a_body_of_100_mb_is_left_when_it_is_too_large() -> None:
    sent = []

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
        for _ in range(1600):
            connection.sendall(b"<item>" + b"x" * 65_530)
            sent.append(65_536)

    with tcp_server(serve) as port, bounded(seconds=5, megabytes=30):
        error = bad(f"http://127.0.0.1:{port}/f", max_bytes=LIMIT)

    assert "larger than 5000000 bytes" in str(error)
    assert sum(sent) < LIMIT * 3  # what was under way in the sockets


def test_a_megabyte_of_gzip_that_holds_a_gigabyte_is_left(site: Site) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000, compresslevel=9) * 100
    assert 900_000 < len(bomb) < 1_100_000

    with bounded(seconds=5, megabytes=30):
        error = bad(site.put("/f", bomb, Content_Encoding="gzip"), max_bytes=LIMIT)

    assert "larger than 5000000 bytes" in str(error)


@pytest.mark.parametrize(
    "opening", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_server_that_sends_a_byte_now_and_then_has_no_more_than_its_time(
    opening: bytes,
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(opening)
        for _ in range(200):
            connection.sendall(b"H")
            time.sleep(0.02)

    with tcp_server(serve) as port, bounded(seconds=2, megabytes=10):
        error = bad(f"http://127.0.0.1:{port}/f", timeout=0.4)

    assert "not here within 0.4 s" in str(error)


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433:{port}/f",
        "http://127.1:{port}/f",
        "http://0x7f.0.0.1:{port}/f",
        "http://0177.0.0.1:{port}/f",
        "http://[::ffff:127.0.0.1]:{port}/f",
        "http://[::1]:{port}/f",
        "http://[64:ff9b::7f00:1]:{port}/f",
        "http://localhost:{port}/f",
        "http://127.0.0.1:{port}/f",
        "http://0:{port}/f",
        "http://169.254.169.254/latest/meta-data/",
        "http://ada:secret@revue.example/f",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/f",
    ],
)
def test_a_feed_that_leads_inside_is_one_line_of_the_report(site: Site, url: str) -> None:
    site.put("/f", rss(rss_item()))

    error = bad(url.format(port=site.port), veille=Veille())

    assert not error.retryable
    assert "secret" not in str(error)
    assert site.requests == []


def test_a_name_that_changes_its_answer_is_looked_up_once_for_each_connection(site: Site) -> None:
    """The first answer is allowed, each later one leads elsewhere inside: DNS rebinding."""
    site.put("/f", rss(rss_item()))
    asked: list[str] = []

    async def lie(host: str, port: int, **more: Any) -> list[tuple[Any, Any, int, str, Any]]:
        address = "127.0.0.2" if asked else "127.0.0.1"
        asked.append(address)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def run() -> list[Fetched | FetchError]:
        found: list[Fetched | FetchError] = []
        async with open_fetcher(on_loopback(spacing=0.0).veille, look_up=lie) as fetcher:
            for _ in range(2):
                try:
                    request = Request(url=site.url("/f", "changeant.example"))
                    found.append(await fetcher.fetch(request))
                except FetchError as error:
                    found.append(error)
        return found

    first, second = asyncio.run(run())

    assert isinstance(first, Fetched)
    assert isinstance(second, FetchError)
    assert "changeant.example leads to a private" in str(second)
    assert asked == ["127.0.0.1", "127.0.0.2"]
    assert site.paths() == ["/f"]


# --- bodies that a parser chokes on -----------------------------------------------------------

LAUGHS = "".join(
    f"<!ENTITY {name} '" + f"&{before};" * 10 + "'>"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)
ENTITIES = f'<!DOCTYPE rss [<!ENTITY a "{"ha" * 20}">{LAUGHS}]>'
ATTRIBUTES = " ".join(f"a{one}='x'" for one in range(20_000))
QUADRATIC = f'<!DOCTYPE rss [<!ENTITY a "{"x" * 50_000}">]>'


def with_doctype(doctype: str, title: str) -> bytes:
    return rss(rss_item(title=title)).replace(b"<rss", f"{doctype}<rss".encode(), 1)


@pytest.mark.parametrize(
    "body",
    [
        with_doctype(ENTITIES, "&k;"),
        with_doctype(QUADRATIC, "&a;" * 10_000),
        rss("<x>" * 200_000),
        rss(rss_item(description="<b>" * 60_000)),
        rss(rss_item(description="<" * 2_000_000)),
        rss(rss_item(description="<img " * 400_000)),
        rss(f"<item {ATTRIBUTES}></item>"),
        b"<?xml version='1.0'?>" + b"<!-- x -->" * 200_000,
        b"<rss><channel>" + b"<item>" * 100_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": ' + b"[" * 100_000,
    ],
    ids=(
        "laughs quadratic nested nested-html brackets images attributes comments unclosed json"
    ).split(),
)
def test_no_body_takes_long_or_much(body: bytes) -> None:
    begun = time.perf_counter()

    (found,) = parse(body, parse=stuck.telling_peak, time_limit=20.0)

    assert time.perf_counter() - begun < 20
    if isinstance(found, ParsedFeed):
        assert found.dropped < 400 * MB  # the peak of the process that parsed it
        assert all(len(entry.title) <= 300 for entry in found.entries)
    else:
        assert "20 s" not in str(found)


@pytest.mark.parametrize("kind", ["SYSTEM", "PUBLIC 'x'"])
def test_no_entity_reads_a_file_or_an_address(site: Site, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mot de passe")
    bodies = [
        with_doctype(f"<!DOCTYPE rss [<!ENTITY a {kind} '{target}'>]>", "Titre &a;")
        for target in (secret.as_uri(), site.url("/secret"))
    ]
    bodies.append(with_doctype(f"<!DOCTYPE rss {kind} '{site.url('/dtd')}'>", "Titre"))

    found = parse(*bodies)

    assert "mot de passe" not in repr(found)
    assert site.requests == []


def test_a_parser_that_never_comes_back_is_killed_and_the_next_feed_is_read() -> None:
    begun = time.perf_counter()

    stopped, good = parse(
        rss(rss_item(title="forever")), rss(rss_item()), parse=stuck.forever, time_limit=1.0
    )

    assert isinstance(stopped, FetchError)
    assert "took more than 1 s to read" in str(stopped)
    assert isinstance(good, ParsedFeed)
    assert time.perf_counter() - begun < 10


def test_a_parser_that_wants_all_memory_gets_no_more_than_its_share() -> None:
    (found,) = parse(rss(), parse=stuck.gluttonous)

    assert isinstance(found, FetchError)
    assert "too much memory" in str(found)


def test_a_parser_that_crashes_is_one_bad_feed() -> None:
    crashed, good = parse(rss(rss_item(title="dying")), rss(rss_item()), parse=stuck.dying)

    assert isinstance(crashed, FetchError)
    assert "break off" in str(crashed)
    assert isinstance(good, ParsedFeed)


# --- feeds that mislead -----------------------------------------------------------------------


def test_a_feed_of_50_000_entries_gives_its_first_ones(engine: Engine, site: Site) -> None:
    items = (rss_item(f"https://x.example/{one}", title=f"{one}") for one in range(50_000))
    url = site.put("/f", rss(*items))
    begun = time.perf_counter()

    outcome = only(pull(engine, feeds(url), max_bytes=50_000_000))

    assert (outcome.new, outcome.error) == (MAX_ENTRIES, None)
    assert {int(row.title) for row in entries(engine)} == set(range(MAX_ENTRIES))
    assert time.perf_counter() - begun < 15


def test_a_feed_that_changes_its_ids_every_day_brings_nothing_new(
    engine: Engine, site: Site
) -> None:
    counts = []
    for day in range(3):
        item = rss_item(more=f"<guid isPermaLink='false'>{day}</guid>")
        url = site.put("/f", rss(item, item))
        counts.append(only(pull(engine, feeds(url), now=NOW + timedelta(days=day))).new)

    assert counts == [1, 0, 0]
    assert len(entries(engine)) == 1


def test_dates_of_1900_and_2099_are_no_dates(engine: Engine, site: Site) -> None:
    items = [
        rss_item(
            f"https://x.example/{year}", more=f"<pubDate>Mon, 01 Jan {year} 00:00:00 GMT</pubDate>"
        )
        for year in (1900, 1970, 2099, 9999)
    ]

    pull(engine, feeds(site.put("/f", rss(*items))))

    assert {(row.published_at, row.dated_at) for row in entries(engine)} == {(None, NOW)}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("&lt;b&gt;Gras&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt;fin", "Gras fin"),
        ("<![CDATA[<img src=x onerror=alert(1)>Image]]>", "Image"),
        ("Un\u202edeux\u2028trois\ttab", "Undeux trois tab"),
        ("<![CDATA[{{first_name}}]]>", "{{first_name}}"),
    ],
)
def test_titles_are_plain_text(engine: Engine, site: Site, title: str, expected: str) -> None:
    pull(engine, feeds(site.put("/f", rss(rss_item(title=title)))))

    assert [row.title for row in entries(engine)] == [expected]


def test_control_characters_reach_no_database(engine: Engine, site: Site) -> None:
    body = rss(rss_item(title="a\x00b\x08c\x1bd", description="x\x0by\ufffe"), title="T\x01itre")

    outcome = only(pull(engine, feeds(site.put("/f", body))))

    (row,) = entries(engine)
    assert outcome.error is None
    assert (row.title, row.excerpt) == ("abcd", "xy")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "mailto:a@b.example"]
)
def test_links_that_are_no_pages_are_dropped(engine: Engine, site: Site, link: str) -> None:
    item = rss_item(link, more=f"<media:content medium='image' url='{link}'/>")

    outcome = only(pull(engine, feeds(site.put("/f", rss(item, rss_item())))))

    assert (outcome.new, outcome.dropped) == (1, 1)


def test_pictures_lead_to_the_web_or_nowhere(engine: Engine, site: Site) -> None:
    media = 'xmlns:media="http://search.yahoo.com/mrss/"'
    items = [
        rss_item(f"https://x.example/{number}", more=f'<media:thumbnail {media} url="{url}"/>')
        for number, url in enumerate(
            ("javascript:alert(1)", "data:image/png;base64,x", "//img.example/a.jpg", "/b.png")
        )
    ]

    pull(engine, feeds(site.put("/f", rss(*items))))

    assert [row.image for row in entries(engine)] == [
        "",
        "",
        "https://img.example/a.jpg",
        "https://x.example/b.png",
    ]


@pytest.mark.parametrize(
    ("declared", "content_type"),
    [
        ("ISO-8859-1", "application/xml"),
        ("UTF-16", "text/html; charset=ascii"),
        ("klingon", "image/png"),
        ("UTF-8", "application/json; charset=windows-1251"),
    ],
)
def test_a_feed_that_is_declared_as_something_else_is_read(
    engine: Engine, site: Site, declared: str, content_type: str
) -> None:
    body = rss(rss_item(title="Été à l’école")).replace(b"UTF-8", declared.encode(), 1)

    pull(engine, feeds(site.put("/f", body, Content_Type=content_type)))

    assert [row.title for row in entries(engine)] == ["Été à l’école"]


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"<", b"<html></html>", b"\xff\xfe", b"{}"])
def test_what_is_no_feed_is_one_line_with_the_next_step(
    engine: Engine, site: Site, body: bytes
) -> None:
    (outcome,) = pull(engine, feeds(site.put("/f", body))).failed

    assert ": " in str(outcome.error)
    assert entries(engine) == []
