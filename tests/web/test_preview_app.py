"""The preview over HTTP: who may ask, what is answered, how fast the news travels."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.web.preview.guard import is_ours
from tests.web.conftest import serving
from tests.web.workshop import Room


@contextmanager
def asking(address: str, path: str, **headers: str) -> Iterator[HTTPResponse]:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


def next_event(stream: HTTPResponse) -> dict[str, Any]:
    while line := stream.readline():
        if line.startswith(b"data: "):
            told: dict[str, Any] = json.loads(line[6:])
            return told
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_request_under_another_name_is_refused(address: str, host: str) -> None:
    with asking(address, "/", Host=host) as response:
        assert response.status in (400, 421)
        assert b"sous la lampe" not in response.read()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8600", "[::1]:8600", "LOCALHOST:1"])
def test_the_three_names_of_this_machine_are_served(address: str, host: str) -> None:
    with asking(address, "/", Host=host) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("host", "bound_to", "is_served"),
    [
        ("192.168.1.5:8600", "127.0.0.1", False),
        ("192.168.1.5:8600", "0.0.0.0", True),
        ("[fe80::1]:8600", "::", True),
        ("desk.local:8600", "desk.local", True),
        ("evil.example", "0.0.0.0", False),
        ("user@localhost", "127.0.0.1", False),
        ("localhost:80:80", "127.0.0.1", False),
    ],
)
def test_on_a_network_bare_addresses_are_served_and_foreign_names_are_not(
    host: str, bound_to: str, is_served: bool
) -> None:
    assert is_ours(host, bound_to=bound_to) is is_served


def test_nothing_in_the_page_comes_from_elsewhere(address: str) -> None:
    with asking(address, "/") as response:
        page = response.read().decode()
        policy = response.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in page
    assert "allow-scripts" not in page


def test_a_letter_gets_no_script_and_only_its_own_pictures(address: str) -> None:
    with asking(address, "/letter/phone") as response:
        policy = response.headers["Content-Security-Policy"]

    assert "sandbox allow-same-origin" in policy
    assert "script" not in policy
    assert "img-src 'self'" in policy


def test_a_picture_is_served_under_its_name(address: str, room: Room) -> None:
    assert room.edition is not None
    with asking(address, f"/letter/images/{room.edition.pictures[0].name}") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "image/png"
        assert response.read() == (room.folder / "lampe.png").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/letter/images/../../infolettre.toml",
        "/letter/images/..%2F..%2Finfolettre.toml",
        "/letter/images/%2e%2e/issue.yaml",
        "/letter/images/issue.yaml",
        "/letter/images/lampe.png",
        "/letter/images//etc/passwd",
        "/static/../app.py",
        "/static/..%2Fapp.py",
        "/static/%2e%2e/app.py",
        "/letter/web",
        "/?view=web",
    ],
)
def test_what_is_not_the_letters_is_not_found(address: str, path: str) -> None:
    with asking(address, path) as response:
        assert response.status == 404
        assert b"import" not in response.read()


def test_the_stream_begins_with_what_is_shown_now(address: str) -> None:
    with asking(address, "/events?reader=nobody") as stream:
        told = next_event(stream)

    assert told["state"] == "good"
    assert "Chers lecteurs, une veillée" in told["pieces"]["strip"]


def test_a_save_reaches_an_open_stream(address: str, room: Room) -> None:
    with asking(address, "/events") as stream:
        before = next_event(stream)
        began = time.perf_counter()
        room.replace("Des cafés sous la lampe", "Des cafés au soleil")
        told = next_event(stream)
        took = time.perf_counter() - began

    print(f"save to event: {took * 1000:.0f} ms")
    assert told["title"] == "Des cafés au soleil"
    assert told["letter"] != before["letter"]
    assert took < 5


def test_a_mistake_leaves_the_letter_as_it_is(address: str, room: Room) -> None:
    with asking(address, "/events") as stream:
        before = next_event(stream)
        room.replace("block: edito", "block: editoo")
        told = next_event(stream)

    assert told["state"] == "stale"
    assert told["letter"] == before["letter"]
    assert "issue.yaml:9:12" in told["pieces"]["mistakes"]


def test_the_streams_end_when_the_preview_stops(room: Room) -> None:
    with serving(room) as address:
        with_stream = asking(address, "/events")
        stream = with_stream.__enter__()
        next_event(stream)

    assert stream.read() in (b"", b"\n")
    with_stream.__exit__(None, None, None)
