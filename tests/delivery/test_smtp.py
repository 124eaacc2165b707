"""SMTP where it goes wrong: the server misbehaves for real, on a port of its own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, Recipient, State
from pipeline.delivery.providers.smtp import SmtpProvider, open_provider
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Settings, Smtp
from tests.delivery.letters import NOW, PNG, TEXT, a_letter, a_recipient, a_sender, an_edition
from tests.servers import LOOPBACK, Security, authority, rude_smtp_server, smtp_server

RIGHT = {"INFOLETTRE_SMTP_PASSWORD": "right"}
THREE = [a_recipient(number) for number in (1, 2, 3)]


@contextmanager
def provider_at(port: int, *, folder: Path | None = None, **keys: Any) -> Iterator[SmtpProvider]:
    plain = Smtp(host=LOOPBACK, port=port, security="none", timeout=10, connections=1)
    settings = Settings(smtp=replace(plain, **keys))
    with closing(
        open_provider(settings=settings, root=folder or Path(), environ=RIGHT)
    ) as provider:
        yield provider


# More than any socket buffers: the connection drops while it is still being sent.
LARGE = a_letter(
    an_edition(html='<p><img src="cid:a.png@infolettre" alt=""></p>'),
    pictures={"a.png": PNG + bytes(12_000_000)},
)


def send(
    provider: SmtpProvider, recipients: Sequence[Recipient], *, letter: Letter | None = None
) -> dict[str, Outcome]:
    outcomes = list(provider.send(letter or a_letter(), recipients))
    assert len({one.recipient for one in outcomes}) == len(outcomes)
    return {one.recipient: one for one in outcomes}


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path


# --- connections ------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_a_verified_connection_with_a_password(
    certificates: Path, security: Security
) -> None:
    with (
        smtp_server(security=security, login=("anne", "right")) as server,
        provider_at(
            server.port, folder=certificates, security=security, ca_file="ca.pem", username="anne"
        ) as provider,
    ):
        assert [one.state for one in send(provider, THREE).values()] == [State.ACCEPTED] * 3
        assert server.logins == ["anne"]
        assert {one.to for one in server.taken} == {one.address for one in THREE}
        assert {one.sender for one in server.taken} == {"redaction@example.org"}


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_refused(security: Security) -> None:
    with (
        smtp_server(security=security) as server,
        provider_at(server.port, security=security) as provider,
        pytest.raises(ProviderError, match=r"smtp\.ca_file") as raised,
    ):
        send(provider, THREE)

    assert not raised.value.retryable
    assert server.taken == []


def test_a_certificate_for_another_name_is_refused(certificates: Path) -> None:
    with (
        smtp_server(security="tls") as server,
        provider_at(
            server.port, folder=certificates, security="tls", ca_file="ca.pem", host="ip6-localhost"
        ) as provider,
    ):
        # The name resolves to ::1, or not at all; either way nothing is handed to a stranger.
        with pytest.raises(ProviderError):
            send(provider, THREE)
        assert server.taken == []


def test_without_starttls_on_offer_nothing_is_sent_in_clear() -> None:
    with (
        smtp_server() as server,
        provider_at(server.port, security="starttls") as provider,
        pytest.raises(ProviderError, match=r"smtp\.security") as raised,
    ):
        send(provider, THREE)

    assert not raised.value.retryable
    assert server.taken == []


def test_a_password_never_travels_unprotected() -> None:
    settings = Settings(smtp=Smtp(host="mail.example.org", security="none", username="anne"))

    with pytest.raises(InputError, match=r"smtp\.security"):
        open_provider(settings=settings, root=Path(), environ=RIGHT)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "mine.pem").write_text(content)

    with pytest.raises(InputError, match=r"mine\.pem"):
        open_provider(settings=Settings(smtp=Smtp(ca_file="mine.pem")), root=tmp_path, environ={})


def test_a_password_that_smtp_cannot_carry_is_refused_before_it_is_tried() -> None:
    settings = Settings(smtp=Smtp(username="anne"))

    with pytest.raises(InputError, match="ASCII") as raised:
        open_provider(settings=settings, root=Path(), environ={"INFOLETTRE_SMTP_PASSWORD": "clé"})

    assert "clé" not in str(raised.value)


def test_connections_stay_open_between_batches_and_are_as_many_as_allowed() -> None:
    with rude_smtp_server("dot", "drop", times=0) as server:
        with provider_at(server.port, connections=3) as provider:
            for batch in range(4):
                people = [a_recipient(batch * 20 + number) for number in range(20)]
                assert {one.state for one in send(provider, people).values()} == {State.ACCEPTED}
        assert len(server.taken) == 80
        assert 1 <= server.connections <= 3


def test_an_idle_connection_that_went_away_is_replaced() -> None:
    with rude_smtp_server("dot", "drop", times=0) as server, provider_at(server.port) as provider:
        send(provider, THREE[:1])
        server.hang_up()

        assert send(provider, THREE[1:2])["r2"].state is State.ACCEPTED
        assert len(server.taken) == 2
        assert server.connections == 2


def test_what_is_under_way_ends_and_no_more_begins_when_the_caller_stops_listening() -> None:
    with (
        rude_smtp_server("dot", "drop", times=0) as server,
        provider_at(server.port, connections=2) as provider,
    ):
        outcomes = iter(provider.send(a_letter(), [a_recipient(n) for n in range(500)]))
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        count = len(server.taken)

        assert 1 <= count < 500
        assert len(server.taken) == count


# --- one recipient ----------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    ("answer", "state"),
    [("450 4.2.0 later", State.DEFERRED), ("550 5.1.1 nobody here", State.FAILED)],
)
def test_a_refusal_is_one_recipients_own_and_keeps_the_servers_words(
    stage: Any, answer: str, state: State
) -> None:
    with (
        rude_smtp_server(stage, answer, only=THREE[1].address) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

    assert [one.state for one in outcomes.values()] == [State.ACCEPTED, state, State.ACCEPTED]
    assert outcomes["r2"].code == answer[:3]
    assert outcomes["r2"].detail == answer
    assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]
    assert server.connections == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "body"])
def test_a_connection_dropped_before_the_message_was_whole_is_tried_once_more(stage: Any) -> None:
    with rude_smtp_server(stage, "drop", times=1) as server, provider_at(server.port) as provider:
        outcomes = send(provider, THREE, letter=LARGE)

        assert {one.state for one in outcomes.values()} == {State.ACCEPTED}
        assert Counter(one.to for one in server.taken) == {one.address: 1 for one in THREE}
        assert server.connections == 2


@pytest.mark.parametrize("stage", ["RCPT", "body"])
def test_who_is_dropped_twice_is_deferred_and_the_others_go_on(stage: Any) -> None:
    only = "" if stage == "body" else THREE[0].address
    with (
        rude_smtp_server(stage, "drop", times=2, only=only) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE, letter=LARGE)

        assert [one.state for one in outcomes.values()] == [
            State.DEFERRED,
            State.ACCEPTED,
            State.ACCEPTED,
        ]
        assert [one.to for one in server.taken] == [THREE[1].address, THREE[2].address]


@pytest.mark.parametrize(("fault", "timeout"), [("drop", 10), ("hang", 1.0)])
def test_no_answer_to_the_last_full_stop_is_uncertain_and_never_tried_again(
    fault: str, timeout: float
) -> None:
    with (
        rude_smtp_server("dot", fault, only=THREE[1].address) as server,
        provider_at(server.port, timeout=timeout) as provider,
    ):
        outcomes = send(provider, THREE)

        assert [one.state for one in outcomes.values()] == [
            State.ACCEPTED,
            State.UNCERTAIN,
            State.ACCEPTED,
        ]
        assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]


# --- the whole batch --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "timeout"),
    [("drop", 10), ("hang", 1.0), ("421 4.3.2 closing", 10), ("554 5.7.1 go away", 10)],
)
def test_a_server_that_does_not_greet_leaves_everybody_waiting(fault: str, timeout: float) -> None:
    with (
        rude_smtp_server("greeting", fault) as server,
        provider_at(server.port, timeout=timeout) as provider,
        pytest.raises(ProviderError, match="no connection") as raised,
    ):
        send(provider, THREE)

    assert raised.value.retryable is not fault.startswith("554")


def test_a_server_that_leaves_in_the_middle_keeps_what_it_took_and_the_rest_waits() -> None:
    heard: list[Outcome] = []
    with (
        rude_smtp_server("greeting", "421 4.3.2 closing", times=0) as server,
        provider_at(server.port) as provider,
    ):

        def listen(outcome: Outcome) -> None:
            heard.append(outcome)
            server.times = 99
            server.hang_up()

        with pytest.raises(ProviderError, match="421") as raised:
            list(map(listen, provider.send(a_letter(), [a_recipient(n) for n in range(500)])))

        accepted = {one.recipient for one in heard if one.state is State.ACCEPTED}
        assert 1 <= len(heard) < 500
        assert {f"r{one.to[3:].partition('@')[0]}" for one in server.taken} >= accepted
    assert raised.value.retryable


def test_a_421_within_a_transaction_is_tried_on_a_new_connection() -> None:
    with (
        rude_smtp_server("RCPT", "421 4.3.2 closing", times=1) as server,
        provider_at(server.port) as provider,
    ):
        assert {one.state for one in send(provider, THREE).values()} == {State.ACCEPTED}
        assert server.connections == 2


def test_a_sender_that_the_server_refuses_stops_all_instead_of_failing_everybody() -> None:
    with (
        rude_smtp_server("MAIL", "550 5.7.1 not yours") as server,
        provider_at(server.port, connections=2) as provider,
        pytest.raises(ProviderError, match=r"redaction@example\.org.*not yours") as raised,
    ):
        send(provider, THREE)

    assert not raised.value.retryable
    assert server.taken == []


# --- what travels -----------------------------------------------------------------------------


def test_the_message_arrives_byte_for_byte_full_stops_included() -> None:
    text = TEXT + ".\n..\n. \n.fin\n"
    letter = a_letter(an_edition(text=text))
    with smtp_server() as server, provider_at(server.port) as provider:
        list(provider.send(letter, THREE[:1]))
        received = server.taken[0].data

    expected = letter.fill(THREE[0], date=NOW)
    assert without_date(received) == without_date(expected)


def without_date(message: bytes) -> list[bytes]:
    return [line for line in message.split(b"\r\n") if not line.startswith(b"Date: ")]


def test_a_local_part_in_utf_8_goes_only_where_smtputf8_is_offered() -> None:
    zoe = a_recipient(1, address="zoë@exämple.org")
    with smtp_server(smtputf8=True) as server, provider_at(server.port) as provider:
        assert send(provider, [zoe, THREE[1]])["r1"].state is State.ACCEPTED
        accented, plain = server.taken
    assert accented.to == "zoë@xn--exmple-cua.org"
    assert "SMTPUTF8" in accented.options
    assert "<zoë@xn--exmple-cua.org>".encode() in accented.data
    assert "SMTPUTF8" not in plain.options

    with smtp_server(smtputf8=False) as server, provider_at(server.port) as provider:
        outcomes = send(provider, [zoe, THREE[1]])
        assert [one.to for one in server.taken] == [THREE[1].address]
    assert outcomes["r1"].state is State.FAILED
    assert "SMTPUTF8" in outcomes["r1"].detail
    assert outcomes["r1"].error is not None


def test_a_domain_with_accents_goes_anywhere() -> None:
    with smtp_server() as server, provider_at(server.port) as provider:
        letter = a_letter(sender=a_sender(email="redaction@exämple.org"))
        outcome = next(iter(provider.send(letter, [a_recipient(1, address="z@café.example")])))

        assert outcome.state is State.ACCEPTED
        assert server.taken[0].to == "z@xn--caf-dma.example"
        assert server.taken[0].sender == "redaction@xn--exmple-cua.org"
