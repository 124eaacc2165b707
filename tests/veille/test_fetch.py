"""Fetching from a real server that misbehaves on purpose."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Mapping

import pytest

from pipeline.errors import FetchError
from pipeline.veille.answers import MAX_WAIT, retry_after
from pipeline.veille.fetch import (
    MAX_REDIRECTS,
    PER_HOST,
    Fetched,
    Request,
    open_fetcher,
)
from tests.veille.asking import bad, fetch, good, redirect
from tests.veille.builders import on_loopback, rss, rss_item
from tests.veille.server import Answer, Site

FEED = rss(rss_item())


def test_an_answer_comes_with_what_the_next_request_needs(site: Site) -> None:
    url = site.put(
        "/f",
        FEED,
        ETag='"1"',
        Last_Modified="Fri, 20 Nov 2026 08:00:00 GMT",
        Content_Type="text/xml",
    )

    assert good(url) == Fetched(
        url=url,
        body=FEED,
        content_type="text/xml",
        etag='"1"',
        last_modified="Fri, 20 Nov 2026 08:00:00 GMT",
    )


def test_nothing_is_told_of_the_reader_but_the_programs_name(site: Site) -> None:
    good(site.put("/f", FEED))

    (_, headers) = site.requests[0]
    assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    assert headers["User-Agent"].startswith("Infolettre/")


def test_a_conditional_request_is_answered_by_304(site: Site) -> None:
    def answer(headers: Mapping[str, str]) -> Answer:
        return Answer(status=304 if headers.get("If-None-Match") == '"1"' else 200, body=b"")

    site.answers["/f"] = answer

    async def run() -> Fetched:
        async with open_fetcher(on_loopback().veille) as fetcher:
            return await fetcher.fetch(Request(url=site.url("/f"), etag='"1"', last_modified="x"))

    assert asyncio.run(run()).is_unchanged
    assert site.requests[0][1]["If-Modified-Since"] == "x"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_compressed_answer_is_inflated(site: Site, encoding: str) -> None:
    assert good(site.put("/f", gzip.compress(FEED), Content_Encoding=encoding)).body == FEED


@pytest.mark.parametrize(
    ("status", "said", "retryable"),
    [
        (401, "asks for an account", False),
        (403, "refuses programs", False),
        (404, "does not exist", False),
        (410, "gone for good", False),
        (418, "answers with status 418", False),
        (429, "less often", True),
        (500, "out of order", True),
        (503, "out of order", True),
    ],
)
def test_an_answer_that_says_no_is_told_with_the_way_out(
    site: Site, status: int, said: str, retryable: bool
) -> None:
    site.answers["/f"] = Answer(status=status, headers={"Retry-After": "120"})

    error = bad(site.url("/f"))

    assert said in str(error)
    assert site.url("/f") in str(error)
    assert error.retryable == retryable
    assert error.retry_after == 120


def test_redirects_are_followed_and_a_permanent_move_is_reported(site: Site) -> None:
    site.put("/new", FEED)
    site.answers["/old"] = redirect("/mid", 301)
    site.answers["/mid"] = redirect(site.url("/new"), 308)
    site.answers["/today"] = redirect("/new", 302)

    assert good(site.url("/old")).moved_to == site.url("/new")
    assert good(site.url("/today")).moved_to == ""
    assert good(site.url("/today")).url == site.url("/new")


def test_a_redirect_loop_ends(site: Site) -> None:
    site.answers["/a"] = redirect("/b")
    site.answers["/b"] = redirect("/a")

    assert "redirects more than 5 times" in str(bad(site.url("/a")))
    assert len(site.requests) == MAX_REDIRECTS + 1


def test_a_body_that_is_too_large_is_refused_by_its_length(site: Site) -> None:
    error = bad(site.put("/f", b"x" * 2000), max_bytes=1000)

    assert "larger than 1000 bytes" in str(error)
    assert "veille.max_bytes" in str(error)


def test_a_body_that_is_too_large_is_refused_without_its_length(site: Site) -> None:
    site.answers["/f"] = Answer(body=b"x" * 2_000_000, has_length=False)

    assert "larger than" in str(bad(site.url("/f"), max_bytes=1000))


def test_a_gzip_bomb_is_refused(site: Site) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    begun = time.perf_counter()

    error = bad(site.put("/f", bomb, Content_Encoding="gzip"), max_bytes=1_000_000)

    assert "larger than 1000000 bytes" in str(error)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (FEED, "gzip", "damaged"),
        (gzip.compress(FEED)[:-12], "gzip", "broke off"),
        (FEED, "br", "nobody asked for"),
    ],
)
def test_damaged_compression_is_told(site: Site, body: bytes, encoding: str, said: str) -> None:
    assert said in str(bad(site.put("/f", body, Content_Encoding=encoding)))


def test_a_server_that_sends_a_byte_now_and_then_runs_out_of_time(site: Site) -> None:
    site.answers["/f"] = Answer(body=b"x" * 100, drip=0.05)
    begun = time.perf_counter()

    error = bad(site.url("/f"), timeout=0.3)

    assert "not here within 0.3 s" in str(error)
    assert error.retryable
    assert time.perf_counter() - begun < 2


def test_a_server_that_hangs_up_is_told(site: Site) -> None:
    site.answers["/f"] = Answer(body=b"x", headers={"Content-Length": "500"}, has_length=False)

    assert "the connection failed" in str(bad(site.url("/f")))


NONSENSE = [
    b"",
    b"Bonjour\r\n\r\n",
    b"<rss/>",
    b"HTTP/9.9 200 OK\r\n\r\nx",
    b"HTTP/1.1 999999999 X\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nx",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx",
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
    b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 5000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: \xff\xfe\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 302 X\r\nLocation: \xff\xfe//[\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 X\r\nLocation: http://a..b/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 X\r\nLocation: http://" + b"a" * 70 + b".example/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 X\r\nLocation: http://xn--\xc3/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
]


@pytest.mark.parametrize("said", NONSENSE, ids=range(len(NONSENSE)))
def test_a_server_that_talks_nonsense_is_one_error_of_its_feed(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=talk)
        thread.start()
        error = bad(f"http://127.0.0.1:{listener.getsockname()[1]}/f", timeout=0.7)
        thread.join()

    assert str(error)


def test_a_closed_port_is_told() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]

    assert "the connection failed" in str(bad(f"http://127.0.0.1:{port}/"))


def test_a_host_is_asked_twice_at_once_and_no_more(site: Site) -> None:
    for number in range(8):
        site.answers[f"/{number}"] = Answer(body=b"x" * 5, drip=0.01)

    found = fetch(*(site.url(f"/{number}") for number in range(8)), spacing=0.0)

    assert all(isinstance(one, Fetched) for one in found)
    assert site.busiest <= PER_HOST


def test_waiting_for_a_slot_does_not_count_as_time(site: Site) -> None:
    for number in range(6):
        site.answers[f"/{number}"] = Answer(body=b"x" * 5, drip=0.03)

    found = fetch(
        *(site.url(f"/{number}") for number in range(6)), timeout=0.5, concurrency=1, spacing=0.0
    )

    assert [type(one) for one in found] == [Fetched] * 6


def test_retry_after_is_seconds_or_a_moment() -> None:
    assert retry_after("120") == 120
    assert retry_after("Tue, 24 Nov 2026 10:02:00 GMT", date="Tue, 24 Nov 2026 10:00:00 GMT") == 120
    assert retry_after("Tue, 24 Nov 2026 09:00:00 GMT", date="Tue, 24 Nov 2026 10:00:00 GMT") == 0
    assert retry_after("9" * 400) == MAX_WAIT
    for nonsense in ("", "-5", "bientôt", "٣", "Tue, 24 Nov 2026 10:02:00 GMT"):
        assert retry_after(nonsense) is None


def test_a_host_is_spared_and_others_do_not_wait_for_it(site: Site) -> None:
    """Requests to one host are spaced; meanwhile another host is asked for its feeds."""
    for path in ("/a", "/b", "/c"):
        site.put(path, FEED)
    order: list[tuple[str, float]] = []

    async def run() -> None:
        veille = on_loopback(spacing=0.3, concurrency=1, allow_private=("127.0.0.0/8",)).veille
        begun = time.perf_counter()

        async def one(url: str) -> None:
            await fetcher.fetch(Request(url=url))
            order.append((url, time.perf_counter() - begun))

        async with open_fetcher(veille) as fetcher, asyncio.TaskGroup() as group:
            for path in ("/a", "/b", "/c"):
                group.create_task(one(site.url(path)))
            group.create_task(one(site.url("/a", "localhost")))

    asyncio.run(run())

    assert order[1][0] == site.url("/a", "localhost") or order[0][0].startswith("http://localhost")
    times = dict(order)
    assert times[site.url("/a", "localhost")] < 0.3
    assert times[site.url("/c")] >= 0.6


def test_a_request_has_its_own_limit_and_an_answer_says_how_long_it_holds(site: Site) -> None:
    url = site.put("/f", FEED, Cache_Control="max-age=600")

    async def run(limit: int) -> Fetched:
        async with open_fetcher(on_loopback(max_bytes=10).veille) as fetcher:
            return await fetcher.fetch(Request(url=url, max_bytes=limit))

    assert asyncio.run(run(10_000)).max_age == 600
    with pytest.raises(FetchError, match="larger than 20 bytes"):
        asyncio.run(run(20))


@pytest.mark.parametrize("etag", ['"' + "x" * 600 + '"', '"\xe9"'])
def test_a_validator_that_cannot_be_sent_back_is_none(site: Site, etag: str) -> None:
    assert good(site.put("/f", FEED, ETag=etag)).etag == ""
