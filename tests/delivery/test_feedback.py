"""What came back, written down: whose it is, what it settles, whom it suppresses, in any order."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text

from pipeline.audience.register import forget
from pipeline.delivery.events import Event, Kind
from pipeline.delivery.feedback import (
    CHUNK,
    Recorded,
    complaint_share,
    record_events,
    settle_deliveries,
)
from pipeline.store.campaigns import delivery
from pipeline.store.engine import open_engine, reading, writing
from tests.delivery.sent import (
    START,
    add_campaign,
    add_people,
    consents,
    deliveries,
    kept,
    log_consents,
    message_id,
    numbers_of,
    people,
)

NOW: Final = START + timedelta(days=30)
SECRET: Final = b"a secret for the tests alone"


def an_event(
    kind: Kind,
    who: str | None = "zoe",
    campaign: str = "46",
    *,
    hours: float = 1,
    id: str = "",
    **facts: Any,
) -> Event:
    at = START + timedelta(hours=hours)
    given = id or f"{kind}/{who}/{campaign}/{hours}"
    return Event(kind=kind, at=at, id=given, recipient=who, campaign=campaign, **facts)


def record(
    engine: Engine, *events: Event, soft_limit: int = 3, now: datetime = NOW, source: str = "test"
) -> Recorded:
    return record_events(engine, events, now=now, soft_limit=soft_limit, source=source)


def status(engine: Engine, who: str = "zoe", name: str = "46") -> str:
    return str(deliveries(engine)[name, who]["state"])


@pytest.fixture
def sent(engine: Engine) -> Engine:
    """Return a database in which one letter went to Zoé and Léa."""
    add_people(engine, "zoe", "lea")
    add_campaign(engine, "46", {"zoe": "accepted", "lea": "accepted"})
    return engine


# --- what follows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settled", "state"),
    [
        (Kind.DELIVERED, "delivered", "active"),
        (Kind.HARD_BOUNCE, "bounced", "bounced"),
        (Kind.SOFT_BOUNCE, "bounced", "active"),
        (Kind.DEFERRED, "accepted", "active"),
        (Kind.DROPPED, "bounced", "active"),
        (Kind.COMPLAINT, "complained", "complained"),
        (Kind.UNSUBSCRIBE, "delivered", "unsubscribed"),
    ],
)
def test_an_event_settles_its_delivery_and_its_person(
    sent: Engine, kind: Kind, settled: str, state: str
) -> None:
    done = record(sent, an_event(kind))

    assert status(sent) == settled
    assert people(sent)["zoe"][0] == state
    assert (status(sent, "lea"), people(sent)["lea"]) == ("accepted", ("active", 0))
    assert done == Recorded(new=1, suppressed=0 if state == "active" else 1)


def test_who_is_suppressed_has_a_line_in_the_log(sent: Engine) -> None:
    record(sent, an_event(Kind.COMPLAINT), source="webhook sendgrid")

    assert consents(sent, "zoe") == [("confirmed", "form"), ("complained", "webhook sendgrid")]


def test_the_same_event_again_changes_nothing_at_all(sent: Engine) -> None:
    bounce = an_event(Kind.HARD_BOUNCE)
    record(sent, bounce, bounce)
    before = (deliveries(sent), people(sent), kept(sent), consents(sent, "zoe"))

    assert record(sent, bounce, bounce, now=NOW + timedelta(days=1)) == Recorded(repeated=2)

    assert (deliveries(sent), people(sent), kept(sent), consents(sent, "zoe")) == before


def test_the_graver_word_of_a_delivery_stays_with_what_was_said(sent: Engine) -> None:
    bounce = an_event(Kind.HARD_BOUNCE, hours=3, code="5.1.1", detail="550 no such user")
    taken = an_event(Kind.DELIVERED, hours=2, code="2.0.0", detail="250 ok")

    record(sent, bounce)
    record(sent, taken)

    assert deliveries(sent)["46", "zoe"] == {
        "state": "bounced",
        "at": bounce.at,
        "code": "5.1.1",
        "detail": "550 no such user",
    }


@pytest.mark.parametrize(
    ("kind", "settled", "said"),
    [(Kind.DELIVERED, "delivered", "why"), (Kind.DEFERRED, "accepted", None)],
)
def test_an_uncertain_delivery_is_settled_by_what_is_heard_of_it(
    engine: Engine, kind: Kind, settled: str, said: str | None
) -> None:
    add_people(engine, "zoe")
    add_campaign(engine, "46", {"zoe": "uncertain"})

    record(engine, an_event(kind, detail="why"))

    assert (status(engine), deliveries(engine)["46", "zoe"]["detail"]) == (settled, said)


@pytest.mark.parametrize("before", ["queued", "deferred", "failed", "skipped"])
def test_what_has_not_left_as_far_as_we_know_stays_and_the_event_is_kept(
    engine: Engine, before: str
) -> None:
    add_people(engine, "zoe")
    add_campaign(engine, "46", {"zoe": before})

    assert record(engine, an_event(Kind.DELIVERED)).new == 1

    assert deliveries(engine)["46", "zoe"]["state"] == before
    assert deliveries(engine)["46", "zoe"]["detail"] == "taken"


def test_an_event_that_was_faster_than_the_outcome_is_caught_up_with(engine: Engine) -> None:
    add_people(engine, "zoe")
    number = add_campaign(engine, "46", {"zoe": "queued"})
    record(engine, an_event(Kind.DELIVERED))
    who = numbers_of(engine)["zoe"]
    with writing(engine) as connection:
        connection.execute(delivery.update().values(state="accepted"))

        assert settle_deliveries(connection, number, [who]) == 1
        assert settle_deliveries(connection, number, [who]) == 0

    assert status(engine) == "delivered"


def test_soft_bounces_suppress_at_the_limit_and_are_counted(engine: Engine) -> None:
    add_people(engine, "zoe")
    for week in range(3):
        add_campaign(engine, f"{week}", {"zoe": "accepted"})
    bounces = [an_event(Kind.SOFT_BOUNCE, campaign=f"{week}", hours=week) for week in range(3)]

    record(engine, *bounces[:2])
    assert people(engine)["zoe"] == ("active", 2)
    assert record(engine, bounces[2]).suppressed == 1
    assert people(engine)["zoe"] == ("bounced", 3)


def test_a_letter_that_arrives_begins_the_count_anew(engine: Engine) -> None:
    add_people(engine, "zoe")
    for name in ("46", "47"):
        add_campaign(engine, name, {"zoe": "accepted"})

    record(engine, an_event(Kind.SOFT_BOUNCE))
    record(engine, an_event(Kind.DELIVERED, campaign="47", hours=99))

    assert people(engine)["zoe"] == ("active", 0)


def test_who_was_suppressed_by_soft_bounces_is_not_revived_by_a_late_delivery(
    engine: Engine,
) -> None:
    add_people(engine, "zoe")
    for name in ("46", "47"):
        add_campaign(engine, name, {"zoe": "accepted"})
    record(engine, an_event(Kind.SOFT_BOUNCE), soft_limit=1)

    record(engine, an_event(Kind.DELIVERED, campaign="47", hours=99), soft_limit=1)

    assert people(engine)["zoe"] == ("bounced", 0)


def test_what_was_heard_before_the_last_consent_does_not_count(sent: Engine) -> None:
    log_consents(sent, ["zoe"], at=START + timedelta(hours=2))

    record(sent, an_event(Kind.HARD_BOUNCE, hours=1))
    assert people(sent)["zoe"][0] == "active"
    assert status(sent) == "bounced"

    record(sent, an_event(Kind.HARD_BOUNCE, hours=3))
    assert people(sent)["zoe"][0] == "bounced"


def test_a_bounce_within_the_second_of_a_consent_counts(engine: Engine) -> None:
    add_people(engine, "zoe")
    log_consents(engine, ["zoe"], at=START + timedelta(milliseconds=700), kind="asked")

    record(engine, an_event(Kind.HARD_BOUNCE, campaign="", hours=0))

    assert people(engine)["zoe"][0] == "bounced"


def test_who_left_before_is_not_counted_as_suppressed_and_a_complaint_is_still_told(
    engine: Engine,
) -> None:
    add_people(engine, "zoe", state="unsubscribed")
    add_campaign(engine, "46", {"zoe": "accepted"})

    assert record(engine, an_event(Kind.HARD_BOUNCE)).suppressed == 0
    assert people(engine)["zoe"][0] == "unsubscribed"
    assert record(engine, an_event(Kind.COMPLAINT)).suppressed == 0
    assert people(engine)["zoe"][0] == "complained"


def test_no_address_is_kept_in_what_a_server_says(sent: Engine) -> None:
    said = "550 5.1.1 <zoe@ailleurs.example>: Recipient zoé@ailleurs.example rejected"

    record(sent, an_event(Kind.HARD_BOUNCE, detail=said))

    expected = "550 5.1.1 <…>: Recipient … rejected"
    assert deliveries(sent)["46", "zoe"]["detail"] == expected
    assert [one["detail"] for one in kept(sent).values()] == [expected]


# --- whose, and of which letter ---------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"who": "nobody"},
        {"who": None},
        {"who": None, "address": "zoe@ailleurs.example"},
        {"who": None, "address": "zoe@ailleurs.example", "message_id": "<1@cercle.example>"},
        {"who": None, "address": "zoe@ailleurs.example", "message_id": message_id("46", "lea")},
        {"who": None, "address": "no address", "message_id": message_id("46", "zoe")},
        {"who": None, "message_id": message_id("46", "zoe")},
        # a letter that exists, but was not to her
        {"who": None, "address": "zoe@ailleurs.example", "message_id": message_id("47", "zoe")},
    ],
)
def test_what_only_claims_to_be_somebodys_is_nobodys(sent: Engine, facts: dict[str, Any]) -> None:
    add_campaign(sent, "47", {"lea": "accepted"})
    before = (deliveries(sent), people(sent))

    assert record(sent, an_event(Kind.COMPLAINT, **facts)) == Recorded(unknown=1)

    assert (deliveries(sent), people(sent), kept(sent)) == (*before, {})


@pytest.mark.parametrize("spelt", ["{}", " {}\n", "bare"])
def test_an_address_with_the_message_id_of_its_letter_is_believed(sent: Engine, spelt: str) -> None:
    given = message_id("46", "zoe")
    given = given.strip("<>") if spelt == "bare" else spelt.format(given)
    add_campaign(sent, "47", {"zoe": "accepted"}, started_at=START + timedelta(minutes=5))

    done = record(
        sent,
        an_event(Kind.HARD_BOUNCE, None, "", address="Zoe@AILLEURS.example", message_id=given),
    )

    assert done == Recorded(new=1, suppressed=1)
    assert (status(sent), status(sent, name="47")) == ("bounced", "accepted")


def test_a_forgotten_person_is_unknown(sent: Engine) -> None:
    bounce = an_event(Kind.DELIVERED)
    claim = an_event(
        Kind.DELIVERED, None, address="zoe@ailleurs.example", message_id=message_id("46", "zoe")
    )
    record(sent, an_event(Kind.DEFERRED))
    forget(sent, "zoe@ailleurs.example", secret=SECRET, now=NOW, source="test")

    assert record(sent, bounce, claim) == Recorded(unknown=2)
    assert len(kept(sent)) == 1


def test_a_letter_that_is_not_named_is_known_by_its_message_id(sent: Engine) -> None:
    later = START + timedelta(minutes=30)
    add_campaign(sent, "47", {"zoe": "accepted"}, started_at=later)

    record(sent, an_event(Kind.DELIVERED, campaign="", message_id=message_id("46", "zoe")))

    assert (status(sent), status(sent, name="47")) == ("delivered", "accepted")


def test_else_it_is_the_newest_that_was_handed_over_before(sent: Engine) -> None:
    add_campaign(sent, "47", {"zoe": "accepted"}, started_at=START + timedelta(hours=5))
    add_campaign(sent, "48", {"zoe": "queued"}, started_at=START + timedelta(hours=5))
    add_campaign(sent, "49", {"zoe": "accepted"}, started_at=START + timedelta(hours=20))

    record(sent, an_event(Kind.DELIVERED, campaign="", hours=8))

    got = {name: status(sent, name=name) for name in ("46", "47", "48", "49")}
    assert got == {"46": "accepted", "47": "delivered", "48": "queued", "49": "accepted"}


@pytest.mark.parametrize(("campaign", "hours"), [("unheard of", 1), ("", 24 * 91), ("", -5)])
def test_where_no_letter_can_be_meant_the_person_still_is(
    sent: Engine, campaign: str, hours: float
) -> None:
    record(sent, an_event(Kind.COMPLAINT, campaign=campaign, hours=hours))

    assert (status(sent), people(sent)["zoe"][0]) == ("accepted", "complained")
    assert [one["campaign_id"] for one in kept(sent).values()] == [None]


def test_a_named_letter_that_was_not_theirs_is_none(sent: Engine) -> None:
    add_campaign(sent, "47", {"lea": "accepted"})

    record(sent, an_event(Kind.DELIVERED, campaign="47"))

    assert (status(sent), status(sent, "lea", "47")) == ("accepted", "accepted")
    assert [one["campaign_id"] for one in kept(sent).values()] == [None]


def test_an_id_too_long_to_keep_is_one_event_all_the_same(sent: Engine) -> None:
    long = an_event(Kind.DELIVERED, id="x" * 200)
    other = an_event(Kind.DELIVERED, id="x" * 199)

    assert record(sent, long, other, long) == Recorded(new=2, repeated=1)


# --- any order, any number of times, any number of writers ------------------------------------

_KINDS = st.sampled_from(Kind)
_EVENTS = st.lists(
    st.tuples(
        _KINDS,
        st.sampled_from(["zoe", "lea", "ida", "nobody"]),
        st.sampled_from(["46", "47", "48", "", "unheard of"]),
        st.integers(0, 100),
    ),
    max_size=12,
    unique=True,
).map(lambda drawn: [an_event(*one[:3], hours=one[3], detail=f"{one[3]}") for one in drawn])


@contextmanager
def a_copy(sqlite_file: Path) -> Iterator[Engine]:
    """Open a new database with three people and three letters in all kinds of states."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sqlite_file, Path(folder) / "a.db")
        engine = open_engine("sqlite:///a.db", Path(folder))
        fill(engine)
        yield engine
        engine.dispose()


def fill(engine: Engine) -> None:
    add_people(engine, "zoe", "lea", "ida")
    log_consents(engine, ["ida"], at=START + timedelta(hours=50))
    add_campaign(engine, "46", {"zoe": "accepted", "lea": "uncertain", "ida": "accepted"})
    later = START + timedelta(hours=24)
    states = {"zoe": "accepted", "lea": "accepted", "ida": "queued"}
    add_campaign(engine, "47", states, started_at=later)
    later = START + timedelta(hours=48)
    add_campaign(engine, "48", {"zoe": "failed", "lea": "accepted"}, started_at=later)


def is_by_order(events: list[Event], who: str, states: set[str]) -> bool:
    """Say whether two ends may differ: soft bounces, and a delivery that breaks their row."""
    kinds = {event.kind for event in events if event.recipient == who}
    return states == {"active", "bounced"} and {Kind.SOFT_BOUNCE, Kind.DELIVERED} <= kinds


@given(events=_EVENTS, data=st.data(), soft_limit=st.sampled_from([1, 2, 99]))
def test_order_and_repetition_change_nothing(
    sqlite_file: Path, events: list[Event], data: st.DataObject, soft_limit: int
) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    shuffled = data.draw(st.permutations(events + again))
    cut = data.draw(st.integers(0, len(shuffled)))
    with a_copy(sqlite_file) as one, a_copy(sqlite_file) as other:
        record(one, *events, soft_limit=soft_limit)
        first = record(other, *shuffled[:cut], soft_limit=soft_limit)
        total = first + record(other, *shuffled[cut:], soft_limit=soft_limit)

        assert deliveries(one) == deliveries(other)
        assert kept(one) == kept(other)
        assert total.new == len(kept(one))
        assert total.new + total.repeated + total.unknown == len(shuffled)
        here, there = people(one), people(other)
        for who, (state, count) in here.items():
            assert count == there[who][1]
            states = {state, there[who][0]}
            assert len(states) == 1 or (soft_limit < 99 and is_by_order(events, who, states))


MANY: Final = [
    an_event(kind, who, name, hours=hours)
    for hours, (kind, who, name) in enumerate(
        (kind, who, name)
        for name in ("46", "47", "48", "")
        for who in ("zoe", "lea", "ida")
        for kind in (Kind.DEFERRED, Kind.SOFT_BOUNCE, Kind.HARD_BOUNCE, Kind.DELIVERED)
    )
]


def test_writers_who_hear_the_same_in_another_order_do_not_disturb_each_other(
    engine: Engine,
) -> None:
    fill(engine)
    failures: list[BaseException] = []
    done: list[Recorded] = []
    ready = threading.Barrier(3)

    def write(events: list[Event]) -> None:
        try:
            ready.wait(20)
            for start in range(0, len(events), 7):
                done.append(record(engine, *events[start : start + 7]))
        except BaseException as error:
            failures.append(error)

    orders = (MANY, MANY[::-1], MANY[::2] + MANY[1::2])
    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert sum(one.new for one in done) == len(MANY)
    assert sum(one.repeated for one in done) == 2 * len(MANY)
    assert len(kept(engine)) == len(MANY)
    assert {one["state"] for one in deliveries(engine).values()} == {"bounced", "queued", "failed"}
    assert [people(engine)[who][0] for who in ("zoe", "lea")] == ["bounced", "bounced"]
    assert people(engine)["ida"][0] == "active"  # agreed again after all of it
    assert [kind for kind, _ in consents(engine, "zoe")].count("bounced") == 1


def test_two_writers_who_each_hear_half_of_the_soft_bounces_count_them_all(engine: Engine) -> None:
    names = [f"{number}" for number in range(8)]
    add_people(engine, "zoe")
    for name in names:
        add_campaign(engine, name, {"zoe": "accepted"})
    bounces = [
        an_event(Kind.SOFT_BOUNCE, campaign=name, hours=hours) for hours, name in enumerate(names)
    ]
    ready = threading.Barrier(2)

    def write(events: list[Event]) -> None:
        ready.wait(20)
        for one in events:
            record(engine, one, soft_limit=len(names))

    threads = [threading.Thread(target=write, args=(bounces[at::2],)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert people(engine)["zoe"] == ("bounced", len(names))


# --- many -------------------------------------------------------------------------------------


def crowd(engine: Engine, count: int) -> list[str]:
    names = [f"p{number}" for number in range(count)]
    add_people(engine, *names)
    add_campaign(engine, "46", dict.fromkeys(names, "accepted"))
    return names


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_a_thousand_events_take_well_under_a_second(engine: Engine, share: float) -> None:
    names = crowd(engine, 1000)
    kinds = [Kind.HARD_BOUNCE if at < 1000 * share else Kind.DELIVERED for at in range(1000)]
    events = [an_event(kind, who) for kind, who in zip(kinds, names, strict=True)]

    before = time.perf_counter()
    done = record(engine, *events)
    took = time.perf_counter() - before

    assert done == Recorded(new=1000, suppressed=int(1000 * share))
    assert took < 1.5  # on a busy machine; alone it is a third of a second at most


def test_the_number_of_questions_does_not_grow_with_the_events(engine: Engine) -> None:
    names = crowd(engine, 60)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    record(engine, *(an_event(Kind.DELIVERED, who) for who in names[:2]))
    few = len(asked)
    asked.clear()
    record(engine, *(an_event(Kind.SOFT_BOUNCE, who) for who in names[2:]))

    assert len(asked) <= few + 4


def test_more_than_a_chunk_is_several_transactions(engine: Engine) -> None:
    crowd(engine, 2)
    begun: list[object] = []
    event.listen(engine, "commit", begun.append)
    events = (an_event(Kind.DELIVERED, "p1", id=f"{at}") for at in range(CHUNK + 1))

    assert record_events(engine, events, now=NOW, soft_limit=3).new == CHUNK + 1
    assert len(begun) == 2


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    crowd(engine, 2)
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE consent RENAME TO elsewhere"))
    try:
        with pytest.raises(Exception, match="consent"):
            record(engine, an_event(Kind.HARD_BOUNCE, "p1"))
        assert kept(engine) == {}
        assert status(engine, "p1") == "accepted"
    finally:
        with writing(engine) as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO consent"))

    assert record(engine, an_event(Kind.HARD_BOUNCE, "p1")).new == 1


# --- complaints -------------------------------------------------------------------------------


def test_complaints_are_a_share_of_what_really_left_since_then(engine: Engine) -> None:
    add_people(engine, "zoe", "lea", "ida", "ada")
    states = {"zoe": "complained", "lea": "delivered", "ida": "queued", "ada": "failed"}
    add_campaign(engine, "45", states, started_at=START - timedelta(days=60))
    add_campaign(engine, "46", states)
    add_campaign(engine, "47", {"zoe": "accepted", "lea": "bounced", "ida": "uncertain"})
    add_campaign(engine, "rehearsal", states, provider="outbox")
    add_campaign(engine, "waiting", {"zoe": "queued"}, started_at=None)

    with reading(engine) as connection:
        assert complaint_share(connection, since=START) == (1, 4)
        assert complaint_share(connection, since=START - timedelta(days=60)) == (2, 6)
        assert complaint_share(connection, since=NOW) == (0, 0)
