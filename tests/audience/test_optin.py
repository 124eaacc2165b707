"""Double opt-in on both databases: ask, confirm, leave; bombs, old links, requests that lapse."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from pipeline.audience import optin, register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.optin import Answer, Mail, Request, Verdict, decide, judge
from pipeline.audience.queries import count_people
from pipeline.audience.secret import Keys
from pipeline.audience.states import Event, State
from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from pipeline.store.people import consent, subscriber
from tests.audience.lists import NOW, SECRET, everybody, import_text, log, person

KEYS = Keys(current=SECRET)
ZOE = "zoe@lettre.example"
LATER = NOW + timedelta(hours=2)
MUCH_LATER = NOW + timedelta(days=2)


def ask(engine: Engine, address: str = ZOE, *, now: datetime = NOW, name: str = "") -> Answer:
    request = Request(
        address=address, first_name=name, language="fr", wording="J’accepte.",
        wording_version="3", source="form",
    )  # fmt: skip
    return optin.ask(engine, request, now=now)


def confirm(engine: Engine, answer: Answer, *, now: datetime = LATER) -> Verdict:
    return optin.confirm(engine, answer.public_id, answer.name, now=now, secrets=KEYS)


def happen(engine: Engine, *events: Event, now: datetime = LATER) -> None:
    for event in events:
        with writing(engine) as connection:
            register.move(connection, person(engine, ZOE), event, now=now, source="test")


def kinds(engine: Engine) -> list[str]:
    return [entry.kind.value for entry in log(engine, ZOE)]


# --- the way in -----------------------------------------------------------------------------------


def test_a_new_person_asks_confirms_and_the_log_proves_both(engine: Engine) -> None:
    answer = ask(engine, "Zoe@Lettre.example", name="Zoé")
    assert (answer.mail, answer.address) == (Mail.CONFIRM, "Zoe@lettre.example")
    assert person(engine, ZOE).state is State.PENDING

    assert confirm(engine, answer) is Verdict.CONFIRM
    zoe = person(engine, ZOE)
    assert (zoe.state, zoe.state_at, zoe.first_name, zoe.language) == (
        State.ACTIVE, LATER, "Zoé", "fr",
    )  # fmt: skip
    asked, confirmed = log(engine, ZOE)
    assert (asked.kind, asked.at, asked.proof) == (Kind.ASKED, NOW, {"request": answer.name})
    assert (confirmed.kind, confirmed.at) == (Kind.CONFIRMED, LATER)
    assert confirmed.proof == {"request": answer.name, "asked_at": NOW.isoformat()}
    for entry in (asked, confirmed):
        assert (entry.wording, entry.wording_version, entry.source) == ("J’accepte.", "3", "form")


def test_to_confirm_again_answers_the_same_and_writes_nothing(engine: Engine) -> None:
    answer = ask(engine)
    confirm(engine, answer)
    before = (person(engine, ZOE), log(engine, ZOE))

    assert confirm(engine, answer, now=MUCH_LATER) is Verdict.DONE
    assert (person(engine, ZOE), log(engine, ZOE)) == before


def test_two_who_confirm_at_once_are_logged_once(engine: Engine) -> None:
    answer = ask(engine)
    with ThreadPoolExecutor(4) as pool:
        verdicts = sorted(pool.map(lambda _: confirm(engine, answer), range(4)))
    assert verdicts == [Verdict.CONFIRM] + [Verdict.DONE] * 3
    assert kinds(engine) == ["asked", "confirmed"]


def test_two_who_ask_at_once_are_one_person_with_one_mail(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        mails = [answer.mail for answer in pool.map(lambda _: ask(engine), range(4))]
    assert sorted(mails, key=str) == [None, None, None, Mail.CONFIRM]
    assert len(everybody(engine)) == 1


@pytest.mark.parametrize("event", [Event.LEAVE, Event.BOUNCE])
def test_who_left_comes_back_by_their_own_request_alone(engine: Engine, event: Event) -> None:
    confirm(engine, ask(engine))
    happen(engine, event)

    answer = ask(engine, now=MUCH_LATER, name="Quelqu’un")
    zoe = person(engine, ZOE)
    assert (answer.mail, zoe.state, zoe.first_name) == (Mail.CONFIRM, State.PENDING, "")
    assert confirm(engine, answer, now=MUCH_LATER) is Verdict.CONFIRM
    assert person(engine, ZOE).state is State.ACTIVE


@pytest.mark.parametrize("event", [Event.LEAVE, Event.BOUNCE, Event.COMPLAIN])
def test_a_link_revives_nobody_who_left_after_it(engine: Engine, event: Event) -> None:
    old = ask(engine)
    confirm(engine, old)
    happen(engine, event)

    assert confirm(engine, old, now=MUCH_LATER) is Verdict.LOST
    newer = ask(engine, now=MUCH_LATER)
    assert confirm(engine, old, now=MUCH_LATER) is Verdict.LOST  # somebody asked: not by this link
    assert person(engine, ZOE).state is not State.ACTIVE
    if newer.mail:
        assert confirm(engine, newer, now=MUCH_LATER) is Verdict.CONFIRM


def test_who_complained_is_not_written_to_whoever_asks(engine: Engine) -> None:
    confirm(engine, ask(engine))
    happen(engine, Event.COMPLAIN)
    before = log(engine, ZOE)

    assert ask(engine, now=MUCH_LATER).mail is None
    assert (person(engine, ZOE).state, log(engine, ZOE)) == (State.COMPLAINED, before)


def test_who_is_subscribed_is_told_so_by_mail_and_nothing_changes(engine: Engine) -> None:
    confirm(engine, ask(engine))
    before = person(engine, ZOE)

    answer = ask(engine, now=MUCH_LATER, name="Autre")
    assert (answer.mail, answer.public_id) == (Mail.ALREADY, before.public_id)
    assert person(engine, ZOE) == before
    assert kinds(engine) == ["asked", "confirmed", "asked"]


def test_who_was_forgotten_is_new_and_is_let_back_when_they_confirm(
    engine: Engine, tmp_path: Path
) -> None:
    register.forget(engine, ZOE, secret=b"the key of last year", now=NOW, source="test")
    keys = Keys(current=SECRET, previous=(b"the key of last year",))

    answer = ask(engine)
    assert count_people(engine).suppressed == 1
    optin.confirm(engine, answer.public_id, answer.name, now=LATER, secrets=keys)
    assert (person(engine, ZOE).state, count_people(engine).suppressed) == (State.ACTIVE, 0)
    report, _ = import_text(engine, tmp_path, f"email\n{ZOE}\n")
    assert report.same == 1


@pytest.mark.parametrize(
    ("address", "name"), [("zoe", ""), ("", ""), (ZOE, "x" * 201), (ZOE, "a\x1bb")]
)
def test_what_cannot_be_kept_is_told_and_nothing_is_written(
    engine: Engine, address: str, name: str
) -> None:
    with pytest.raises(InputError):
        ask(engine, address, name=name)
    assert everybody(engine) == []


def test_a_link_of_nobody_leads_nowhere(engine: Engine) -> None:
    answer = ask(engine)
    for public_id, name in (
        ("x" * 22, answer.name),
        (answer.public_id, "x"),
        (answer.public_id, ""),
    ):
        found = optin.confirm(engine, public_id, name, now=LATER, secrets=KEYS)
        assert found is Verdict.LOST
    assert person(engine, ZOE).state is State.PENDING


def test_a_person_on_a_list_whose_state_was_pending_is_confirmed_by_no_old_link(
    engine: Engine, tmp_path: Path
) -> None:
    import_text(engine, tmp_path, f"email\n{ZOE}\n", assume=State.PENDING)
    zoe = person(engine, ZOE)
    assert optin.confirm(engine, zoe.public_id, "", now=LATER, secrets=KEYS) is Verdict.LOST


# --- bombs ----------------------------------------------------------------------------------------


def test_one_address_gets_a_mail_a_quarter_of_an_hour_and_three_a_day(engine: Engine) -> None:
    minutes = [0, 1, 14, 15, 16, 30, 31, 45, 600, 1439, 1440]
    mails = [ask(engine, now=NOW + timedelta(minutes=one)).mail for one in minutes]

    sent = [minute for minute, mail in zip(minutes, mails, strict=True) if mail]
    assert sent == [0, 15, 30, 1440]
    assert kinds(engine) == ["asked"] * 4


STATES = [None, *State]
TIMES = st.lists(st.integers(0, 3 * 24 * 60)).map(sorted)


@given(st.sampled_from(STATES), TIMES)
def test_no_order_of_requests_makes_more_mail_than_that(
    state: State | None, minutes: list[int]
) -> None:
    sent: list[datetime] = []
    for minute in minutes:
        now = NOW + timedelta(minutes=minute)
        if mail := decide(state, sent, now=now):
            assert mail is (Mail.ALREADY if state is State.ACTIVE else Mail.CONFIRM)
            sent.append(now)
    for at in sent:
        day = [one for one in sent if at <= one < at + timedelta(days=1)]
        assert len(day) <= 3
        assert len([one for one in day if one < at + timedelta(minutes=15)]) == 1
    if state is State.COMPLAINED:
        assert sent == []


@given(st.sampled_from(list(State)), st.lists(st.sampled_from(list(Kind))))
def test_no_link_confirms_who_left_after_it(state: State, after: list[Kind]) -> None:
    entries = [Consent(kind=Kind.ASKED, at=NOW, source="form", proof={"request": "mine"})]
    entries += [Consent(kind=kind, at=NOW, source="x") for kind in after]

    verdict = judge(state, entries, "mine")
    if {Kind.UNSUBSCRIBED, Kind.BOUNCED, Kind.COMPLAINED} & set(after):
        assert verdict is Verdict.LOST
    assert (verdict is Verdict.LOST) or state in (State.PENDING, State.ACTIVE)


# --- mail that could not leave, requests that nobody confirmed ------------------------------------


def test_a_request_whose_mail_could_not_leave_is_undone_and_may_be_made_again(
    engine: Engine,
) -> None:
    optin.take_back(engine, ask(engine), now=NOW)
    assert everybody(engine) == []

    again = ask(engine, now=NOW + timedelta(seconds=5))
    assert again.mail is Mail.CONFIRM
    assert confirm(engine, again) is Verdict.CONFIRM


def test_the_link_of_a_mail_that_did_leave_outlives_a_later_one_that_did_not(
    engine: Engine,
) -> None:
    first = ask(engine)
    optin.take_back(engine, ask(engine, now=LATER), now=LATER)

    assert (person(engine, ZOE).state, kinds(engine)) == (
        State.PENDING, ["asked", "asked", "lapsed"],
    )  # fmt: skip
    assert confirm(engine, first) is Verdict.CONFIRM


@pytest.mark.parametrize("event", [Event.LEAVE, Event.BOUNCE])
def test_who_had_left_stands_there_again_when_the_mail_could_not_leave(
    engine: Engine, event: Event
) -> None:
    confirm(engine, ask(engine))
    happen(engine, event)
    left = person(engine, ZOE).state

    optin.take_back(engine, ask(engine, now=MUCH_LATER), now=MUCH_LATER)
    assert person(engine, ZOE).state is left
    assert ask(engine, now=MUCH_LATER).mail is Mail.CONFIRM


def test_the_mail_to_who_is_subscribed_may_fail_and_they_stay(engine: Engine) -> None:
    confirm(engine, ask(engine))
    optin.take_back(engine, ask(engine, now=MUCH_LATER), now=MUCH_LATER)
    assert person(engine, ZOE).state is State.ACTIVE


def test_requests_that_nobody_confirmed_are_erased_after_their_days(
    engine: Engine, tmp_path: Path
) -> None:
    for number in range(3):
        ask(engine, f"oubli{number}@lettre.example", name=f"Prénom{number}")
    ask(engine, "hier@lettre.example", now=NOW + timedelta(days=6))
    ask(engine, "encore@lettre.example")
    ask(engine, "encore@lettre.example", now=NOW + timedelta(days=6))
    confirm(engine, ask(engine))

    now = NOW + timedelta(days=7, minutes=1)
    assert optin.purge_pending(engine, now=now, days=7) == 3
    assert sorted(one.address for one in everybody(engine)) == [
        "encore@lettre.example", "hier@lettre.example", ZOE,
    ]  # fmt: skip
    assert optin.purge_pending(engine, now=now, days=7) == 0
    stats = count_people(engine)
    assert (stats.states[State.FORGOTTEN], stats.suppressed) == (3, 0)
    with reading(engine) as connection:
        left = repr([tuple(row) for one in (subscriber, consent) for row in
                     connection.execute(select(one))])  # fmt: skip
    assert "oubli" not in left
    assert "Prénom" not in left
    for file in tmp_path.glob("test.db*"):
        assert b"oubli0@" not in file.read_bytes()
    assert ask(engine, "oubli0@lettre.example", now=now).mail is Mail.CONFIRM


def test_who_left_and_never_confirmed_a_new_request_is_kept_out_as_before(
    engine: Engine, tmp_path: Path
) -> None:
    confirm(engine, ask(engine))
    happen(engine, Event.LEAVE)
    ask(engine, now=MUCH_LATER)

    now = MUCH_LATER + timedelta(days=8)
    assert optin.purge_pending(engine, now=now, days=7) == 1
    assert person(engine, ZOE).state is State.UNSUBSCRIBED
    assert kinds(engine)[-3:] == ["unsubscribed", "asked", "lapsed"]
    _, told = import_text(engine, tmp_path, f"email\n{ZOE}\n", now=now)
    assert ["left" in one.message for one in told] == [True]


# --- the way out ----------------------------------------------------------------------------------


def test_leaving_is_logged_once_and_a_link_of_nobody_is_told(engine: Engine) -> None:
    answer = ask(engine)
    confirm(engine, answer)
    for _ in range(2):
        left = optin.leave(engine, answer.public_id, now=MUCH_LATER, source="link")
        assert left is State.UNSUBSCRIBED
    assert kinds(engine) == ["asked", "confirmed", "unsubscribed"]
    assert optin.leave(engine, "x" * 22, now=MUCH_LATER, source="link") is None

    register.forget(engine, ZOE, secret=SECRET, now=MUCH_LATER, source="test")
    assert optin.leave(engine, answer.public_id, now=MUCH_LATER, source="link") is None
