"""SMTP where it goes wrong: the server misbehaves for real, on a port of its own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.dkim import make_signer
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, Recipient, State
from pipeline.delivery.providers.smtp import SmtpProvider, open_provider
from pipeline.delivery.verp import verp_of, verp_reader
from pipeline.errors import InputError, ProviderError
from pipeline.render.edition import picture_cid
from pipeline.settings import Dkim, Settings, Smtp
from tests.delivery.letters import HTML, NOW, PNG, TEXT, a_letter, a_recipient, a_sender, an_edition
from tests.delivery.signatures import is_verified, pem_of
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
    an_edition(html=f'{HTML}<img src="cid:{picture_cid("a.png")}">'),
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


@pytest.fixture(params=[False, True], ids=["in turn", "pipelined"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    """Whether the server offers PIPELINING: what becomes of people is the same either way."""
    return bool(request.param)


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


def test_connections_stay_open_between_batches_and_are_as_many_as_allowed(pipelining: bool) -> None:
    with rude_smtp_server("dot", "drop", times=0, pipelining=pipelining) as server:
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


def test_what_is_under_way_ends_and_no_more_begins_when_the_caller_stops_listening(
    pipelining: bool,
) -> None:
    with (
        rude_smtp_server("dot", "drop", times=0, pipelining=pipelining) as server,
        provider_at(server.port, connections=2) as provider,
    ):
        outcomes = iter(provider.send(a_letter(), [a_recipient(n) for n in range(500)]))
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        count = len(server.taken)

        assert 1 <= count < 500
        assert len(server.taken) == count
        assert all(one.data for one in server.taken)


# --- one recipient ----------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    ("answer", "state"),
    [("450 4.2.0 later", State.DEFERRED), ("550 5.1.1 nobody here", State.FAILED)],
)
def test_a_refusal_is_one_recipients_own_and_keeps_the_servers_words(
    pipelining: bool, stage: Any, answer: str, state: State
) -> None:
    with (
        rude_smtp_server(stage, answer, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

    assert [one.state for one in outcomes.values()] == [State.ACCEPTED, state, State.ACCEPTED]
    assert outcomes["r2"].code == answer[:3]
    assert outcomes["r2"].detail == answer
    assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]
    assert server.connections == 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "body"])
def test_a_connection_dropped_before_the_message_was_whole_is_tried_once_more(
    pipelining: bool, stage: Any
) -> None:
    with (
        rude_smtp_server(stage, "drop", times=1, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE, letter=LARGE)

        assert {one.state for one in outcomes.values()} == {State.ACCEPTED}
        assert Counter(one.to for one in server.taken) == {one.address: 1 for one in THREE}
        assert server.connections == 2


@pytest.mark.parametrize("stage", ["RCPT", "body"])
def test_who_is_dropped_twice_is_deferred_and_the_others_go_on(
    pipelining: bool, stage: Any
) -> None:
    only = "" if stage == "body" else THREE[0].address
    with (
        rude_smtp_server(stage, "drop", times=2, only=only, pipelining=pipelining) as server,
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
    pipelining: bool, fault: str, timeout: float
) -> None:
    with (
        rude_smtp_server("dot", fault, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port, timeout=timeout) as provider,
    ):
        outcomes = send(provider, THREE)

        assert [one.state for one in outcomes.values()] == [
            State.ACCEPTED,
            State.UNCERTAIN,
            State.ACCEPTED,
        ]
        assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]


@pytest.mark.parametrize("answer", ["354 once more?", "hello", "250 fine, " + "x" * 5000])
def test_an_answer_to_the_last_full_stop_that_says_nothing_is_uncertain(
    pipelining: bool, answer: str
) -> None:
    with (
        rude_smtp_server("dot", answer, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

    assert [one.state for one in outcomes.values()] == [
        State.ACCEPTED,
        State.UNCERTAIN,
        State.ACCEPTED,
    ]


def test_an_answer_of_several_lines_is_kept_with_its_enhanced_code(pipelining: bool) -> None:
    answer = "550-5.1.1 nobody here\r\n550 5.1.1 by that name"
    with (
        rude_smtp_server("RCPT", answer, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

    assert outcomes["r2"].detail == "550 5.1.1 nobody here 5.1.1 by that name"
    assert (outcomes["r2"].code, outcomes["r2"].enhanced) == ("550", "5.1.1")
    assert outcomes["r1"].enhanced == ""


def test_an_answer_that_never_ends_is_not_listened_to(pipelining: bool) -> None:
    endless = "\r\n".join(["250-more"] * 200)
    with (
        rude_smtp_server("RCPT", endless, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

    assert outcomes["r2"].state is State.DEFERRED
    assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]


def test_a_refusal_stands_although_the_server_leaves_right_after_it(pipelining: bool) -> None:
    answer = "550 5.1.1 nobody here\r\n421 4.7.0 too many errors"
    with (
        rude_smtp_server("RCPT", answer, only=THREE[1].address, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        outcomes = send(provider, THREE)

        assert [one.state for one in outcomes.values()] == [
            State.ACCEPTED,
            State.FAILED,
            State.ACCEPTED,
        ]
        assert server.connections == 2


def test_a_354_after_a_refusal_is_ended_with_a_full_stop_alone() -> None:
    only = THREE[1].address
    with rude_smtp_server("RCPT", "550 5.1.1 no", only=only, pipelining=True) as server:
        server.careless = True
        with provider_at(server.port) as provider:
            outcomes = send(provider, THREE)

    assert outcomes["r2"].detail == "550 5.1.1 no"
    assert [one.to for one in server.taken] == [THREE[0].address, THREE[2].address]
    assert server.connections == 1


def test_a_refusal_at_the_end_of_a_batch_does_not_trouble_the_next(pipelining: bool) -> None:
    with (
        rude_smtp_server("DATA", "451 4.3.0 later", times=1, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        assert send(provider, THREE[:1])["r1"].state is State.DEFERRED
        assert send(provider, THREE[1:2])["r2"].state is State.ACCEPTED
        assert server.connections == 1


def test_the_next_envelope_rides_behind_the_full_stop_where_pipelining_is_offered() -> None:
    # The server answers to a full stop only once it has read the command that follows.
    with (
        rude_smtp_server("dot", "late", times=9, pipelining=True) as server,
        provider_at(server.port, timeout=5) as provider,
    ):
        people = [a_recipient(number) for number in range(10)]
        assert {one.state for one in send(provider, people).values()} == {State.ACCEPTED}
        assert [one.to for one in server.taken] == [one.address for one in people]


@given(
    stage=st.sampled_from(["MAIL", "RCPT", "DATA", "dot"]),
    fault=st.sampled_from(["drop", "421 4.3.2 closing", "450 4.2.0 later", "552 5.2.2 full"]),
    times=st.integers(0, 4),
    pipelining=st.booleans(),
    connections=st.integers(1, 3),
    count=st.integers(1, 12),
)
def test_nobody_gets_it_twice_and_nobody_is_forgotten(
    stage: Any, fault: str, times: int, pipelining: bool, connections: int, count: int
) -> None:
    people = [a_recipient(number) for number in range(count)]
    outcomes: list[Outcome] = []
    with (
        rude_smtp_server(stage, fault, times=times, pipelining=pipelining) as server,
        provider_at(server.port, connections=connections) as provider,
        suppress(ProviderError),  # a sender refused: whoever has no outcome was not sent
    ):
        outcomes.extend(provider.send(a_letter(), people))

    took = Counter(one.to for one in server.taken)
    accepted = {one.recipient for one in outcomes if one.state is State.ACCEPTED}
    assert {one.id for one in people if took[one.address]} == accepted
    assert all(number == 1 for number in took.values())
    assert len({one.recipient for one in outcomes}) == len(outcomes)
    assert len(outcomes) == count or (stage, fault[:1]) == ("MAIL", "5")


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


def test_a_server_that_leaves_in_the_middle_keeps_what_it_took_and_the_rest_waits(
    pipelining: bool,
) -> None:
    heard: list[Outcome] = []
    with (
        rude_smtp_server("greeting", "421 4.3.2 closing", times=0, pipelining=pipelining) as server,
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


def test_a_421_within_a_transaction_is_tried_on_a_new_connection(pipelining: bool) -> None:
    with (
        rude_smtp_server("RCPT", "421 4.3.2 closing", times=1, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        assert {one.state for one in send(provider, THREE).values()} == {State.ACCEPTED}
        assert server.connections == 2


def test_a_sender_that_the_server_refuses_stops_all_instead_of_failing_everybody(
    pipelining: bool,
) -> None:
    with (
        rude_smtp_server("MAIL", "550 5.7.1 not yours", pipelining=pipelining) as server,
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


# --- where it goes back to --------------------------------------------------------------------

SECRET = b"sixteen bytes or more"
BOUNCES = "bounce@cercle.example"


def with_envelope(person: Recipient) -> Recipient:
    return replace(person, envelope=verp_of(person.id, base=BOUNCES, secret=SECRET))


def test_each_message_goes_back_to_an_address_of_its_own() -> None:
    people = [with_envelope(a_recipient(number)) for number in range(20)]
    with smtp_server() as server, provider_at(server.port, connections=3) as provider:
        send(provider, [*people, a_recipient(20)])

    senders = {one.to: one.sender for one in server.taken}
    whose = verp_reader(base=BOUNCES, secret=SECRET)
    assert {to: whose(sender) for to, sender in senders.items()} == {
        **{one.address: one.id for one in people},
        "zoe20@example.org": None,
    }
    assert senders["zoe20@example.org"] == "redaction@example.org"
    assert all(b"cercle.example" not in one.data for one in server.taken)


def test_the_envelope_that_rides_ahead_is_the_next_ones_own(pipelining: bool) -> None:
    people = [with_envelope(a_recipient(number)) for number in range(6)]
    refused, answer = people[2].address, "550 5.1.1 nobody here"
    with (
        rude_smtp_server("RCPT", answer, only=refused, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        send(provider, people)

    expected = [(one.envelope, one.address) for one in people if one.address != refused]
    assert [(one.sender, one.to) for one in server.taken] == expected


def test_an_address_for_bounces_that_the_server_refuses_stops_all_by_its_name(
    pipelining: bool,
) -> None:
    people = [with_envelope(one) for one in THREE]
    with (
        rude_smtp_server("MAIL", "550 5.7.1 not yours", pipelining=pipelining) as server,
        provider_at(server.port) as provider,
        pytest.raises(ProviderError, match=r"bounce\+.*@cercle.*not yours.*bounces\.address"),
    ):
        send(provider, people)

    assert server.taken == []


def test_letters_beyond_ascii_in_any_of_the_addresses_need_smtputf8() -> None:
    plain, accented = "redaction@example.org", "rédaction@example.org"
    cases = [(plain, plain, False), (accented, plain, True), (plain, accented, True)]
    for sender, envelope, is_needed in cases:
        letter = a_letter(sender=a_sender(email=sender))
        person = replace(a_recipient(1), envelope=envelope)
        with smtp_server(smtputf8=True) as server, provider_at(server.port) as provider:
            assert send(provider, [person], letter=letter)["r1"].state is State.ACCEPTED
        assert server.taken[0].sender == envelope
        assert ("SMTPUTF8" in server.taken[0].options) is is_needed

        with smtp_server() as server, provider_at(server.port) as provider:
            outcome = send(provider, [person], letter=letter)["r1"]
        assert outcome.state is (State.FAILED if is_needed else State.ACCEPTED)


def test_an_envelope_that_is_no_address_is_refused_before_it_is_said() -> None:
    people = [replace(THREE[0], envelope="a@b.org>\r\nRCPT TO:<x@y.org"), THREE[1]]
    with smtp_server() as server, provider_at(server.port) as provider:
        outcomes = send(provider, people)

    assert [one.state for one in outcomes.values()] == [State.FAILED, State.ACCEPTED]
    assert [one.to for one in server.taken] == [THREE[1].address]


# --- signatures -------------------------------------------------------------------------------


BOTH = Dkim(domain="example.org", selector="lettre", second_selector="deux")


def a_key() -> str:
    """Return an Ed25519 key as its owner keeps it."""
    return pem_of(Ed25519PrivateKey.generate())


def sign_with(environ: dict[str, str], dkim: Dkim, *, folder: Path | None = None) -> SmtpProvider:
    settings = Settings(smtp=Smtp(security="none"), dkim=dkim)
    return open_provider(settings=settings, root=folder or Path(), environ=environ)


def test_messages_are_signed_as_they_are_handed_over(pipelining: bool) -> None:
    key = Ed25519PrivateKey.generate()
    with (
        rude_smtp_server("dot", "drop", times=0, pipelining=pipelining) as server,
        provider_at(server.port) as provider,
    ):
        provider.signer = make_signer(
            pem_of(key), domain="example.org", selector="lettre", variable="KEY"
        )
        send(provider, THREE)

    assert len(server.taken) == 3
    assert all(is_verified(one.data, key) for one in server.taken)


def test_two_keys_make_two_signatures_of_what_was_handed_over(tmp_path: Path) -> None:
    first, second = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
    (tmp_path / "second.pem").write_text(pem_of(second))
    environ = {
        "INFOLETTRE_DKIM_KEY": pem_of(first),
        "INFOLETTRE_DKIM_SECOND_KEY_FILE": "second.pem",
    }
    with smtp_server() as server, provider_at(server.port) as provider:
        provider.signer = sign_with(environ, BOTH, folder=tmp_path).signer
        send(provider, THREE)

    for one in server.taken:
        assert is_verified(one.data, first, at="lettre._domainkey.example.org.", number=1)
        assert is_verified(one.data, second, at="deux._domainkey.example.org.", number=0)


def test_without_a_key_nothing_is_signed() -> None:
    assert sign_with({}, Dkim()).signer is None


def test_the_key_may_stand_in_the_variable_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(a_key())
    dkim = Dkim(domain="example.org", selector="lettre")
    in_file = {"INFOLETTRE_DKIM_KEY_FILE": "key.pem"}

    for environ in ({"INFOLETTRE_DKIM_KEY": a_key()}, in_file):
        signer = sign_with(environ, dkim, folder=tmp_path).signer
        assert repr(signer) == "Signer(lettre._domainkey.example.org)"


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"INFOLETTRE_DKIM_KEY_FILE.*gone\.pem"):
        sign_with({"INFOLETTRE_DKIM_KEY_FILE": "gone.pem"}, Dkim(), folder=tmp_path)


@pytest.mark.parametrize(
    ("environ", "dkim", "told"),
    [
        ({}, Dkim(domain="example.org", selector="lettre"), "INFOLETTRE_DKIM_KEY"),
        ({"INFOLETTRE_DKIM_KEY": "x"}, Dkim(domain="example.org"), r"dkim\.selector"),
        ({"INFOLETTRE_DKIM_KEY": "x"}, Dkim(selector="lettre"), r"dkim\.domain"),
        ({"INFOLETTRE_DKIM_SECOND_KEY": "x"}, Dkim(), r"SECOND_KEY holds a key.*dkim\.domain"),
        ({"INFOLETTRE_DKIM_SECOND_KEY_FILE": "gone"}, Dkim(), "SECOND_KEY_FILE.*gone"),
        ({}, Dkim(second_selector="deux"), r"dkim\.second_selector.*INFOLETTRE_DKIM_SECOND_KEY"),
        ({"INFOLETTRE_DKIM_KEY": a_key()}, BOTH, "is set.*INFOLETTRE_DKIM_SECOND_KEY"),
        ({"INFOLETTRE_DKIM_SECOND_KEY": a_key()}, BOTH, "is set.*INFOLETTRE_DKIM_KEY"),
        (
            {"INFOLETTRE_DKIM_KEY": a_key(), "INFOLETTRE_DKIM_SECOND_KEY": a_key()},
            Dkim(domain="example.org", selector="lettre"),
            r"SECOND_KEY holds a key.*dkim\.second_selector",
        ),
        (
            {"INFOLETTRE_DKIM_KEY": a_key(), "INFOLETTRE_DKIM_SECOND_KEY": a_key()},
            replace(BOTH, second_selector="dé"),
            r"dkim\.second_selector.*dé",
        ),
    ],
)
def test_half_a_signature_is_told_before_anything_is_sent(
    environ: dict[str, str], dkim: Dkim, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        sign_with(environ, dkim)
