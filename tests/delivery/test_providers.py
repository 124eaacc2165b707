"""The one contract that every provider keeps, on real servers; a new provider adds its rig."""

import mailbox
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from pipeline.delivery.events import Event
from pipeline.delivery.ports import Outcome, Provider, Recipient, State
from pipeline.delivery.providers import open_provider, provider_names
from pipeline.delivery.providers.outbox import Outbox as OutboxProvider
from pipeline.delivery.providers.outbox import file_name
from pipeline.errors import InputError, ProviderError, WorkspaceError
from pipeline.settings import Outbox, Sendgrid, Settings, Smtp
from tests.delivery.letters import a_letter, a_recipient, an_edition
from tests.servers import (
    LOOPBACK,
    Answer,
    Taken,
    authority,
    free_port,
    read_message,
    rude_smtp_server,
    sendgrid_error,
    sendgrid_server,
    smtp_server,
)

SECOND: Final = "zoe2@example.org"  # the one of three with whom something is wrong
QUICK: Final = 1.0  # seconds until a provider of the tests loses patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one person got."""

    to: str
    subject: str
    text: str
    unsubscribe: str
    message_id: str


@dataclass
class Rig:
    """A provider before its world, arranged as a test wants it."""

    provider: Provider
    copies: Callable[[], list[Copy]]
    faults: list[str] = field(default_factory=list)

    def send(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        return list(self.provider.send(a_letter(), recipients))

    def close(self) -> None:
        """Close the provider; the world must have had nothing to complain about."""
        self.provider.close()
        assert self.faults == []


def read_copy(to: str, data: bytes) -> Copy:
    message = read_message(data)
    body = message.get_body(("plain",))
    assert body is not None
    return Copy(
        to=to,
        subject=str(message["Subject"]),
        text=body.get_content(),
        unsubscribe=str(message["List-Unsubscribe"]),
        message_id=str(message["Message-ID"]),
    )


# --- the rigs: each arranges its world so that a given thing happens ---------------------------


@contextmanager
def outbox_rig(world: str, folder: Path) -> Iterator[Rig]:
    place = folder / "outbox"
    if world == "unreachable":
        place.write_text("a file where the folder should be")
    provider = open_provider(
        "outbox", settings=Settings(outbox=Outbox(path="outbox")), root=folder, environ={}
    )

    def copies() -> list[Copy]:
        found = [one.read_bytes() for one in (place / "new").iterdir()]
        return [
            read_copy(str(read_message(one)["To"].addresses[0].addr_spec), one) for one in found
        ]

    yield Rig(provider=provider, copies=copies)


SMTP_FAULTS: Final[dict[str, Literal["hang", "drop"]]] = {"silent": "hang", "closing": "drop"}
SMTP_REFUSALS: Final = {
    "refuses one": "550 5.1.1 no such mailbox",
    "defers one": "451 4.7.1 later",
}


@contextmanager
def smtp_rig(world: str, folder: Path) -> Iterator[Rig]:
    """STARTTLS and AUTH on an aiosmtpd, or a server of ours that misbehaves."""
    authority().cert_pem.write_to_path(str(folder / "ca.pem"))
    taken: Callable[[], list[Taken]] = list
    patience = QUICK if world == "silent" else 10
    smtp = Smtp(host=LOOPBACK, port=free_port(), security="none", timeout=patience, connections=2)
    with ExitStack() as stack:
        if world in SMTP_FAULTS:
            rude = stack.enter_context(rude_smtp_server("dot", SMTP_FAULTS[world], only=SECOND))
            smtp, taken = replace(smtp, port=rude.port), lambda: rude.taken
        elif world != "unreachable":
            server = stack.enter_context(smtp_server(security="starttls", login=("anne", "right")))
            server.replies |= {SECOND: SMTP_REFUSALS[world]} if world in SMTP_REFUSALS else {}
            smtp = replace(smtp, port=server.port, security="starttls", username="anne")
            smtp, taken = replace(smtp, ca_file="ca.pem"), lambda: server.taken
        provider = open_provider(
            "smtp",
            settings=Settings(smtp=smtp),
            root=folder,
            environ={"INFOLETTRE_SMTP_PASSWORD": "wrong" if world == "wrong secret" else "right"},
        )
        stack.callback(provider.close)
        yield Rig(
            provider=provider, copies=lambda: [read_copy(one.to, one.data) for one in taken()]
        )


def sendgrid_answer(world: str, body: dict[str, Any]) -> Answer | None:
    """Answer as the world wants; one person's fault is the whole call's at SendGrid."""
    addresses = [one["to"][0]["email"] for one in body["personalizations"]]
    if world == "refuses one" and SECOND in addresses:
        culprit = f"personalizations.{addresses.index(SECOND)}.to.0.email"
        error = sendgrid_error("Does not contain a valid address.", culprit)
        return Answer(status=400, body=error)
    return {
        "silent": Answer(status=202, hang=30),
        "closing": Answer(status=0),
        "defers one": Answer(
            status=429, body=sendgrid_error("too many requests"), headers={"Retry-After": "7"}
        ),
    }.get(world)


@contextmanager
def sendgrid_rig(world: str, folder: Path) -> Iterator[Rig]:
    with sendgrid_server() as stub:
        stub.decide = lambda body: sendgrid_answer(world, body)
        host = f"http://{LOOPBACK}:{free_port()}" if world == "unreachable" else stub.host
        settings = Settings(
            sendgrid=Sendgrid(host=host, timeout=QUICK if world == "silent" else 10)
        )
        key = "SG.wrong" if world == "wrong secret" else stub.key
        environ = {"INFOLETTRE_SENDGRID_API_KEY": key}
        provider = open_provider("sendgrid", settings=settings, root=folder, environ=environ)

        def copies() -> list[Copy]:
            return [
                Copy(
                    to=one["to"],
                    subject=one["subject"],
                    text=one["text"],
                    unsubscribe=one["headers"]["List-Unsubscribe"],
                    message_id=one["headers"]["Message-ID"],
                )
                for one in stub.taken
            ]

        yield Rig(provider=provider, copies=copies, faults=stub.faults)


RIGS: Final = {"outbox": outbox_rig, "sendgrid": sendgrid_rig, "smtp": smtp_rig}
NETWORKED: Final = ("sendgrid", "smtp")
OpenRig = Callable[[str, str], Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[OpenRig]:
    """Arrange the world of a provider; all is put away, and checked, at the end."""
    with ExitStack() as stack:

        def arrange(provider: str, world: str) -> Rig:
            arranged = stack.enter_context(RIGS[provider](world, tmp_path))
            stack.callback(arranged.close)
            return arranged

        yield arrange


each_provider = pytest.mark.parametrize("provider", sorted(RIGS))
each_networked_provider = pytest.mark.parametrize("provider", NETWORKED)


def states(outcomes: Sequence[Outcome]) -> dict[str, State]:
    assert len({one.recipient for one in outcomes}) == len(outcomes), "one outcome a recipient"
    return {one.recipient: one.state for one in outcomes}


# --- the contract -----------------------------------------------------------------------------


def test_every_provider_has_a_rig_here() -> None:
    assert provider_names() == tuple(sorted(RIGS))


def test_an_unknown_provider_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outbox, sendgrid, smtp"):
        open_provider("pigeon", settings=Settings(), root=tmp_path, environ={})


@each_provider
def test_everybody_gets_their_own_copy_and_one_outcome(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")
    people = [a_recipient(n, first_name=f"Zoë {n} & <fils>") for n in range(1, 8)]

    outcomes = arranged.send(people)

    assert states(outcomes) == {one.id: State.ACCEPTED for one in people}
    copies = {one.to: one for one in arranged.copies()}
    assert copies.keys() == {one.address for one in people}
    assert len(arranged.copies()) == len(people)
    for one in people:
        copy = copies[one.address]
        assert copy.subject == "Des cafés partout en France\u202f!"
        assert copy.text.startswith(f"Bonjour {one.values['first_name']},")
        assert copy.unsubscribe == f"<{one.unsubscribe_url}>"
        assert copy.message_id == a_letter().message_id(one)


@each_provider
def test_batches_follow_each_other_on_one_provider(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")

    for number in range(1, 4):
        assert states(arranged.send([a_recipient(number)])) == {f"r{number}": State.ACCEPTED}

    assert len(arranged.copies()) == 3


@each_provider
def test_an_empty_batch_has_no_outcome(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")

    assert arranged.send([]) == []
    assert arranged.copies() == []


@each_provider
@pytest.mark.parametrize("fault", [{"name": "a\r\nBcc: x@y.org"}, {"address": "zoe@"}])
def test_whoever_cannot_stand_in_a_message_is_refused_and_the_others_go_on(
    rig: OpenRig, provider: str, fault: dict[str, str]
) -> None:
    arranged = rig(provider, "fine")

    outcomes = arranged.send([a_recipient(1), a_recipient(2, **fault), a_recipient(3)])

    assert states(outcomes) == {"r1": State.ACCEPTED, "r2": State.FAILED, "r3": State.ACCEPTED}
    refused = next(one for one in outcomes if one.recipient == "r2")
    assert refused.error is not None
    assert refused.detail == refused.error.say("en")
    assert {one.to for one in arranged.copies()} == {"zoe1@example.org", "zoe3@example.org"}


@each_networked_provider
def test_when_one_of_many_is_refused_the_others_go_on(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "refuses one")

    outcomes = arranged.send([a_recipient(n) for n in (1, 2, 3)])

    assert states(outcomes) == {"r1": State.ACCEPTED, "r2": State.FAILED, "r3": State.ACCEPTED}
    refused = next(one for one in outcomes if one.recipient == "r2")
    assert refused.code in ("550", "400")
    assert "mailbox" in refused.detail or "valid address" in refused.detail
    assert {one.to for one in arranged.copies()} == {"zoe1@example.org", "zoe3@example.org"}


@each_networked_provider
def test_who_is_asked_to_wait_is_deferred_with_the_reason(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "defers one")

    outcome = arranged.send([a_recipient(2)])[0]

    assert outcome.state is State.DEFERRED
    assert outcome.code in ("451", "429")
    assert outcome.detail
    assert arranged.copies() == []


@each_networked_provider
@pytest.mark.parametrize("world", ["silent", "closing"])
def test_without_an_answer_to_what_was_handed_over_the_outcome_is_uncertain(
    rig: OpenRig, provider: str, world: str
) -> None:
    arranged = rig(provider, world)

    outcome = arranged.send([a_recipient(2)])[0]

    assert outcome.state is State.UNCERTAIN
    assert outcome.detail


@each_networked_provider
def test_an_unreachable_server_leaves_everybody_waiting(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "unreachable")

    with pytest.raises(ProviderError, match=r"no connection to .*127\.0\.0\.1") as raised:
        arranged.send([a_recipient(1), a_recipient(2)])

    assert raised.value.retryable


@each_networked_provider
def test_a_wrong_secret_stops_all_and_is_not_printed(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "wrong secret")

    with pytest.raises(ProviderError, match="INFOLETTRE_") as raised:
        arranged.send([a_recipient(1), a_recipient(2)])

    assert not raised.value.retryable
    assert "wrong" not in str(raised.value)
    assert arranged.copies() == []


@each_provider
def test_closing_twice_is_as_good_as_once(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")
    arranged.send([a_recipient(1)])

    arranged.provider.close()
    arranged.provider.close()

    assert [one.state for one in arranged.send([a_recipient(2)])] == [State.ACCEPTED]


@each_provider
def test_after_a_stop_nothing_more_is_begun(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")
    assert len(arranged.send([a_recipient(1)])) == 1

    arranged.provider.stop()

    assert arranged.send([a_recipient(2), a_recipient(3)]) == []


@each_provider
def test_a_provider_says_its_name_and_what_it_can(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine").provider

    assert arranged.name == provider
    assert arranged.capabilities.batch == (2000 if provider == "smtp" else 1000)
    assert arranged.capabilities.can_be_asked is (provider == "outbox")


@each_provider
def test_who_can_be_asked_knows_what_was_handed_over_and_the_others_do_not_guess(
    rig: OpenRig, provider: str
) -> None:
    arranged = rig(provider, "fine")
    sent, unsent = [[a_letter().message_id(a_recipient(n)) for n in ns] for ns in ((1, 2), (3, 4))]
    arranged.send([a_recipient(1), a_recipient(2)])

    if arranged.provider.capabilities.can_be_asked:
        assert arranged.provider.held([*sent, *unsent]) == set(sent)
        assert arranged.provider.held(unsent) == set()
        assert arranged.provider.held([]) == set()
    else:
        with pytest.raises(NotImplementedError):
            arranged.provider.held(sent)


@each_provider
def test_where_mail_goes_back_to_is_no_matter_of_the_message(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine")
    person = replace(a_recipient(1), envelope="bounce+token@cercle.example")

    assert states(arranged.send([person])) == {"r1": State.ACCEPTED}

    (copy,) = arranged.copies()
    assert "cercle.example" not in f"{copy}"


@each_provider
def test_nobody_elses_word_is_taken_for_an_event(rig: OpenRig, provider: str) -> None:
    arranged = rig(provider, "fine").provider
    forged = b'[{"event": "spamreport", "recipient": "r1", "sg_event_id": "1"}]'

    def heard(body: bytes) -> list[Event]:
        with suppress(InputError):
            return arranged.read_events({"Content-Type": "application/json"}, body)
        return []

    assert [heard(body) for body in (forged, b"", b"\xff")] == [[], [], []]


@pytest.mark.parametrize(
    ("provider", "variable"),
    [("smtp", "INFOLETTRE_SMTP_PASSWORD"), ("sendgrid", "INFOLETTRE_SENDGRID_API_KEY")],
)
def test_a_missing_secret_is_named(provider: str, variable: str, tmp_path: Path) -> None:
    settings = Settings(smtp=Smtp(username="redaction"))

    with pytest.raises(InputError, match=variable):
        open_provider(provider, settings=settings, root=tmp_path, environ={})


# --- the outbox -------------------------------------------------------------------------------


def test_the_same_message_is_never_twice_in_the_outbox(tmp_path: Path) -> None:
    with outbox_rig("fine", tmp_path) as arranged:
        arranged.send([a_recipient(1)])
        first = list((tmp_path / "outbox/new").iterdir())
        shutil.move(first[0], tmp_path / f"outbox/cur/{first[0].name}:2,S")  # somebody read it

        again = arranged.send([a_recipient(1), a_recipient(2), a_recipient(2)])

    assert [one.state for one in again] == [State.ACCEPTED] * 3
    assert [one.is_repeat for one in again] == [True, False, True]
    assert len(list((tmp_path / "outbox/new").iterdir())) == 1
    assert list((tmp_path / "outbox/tmp").iterdir()) == []


def test_the_outbox_holds_a_message_that_somebody_read(tmp_path: Path) -> None:
    outbox = OutboxProvider(tmp_path)
    ids = [a_letter().message_id(a_recipient(n)) for n in (1, 2, 3)]
    list(outbox.send(a_letter(), [a_recipient(1), a_recipient(2)]))
    read = tmp_path / "new" / file_name(ids[0])

    shutil.move(read, tmp_path / f"cur/{read.name}:2,S")

    assert outbox.held(ids) == {ids[0], ids[1]}


def test_what_another_process_began_is_seen_as_a_repeat_and_not_written_over(
    tmp_path: Path,
) -> None:
    two = [OutboxProvider(tmp_path), OutboxProvider(tmp_path)]

    for outbox, is_repeat in zip(two, (False, True), strict=True):
        outcomes = list(outbox.send(a_letter(), [a_recipient(1)]))
        assert [(one.state, one.is_repeat) for one in outcomes] == [(State.ACCEPTED, is_repeat)]

    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_was_shown_before_the_folder_failed_has_its_outcome(tmp_path: Path) -> None:
    outbox = OutboxProvider(tmp_path)
    sending = outbox.send(a_letter(), [a_recipient(n) for n in range(250)])
    heard = [next(sending)]

    shutil.rmtree(tmp_path / "tmp")  # nothing can be written from here on
    with pytest.raises(WorkspaceError, match="cannot be written"):
        heard.extend(sending)

    assert 1 < len(heard) < 250
    assert {one.detail for one in heard} == {one.name for one in (tmp_path / "new").iterdir()}


def test_who_got_no_outcome_is_sent_again_and_nobody_twice(tmp_path: Path) -> None:
    outbox = OutboxProvider(tmp_path)
    people = [a_recipient(n) for n in range(5)]
    list(outbox.send(a_letter(), people[:1]))
    new = tmp_path / "new"

    new.rename(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError):
        list(outbox.send(a_letter(), people))
    assert list((tmp_path / "tmp").iterdir()) == []

    (tmp_path / "elsewhere").rename(new)
    assert [one.is_repeat for one in outbox.send(a_letter(), people)] == [True] + [False] * 4
    assert len(list(new.iterdir())) == len(people)


def test_drafts_of_a_worker_that_died_long_ago_are_put_away(tmp_path: Path) -> None:
    OutboxProvider(tmp_path)
    old, young = tmp_path / "tmp/old", tmp_path / "tmp/young"
    for draft in (old, young):
        draft.write_bytes(b"From: ")
    os.utime(old, (0, 0))

    OutboxProvider(tmp_path)

    assert list((tmp_path / "tmp").iterdir()) == [young]


def test_a_message_is_on_the_disk_before_it_is_shown_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = OutboxProvider(tmp_path)
    done: list[str] = []

    def noted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def noting(*given: Any) -> None:
            done.append(name)
            call(*given)

        return noting

    monkeypatch.setattr(os, "fsync", noted("wait", os.fsync))  # the real ones, and in what order
    monkeypatch.setattr(os, "link", noted("show", os.link))
    for outcome in outbox.send(a_letter(), [a_recipient(n) for n in (1, 2, 3)]):
        done.append(outcome.state.value)

    assert done == [*["wait"] * 3, *["show"] * 3, "wait", *["accepted"] * 3]


def test_any_mail_program_reads_the_outbox(tmp_path: Path) -> None:
    with outbox_rig("fine", tmp_path) as arranged:
        arranged.send([a_recipient(1), a_recipient(2)])

    box = mailbox.Maildir(tmp_path / "outbox", create=False)
    assert len(box) == 2
    assert all(message["List-Id"] for message in box)


def test_a_folder_that_cannot_be_written_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"outbox\.path"), outbox_rig("unreachable", tmp_path):
        pass


def test_a_folder_that_vanishes_is_told_too(tmp_path: Path) -> None:
    with outbox_rig("fine", tmp_path) as arranged:
        shutil.rmtree(tmp_path / "outbox/tmp")
        with pytest.raises(WorkspaceError, match="cannot be written"):
            arranged.send([a_recipient(1)])


def test_a_letter_without_places_is_sent_too(rig: OpenRig) -> None:
    letter = a_letter(an_edition(text="Bonjour\n", html="<p>Bonjour</p>"))

    for name in RIGS:
        outcomes = list(rig(name, "fine").provider.send(letter, [a_recipient(1)]))
        assert [one.state for one in outcomes] == [State.ACCEPTED], name
