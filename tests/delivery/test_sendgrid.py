"""SendGrid: what a call holds, and what each answer means, against its published limits."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.delivery.message import fill_pieces
from pipeline.delivery.places import Context
from pipeline.delivery.ports import Recipient, State
from pipeline.delivery.providers.sendgrid import SendgridProvider, open_provider
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Sendgrid, Settings
from pipeline.text.merge import MergeTag, encode
from tests.delivery.letters import FIRST_NAME, HTML, PNG, a_letter, a_recipient, an_edition
from tests.servers import (
    SPEC,
    Answer,
    SendgridStub,
    check_sendgrid_request,
    sendgrid_error,
    sendgrid_server,
)


@pytest.fixture
def stub() -> Iterator[SendgridStub]:
    with sendgrid_server() as stub:
        yield stub
        assert stub.faults == []


def provider_of(stub: SendgridStub, *, timeout: float = 10) -> SendgridProvider:
    return open_provider(
        settings=Settings(sendgrid=Sendgrid(host=stub.host, timeout=timeout)),
        root=Path(),
        environ={"INFOLETTRE_SENDGRID_API_KEY": stub.key},
    )


def test_a_thousand_people_are_one_call_and_one_more_makes_two(stub: SendgridStub) -> None:
    people = [a_recipient(number) for number in range(1001)]

    outcomes = list(provider_of(stub).send(a_letter(), people))

    assert [len(call["personalizations"]) for call in stub.calls] == [1000, 1]
    assert [one.recipient for one in outcomes] == [one.id for one in people]
    assert {one.state for one in outcomes} == {State.ACCEPTED}
    assert len(stub.taken) == 1001


def test_each_place_is_escaped_for_where_it_stands(stub: SendgridStub) -> None:
    html = (
        f'<p title="{FIRST_NAME}">{FIRST_NAME}</p><a href="https://a.org/?n={FIRST_NAME}">a</a>'
        f'<a href="{encode(MergeTag("preferences_url", ""))}">b</a>'
    )
    letter = a_letter(an_edition(html=html, text=f"{FIRST_NAME}\n", subject=f"Pour {FIRST_NAME}"))
    person = Recipient(
        id="r1",
        address="zoe@example.org",
        values={
            "first_name": 'Zoë & <fils> "d\'x"',
            "preferences_url": "https://a.org/?a=1&b=2",
        },
        unsubscribe_url="https://a.org/u",
    )

    list(provider_of(stub).send(letter, [person]))

    got = stub.taken[0]
    assert got["subject"] == 'Pour Zoë & <fils> "d\'x"'
    assert got["text"] == 'Zoë & <fils> "d\'x"\n'
    assert got["html"] == (
        '<p title="Zoë &amp; &lt;fils&gt; &quot;d&#x27;x&quot;">'
        "Zoë &amp; &lt;fils&gt; &quot;d&#x27;x&quot;</p>"
        '<a href="https://a.org/?n=Zo%C3%AB%20%26%20%3Cfils%3E%20%22d%27x%22">a</a>'
        '<a href="https://a.org/?a=1&amp;b=2">b</a>'
    )


LINKS = st.builds(
    str.__add__,
    st.sampled_from(["https://", "http://", "javascript:", ""]),
    st.text("aZ0/:._- ", max_size=8) | st.text("a/&<>\"'=?#%+@~", max_size=8),
)
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(link=LINKS | WORDS, name=LINKS | WORDS)
@example(link="https://a.org/b?c=1&d=2", name="https://a.org/b")
@example(link="https://a b.org/<c>", name="a/b")
@example(link="a/b", name="https://a.org/b c&d")
def test_a_value_is_escaped_as_it_is_by_smtp(stub: SendgridStub, link: str, name: str) -> None:
    tag = encode(MergeTag("preferences_url", "-"))
    html = f'<p>{FIRST_NAME}{tag}</p><a href="{tag}">a</a><a href="https://a.org/?n={tag}">b</a>'
    letter = a_letter(an_edition(html=html, text=f"{tag} {FIRST_NAME}\n", subject=f"= {tag}"))
    values = {"first_name": name, "preferences_url": link}
    person = Recipient(id="r1", address="zoe@example.org", values=values)
    stub.taken.clear()

    list(provider_of(stub).send(letter, [person]))

    for part in ("subject", "text", "html"):
        assert stub.taken[0][part] == fill_pieces(getattr(letter, part), person)


def test_what_a_person_gets_is_what_smtp_would_bring(stub: SendgridStub) -> None:
    letter, person = a_letter(), a_recipient(first_name="")

    list(provider_of(stub).send(letter, [person]))

    got = stub.taken[0]
    assert got["headers"]["List-Unsubscribe"] == f"<{person.unsubscribe_url}>"
    assert got["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert got["headers"]["List-Id"].endswith("<cafe-ia.example.org>")
    assert got["headers"]["Message-ID"] == letter.message_id(person)
    assert got["custom_args"] == {"recipient": "r1", "campaign": "2025-03-07"}
    assert "Bonjour à toutes et tous," in got["text"]
    assert "Bonjour à toutes et tous," in got["html"]


def test_nothing_is_tracked(stub: SendgridStub) -> None:
    list(provider_of(stub).send(a_letter(), [a_recipient()]))

    tracking = stub.calls[0]["tracking_settings"]
    assert set(tracking) == {
        "click_tracking",
        "open_tracking",
        "subscription_tracking",
        "ganalytics",
    }
    assert not any(one["enable"] for one in tracking.values())
    assert tracking["click_tracking"]["enable_text"] is False


def test_embedded_pictures_are_inline_attachments(stub: SendgridStub) -> None:
    html = HTML.replace("✦", '<img src="cid:a1.png@infolettre" alt="">')
    letter = a_letter(an_edition(html=html), pictures={"a1.png": PNG})

    list(provider_of(stub).send(letter, [a_recipient()]))

    (attachment,) = stub.calls[0]["attachments"]
    assert attachment["content_id"] == "a1.png@infolettre"
    assert attachment["disposition"] == "inline"
    assert attachment["type"] == "image/png"


def test_a_tag_is_never_a_word_of_the_letter(stub: SendgridStub) -> None:
    word = f"-first_name.1:{Context.PLAIN.value}-"
    letter = a_letter(an_edition(text=f"{word} {FIRST_NAME}\n", html="<p>x</p>"))

    list(provider_of(stub).send(letter, [a_recipient(first_name="Zoë")]))

    assert stub.taken[0]["text"] == f"{word} Zoë\n"


def test_values_beyond_the_limit_are_refused_before_the_call(stub: SendgridStub) -> None:
    people = [a_recipient(1, first_name="é" * 6000), a_recipient(2)]

    outcomes = {one.recipient: one for one in provider_of(stub).send(a_letter(), people)}

    assert outcomes["r1"].state is State.FAILED
    assert "10000" in outcomes["r1"].detail
    assert outcomes["r2"].state is State.ACCEPTED
    assert len(stub.calls) == 1


def test_a_local_part_in_utf_8_is_held_with_the_reason(stub: SendgridStub) -> None:
    people = [a_recipient(1, address="zoë@example.org"), a_recipient(2, address="z@café.example")]

    outcomes = {one.recipient: one for one in provider_of(stub).send(a_letter(), people)}

    assert outcomes["r1"].state is State.FAILED
    assert "SMTP" in outcomes["r1"].detail
    assert [one["to"] for one in stub.taken] == ["z@xn--caf-dma.example"]


# --- answers ----------------------------------------------------------------------------------


def test_several_bad_addresses_are_told_apart_and_the_others_go_on(stub: SendgridStub) -> None:
    bad = {"zoe3@example.org", "zoe7@example.org"}

    def decide(body: dict[str, Any]) -> Answer | None:
        people = [one["to"][0]["email"] for one in body["personalizations"]]
        fields = [
            f"personalizations.{at}.to.0.email" for at, one in enumerate(people) if one in bad
        ]
        errors = [{"message": "Does not contain a valid address.", "field": one} for one in fields]
        return Answer(status=400, body=json.dumps({"errors": errors})) if errors else None

    stub.decide = decide
    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(n) for n in range(10)]))

    failed = {one.recipient for one in outcomes if one.state is State.FAILED}
    assert failed == {"r3", "r7"}
    assert all("valid address" in one.detail for one in outcomes if one.recipient in failed)
    assert len(outcomes) == 10
    assert len(stub.taken) == 8
    assert len(stub.calls) == 2


def test_bad_addresses_told_one_by_one_are_all_found(stub: SendgridStub) -> None:
    def decide(body: dict[str, Any]) -> Answer | None:
        last = len(body["personalizations"]) - 1
        error = sendgrid_error("Does not contain a valid address.", f"personalizations.{last}.to")
        return Answer(status=400, body=error) if last >= 5 else None

    stub.decide = decide
    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(n) for n in range(300)]))

    assert len(outcomes) == 300
    assert len(stub.taken) == 5


def test_what_was_taken_is_known_even_when_the_next_call_stops_all(stub: SendgridStub) -> None:
    def decide(body: dict[str, Any]) -> Answer | None:
        if len(body["personalizations"]) > 2:
            return Answer(status=413, body=sendgrid_error("content too large"))
        return Answer(status=401, body=sendgrid_error("no")) if stub.taken else None

    stub.decide = decide
    heard: list[str] = []
    sending = provider_of(stub).send(a_letter(), [a_recipient(n) for n in range(4)])
    with pytest.raises(ProviderError):
        heard.extend(one.recipient for one in sending)

    assert heard == ["r0", "r1"]
    assert [one["custom_args"]["recipient"] for one in stub.taken] == heard


def test_a_letter_that_is_refused_for_all_fails_nobody(stub: SendgridStub) -> None:
    error = sendgrid_error("The subject is required.", "subject")
    stub.decide = lambda body: Answer(status=400, body=error)

    with pytest.raises(ProviderError, match="subject: The subject is required") as raised:
        list(provider_of(stub).send(a_letter(), [a_recipient(1), a_recipient(2)]))

    assert not raised.value.retryable


def test_one_person_alone_is_failed_with_sendgrids_own_words(stub: SendgridStub) -> None:
    stub.decide = lambda body: Answer(status=400, body=sendgrid_error("Bad Request"))

    (outcome,) = provider_of(stub).send(a_letter(), [a_recipient(1)])

    assert (outcome.state, outcome.code, outcome.detail) == (State.FAILED, "400", "Bad Request")


def test_a_call_that_is_too_large_is_halved_until_it_fits(stub: SendgridStub) -> None:
    def decide(body: dict[str, Any]) -> Answer | None:
        large = len(body["personalizations"]) > 3
        return Answer(status=413, body=sendgrid_error("content too large")) if large else None

    stub.decide = decide
    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(n) for n in range(10)]))

    assert {one.state for one in outcomes} == {State.ACCEPTED}
    assert sorted(one["custom_args"]["recipient"] for one in stub.taken) == sorted(
        f"r{n}" for n in range(10)
    )


def test_a_single_message_that_is_too_large_is_failed(stub: SendgridStub) -> None:
    stub.decide = lambda body: Answer(status=413, body=sendgrid_error("content too large"))

    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(1), a_recipient(2)]))

    assert [(one.state, one.code) for one in outcomes] == [(State.FAILED, "413")] * 2


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "17"}, 17),
        ({"X-RateLimit-Reset": "32503680000"}, 3600),  # the year 3000: an hour at most
        ({"X-RateLimit-Reset": "0"}, 0),
        ({"Retry-After": "Fri, 07 Mar 2025 08:30:00 GMT"}, None),
        ({}, None),
    ],
)
def test_a_throttled_call_is_deferred_with_the_wait_that_was_asked_for(
    stub: SendgridStub, headers: dict[str, str], wait: float | None
) -> None:
    stub.decide = lambda body: Answer(status=429, body=sendgrid_error("slow"), headers=headers)

    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(n) for n in range(1500)]))

    assert len(stub.calls) == 1, "the next call would hear the same"
    assert len(outcomes) == 1500
    assert {one.state for one in outcomes} == {State.DEFERRED}
    assert {one.retry_after for one in outcomes} == {wait}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_fault_of_theirs_is_deferred(stub: SendgridStub, status: int) -> None:
    stub.decide = lambda body: Answer(status=status, body="<html>oops</html>")

    outcomes = list(provider_of(stub).send(a_letter(), [a_recipient(1), a_recipient(2)]))

    assert [(one.state, one.code) for one in outcomes] == [(State.DEFERRED, str(status))] * 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_says_what_to_do_and_is_not_printed(stub: SendgridStub, status: int) -> None:
    stub.decide = lambda body: Answer(status=status, body=sendgrid_error("access forbidden"))

    with pytest.raises(ProviderError, match="INFOLETTRE_SENDGRID_API_KEY") as raised:
        list(provider_of(stub).send(a_letter(), [a_recipient(1)]))

    assert not raised.value.retryable
    assert stub.key not in str(raised.value)


def test_the_key_is_never_logged(stub: SendgridStub, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        list(provider_of(stub).send(a_letter(), [a_recipient(1)]))

    assert stub.key not in caplog.text
    assert "zoe1@example.org" not in caplog.text


def test_nobodys_address_is_logged_even_where_the_client_is_asked_to_log_all(
    stub: SendgridStub, caplog: pytest.LogCaptureFixture
) -> None:
    provider = provider_of(stub)

    with caplog.at_level(logging.DEBUG, logger="python_http_client"):
        list(provider.send(a_letter(), [a_recipient(1)]))

    assert "PAYLOAD" in caplog.text
    assert "zoe1@example.org" not in caplog.text


@pytest.mark.parametrize("key", ["SG.a\r\nX-Evil: 1", "SG.é"])
def test_a_key_that_is_none_is_refused_unprinted(key: str) -> None:
    with pytest.raises(InputError) as raised:
        open_provider(
            settings=Settings(), root=Path(), environ={"INFOLETTRE_SENDGRID_API_KEY": key}
        )

    assert "SG." not in str(raised.value)


# --- the stub itself judges as the specification says -----------------------------------------


def test_the_stub_finds_what_the_limits_forbid() -> None:
    person = {"to": [{"email": "a@example.org"}]}
    good: dict[str, Any] = {
        "personalizations": [person],
        "from": {"email": "b@example.org"},
        "subject": "x",
        "content": [{"type": "text/plain", "value": "x"}, {"type": "text/html", "value": "x"}],
    }
    bad: list[dict[str, Any]] = [
        {"personalizations": []},
        {"personalizations": [{"to": [{"email": f"{n}@a.org"}]} for n in range(1001)]},
        {"personalizations": [person, person]},
        {"personalizations": [person | {"substitutions": {"-a-": 1}}]},
        {"personalizations": [person | {"substitutions": {"-a-": "x" * 10_000}}]},
        {"personalizations": [person | {"headers": {"Subject": "x"}}]},
        {"headers": {"DKIM-Signature": "x"}},
        {"headers": {"List-Id": "é"}},
    ]

    assert check_sendgrid_request("/v3/mail/send", good, size=10) == []
    for change in bad:
        assert check_sendgrid_request("/v3/mail/send", good | change, size=10), change
    assert check_sendgrid_request("/v3/mail/send", good, size=30_000_001)
    if SPEC.is_file():
        assert check_sendgrid_request("/v3/mail/send", good | {"subject": ""}, size=10)
