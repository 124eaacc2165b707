"""Webhooks as they really run: uvicorn on a free port, signed requests, a database that goes."""

import json
import logging
import random
import shutil
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine, text

from pipeline.delivery.providers.sendgrid import API_KEY
from pipeline.delivery.sendgrid_events import MAX_EVENTS, WEBHOOK_KEY
from pipeline.store.engine import open_engine, writing
from pipeline.web.webhooks.routes import MAX_BODY
from tests.delivery.sent import add_campaign, add_people, consents, deliveries, kept, people
from tests.servers import LOOPBACK, free_port
from tests.web.webhooks.workshop import ENVIRON, PATH, post, serving

THEIRS: Final = ec.generate_private_key(ec.SECP256R1())
SENT: Final = datetime.now(UTC) - timedelta(hours=2)


@pytest.fixture
def sent(engine: Engine) -> Engine:
    add_people(engine, "zoe", "lea")
    states = {"zoe": "accepted", "lea": "accepted"}
    add_campaign(engine, "46", states, provider="sendgrid", started_at=SENT)
    return engine


@pytest.fixture
def at(sent: Engine, tmp_path: Path) -> Iterator[str]:
    with serving(sent, tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def door(sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an empty database to all who are turned away before it is asked."""
    folder = tmp_path_factory.mktemp("door")
    shutil.copy(sqlite_file, folder / "a.db")
    engine = open_engine("sqlite:///a.db", folder)
    with serving(engine, folder) as address:
        yield address
    engine.dispose()


def an_event(event: str, who: str = "zoe", *, id: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "email": f"{who}@ailleurs.example",
        "event": event,
        "timestamp": int((SENT + timedelta(hours=1)).timestamp()),
        "sg_event_id": id or f"{event}-{who}",
        "recipient": who,
        "campaign": "46",
        "ip": "192.0.2.44",
    } | fields


def test_signed_events_are_recorded_and_answered_with_nothing(sent: Engine, at: str) -> None:
    bounce = an_event("bounce", status="5.1.1", reason="550 <lea@ailleurs.example> unknown")
    answer = post(at, an_event("spamreport"), bounce | {"recipient": "lea"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert people(sent) == {"zoe": ("complained", 0), "lea": ("bounced", 0)}
    assert deliveries(sent)["46", "lea"]["detail"] == "550 <…> unknown"
    assert consents(sent, "zoe")[-1] == ("complained", "webhook sendgrid")


def test_repeated_and_reordered_bodies_change_nothing(sent: Engine, at: str) -> None:
    bodies = [
        [an_event("delivered"), an_event("bounce", status="5.1.1", id="b")],
        [an_event("deferred"), an_event("delivered", "lea")],
        [an_event("spamreport", "lea"), an_event("open", "lea")],
    ]
    for body in bodies:
        assert post(at, *body).status_code == 204
    before = (deliveries(sent), people(sent), kept(sent), consents(sent, "zoe"))

    for body in random.Random(3).sample(bodies * 2, 6):
        assert post(at, *reversed(body)).status_code == 204

    assert (deliveries(sent), people(sent), kept(sent), consents(sent, "zoe")) == before
    assert [one["state"] for one in before[0].values()] == ["bounced", "complained"]
    assert len(before[2]) == 5


def test_the_same_body_from_many_connections_at_once_is_one(sent: Engine, at: str) -> None:
    events = [an_event("deferred", id=f"{number}") for number in range(200)]
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(at, *events).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == [204] * 6
    assert len(kept(sent)) == 200


# --- who may speak ----------------------------------------------------------------------------

COMPLAINT: Final = json.dumps([an_event("spamreport")]).encode()


def test_what_the_provider_has_not_signed_just_now_is_turned_away(
    door: str, caplog: pytest.LogCaptureFixture
) -> None:
    stale = datetime.now(UTC) - timedelta(minutes=11)
    answers = [
        post(door, an_event("spamreport"), key=THEIRS),
        post(door, an_event("spamreport"), signed_at=stale),
        post(
            door, an_event("spamreport"), headers={"X-Twilio-Email-Event-Webhook-Signature": "????"}
        ),
        httpx.post(door + PATH, content=COMPLAINT, headers={"Content-Type": "application/json"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert all(answer.json() == {"detail": "not believed"} for answer in answers)
    assert "not signed with our key" in caplog.text
    assert LOOPBACK not in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"event": "bounce"}', b"null", b"[" * 100_000, b'"text"']
)
def test_a_broken_body_is_turned_away_although_it_is_signed(door: str, body: bytes) -> None:
    answer = post(door, body=body)

    assert answer.status_code == 403
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("events", [[], [None, 7, "text", {}], [{"event": {"a": 1}}]])
def test_events_that_say_nothing_are_taken(door: str, events: list[Any]) -> None:
    assert post(door, *events).status_code == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_there_is_nothing_but_post(door: str, method: str) -> None:
    assert httpx.request(method, door + PATH).status_code == 405


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/smtp", "/webhooks/outbox"])
def test_a_provider_that_does_not_speak_has_no_address(door: str, path: str) -> None:
    assert post(door, an_event("spamreport"), path=path).status_code == 404


def test_what_is_not_said_to_be_json_is_not_read(door: str) -> None:
    answer = post(door, an_event("delivered"), headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415


# --- too much ---------------------------------------------------------------------------------


def test_the_limit_is_no_smaller_than_the_providers() -> None:
    assert MAX_BODY >= MAX_EVENTS


def test_ten_megabytes_are_refused(door: str) -> None:
    assert post(door, body=b"[" + b" " * 10_000_000 + b"]").status_code == 413
    assert post(door).status_code == 204


def test_ten_megabytes_that_do_not_say_so_are_refused_on_the_way(door: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    headers = {"Content-Type": "application/json"}
    answer = httpx.post(door + PATH, content=pieces(), headers=headers, timeout=20)

    assert answer.status_code == 413


def test_what_is_turned_away_leaves_nothing_behind(sent: Engine, at: str) -> None:
    assert post(at, an_event("spamreport"), key=THEIRS).status_code == 403

    assert (kept(sent), people(sent)["zoe"]) == ({}, ("active", 0))


def test_who_breaks_off_leaves_nothing_behind(
    sent: Engine, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = at.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n[".encode()
        )
    assert post(at, an_event("delivered")).status_code == 204

    assert len(kept(sent)) == 1
    assert "Traceback" not in caplog.text


# --- what is missing here ---------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_missing_key_is_told_to_the_servers_log_alone(
    sent: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != WEBHOOK_KEY}
    with serving(sent, tmp_path, environ=environ) as at:
        answer = post(at, an_event("spamreport"))

    assert (answer.status_code, WEBHOOK_KEY in answer.text) == (503, False)
    assert f"the variable {WEBHOOK_KEY}" in caplog.text
    assert kept(sent) == {}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_machine_that_only_hears_events_needs_no_key_to_send(
    sent: Engine, tmp_path: Path
) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != API_KEY}
    with serving(sent, tmp_path, environ=environ) as at:
        assert post(at, an_event("spamreport")).status_code == 204


def test_a_database_that_goes_away_is_asked_again_later(
    sent: Engine, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = [an_event("deferred"), an_event("spamreport")]
    with writing(sent) as connection:  # as far as a request can tell, it is gone
        connection.execute(text("ALTER TABLE delivery_event RENAME TO elsewhere"))
    try:
        answer = post(at, *events)
    finally:
        with writing(sent) as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO delivery_event"))

    assert answer.status_code == 503
    assert answer.json() == {"detail": "not recorded: send it again"}
    assert people(sent)["zoe"] == ("active", 0)
    assert "Traceback" not in caplog.text + answer.text
    assert post(at, *events).status_code == 204
    assert (people(sent)["zoe"][0], len(kept(sent))) == ("complained", 2)


def test_a_server_that_cannot_be_reached_is_said_in_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    url = f"postgresql://anne:geheim@{LOOPBACK}:{free_port()}/nobody"
    engine = open_engine(url, tmp_path)
    with serving(engine, tmp_path) as at:
        answer = post(at, an_event("spamreport"))
    engine.dispose()

    assert answer.status_code == 503
    assert "cannot be reached" in caplog.text
    assert "geheim" not in caplog.text + answer.text


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_database_cut_off_in_the_middle_of_its_work_is_asked_again(sent: Engine, at: str) -> None:
    holding = _hold(sent, "zoe")
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(post(at, an_event("spamreport"))))
    asking.start()
    try:
        _cut_off_who_waits(sent)
        asking.join(30)
    finally:
        holding.close()

    assert [answer.status_code for answer in answers] == [503]
    assert people(sent)["zoe"][0] == "active"
    assert post(at, an_event("spamreport")).status_code == 204
    assert people(sent)["zoe"][0] == "complained"


def _hold(engine: Engine, who: str) -> Any:
    """Hold a person's row until the connection that is returned is closed."""
    connection = engine.connect()
    connection.execute(
        text("SELECT id FROM subscriber WHERE public_id = :who FOR UPDATE"), {"who": who}
    )
    return connection


def _cut_off_who_waits(engine: Engine) -> None:
    """End the one connection that waits for a lock, as soon as it does."""
    waiting = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    )
    for _ in range(2000):
        with engine.connect() as connection:
            if connection.execute(waiting).all():
                return
            threading.Event().wait(0.005)
    raise AssertionError("nobody waited for the row")
