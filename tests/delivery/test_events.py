"""What a person's events amount to, in whatever order and however often they are heard."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.events import (
    Event,
    Kind,
    Level,
    Reason,
    event_id,
    judge_complaints,
    one_line,
    weigh,
)

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def an_event(
    kind: Kind, *, hours: float = 0, campaign: str = "", id: str = "", weeks: float = 0
) -> Event:
    at = START + timedelta(hours=hours, weeks=weeks)
    return Event(kind=kind, at=at, campaign=campaign, id=id or f"{kind}{at}{campaign}")


events = st.lists(
    st.builds(
        an_event,
        st.sampled_from(Kind),
        hours=st.integers(0, 100),
        weeks=st.integers(0, 60),
        campaign=st.sampled_from(["", "46", "47", "48", "49"]),
    ),
    max_size=12,
)


@given(events=events, again=st.data(), soft_limit=st.integers(1, 4))
def test_order_and_repetition_change_nothing(
    events: list[Event], again: st.DataObject, soft_limit: int
) -> None:
    repeated = again.draw(st.lists(st.sampled_from(events))) if events else []
    shuffled = again.draw(st.permutations(events + repeated))

    assert weigh(shuffled, soft_limit=soft_limit) == weigh(events, soft_limit=soft_limit)


@given(events=events, more=events)
def test_what_suppresses_at_once_is_not_undone_by_what_is_heard_later(
    events: list[Event], more: list[Event]
) -> None:
    before, after = weigh(events, soft_limit=99), weigh(events + more, soft_limit=99)

    assert not before.is_suppressed or after.is_suppressed


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.COMPLAINT, Reason.COMPLAINT),
        (Kind.UNSUBSCRIBE, Reason.UNSUBSCRIBE),
        (Kind.HARD_BOUNCE, Reason.HARD_BOUNCE),
    ],
)
def test_a_complaint_a_departure_and_a_hard_bounce_suppress_at_once(
    kind: Kind, reason: Reason
) -> None:
    assert weigh([an_event(kind)], soft_limit=3).reason is reason


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.DEFERRED, Kind.DROPPED])
def test_what_is_not_the_addresss_fault_keeps_it(kind: Kind) -> None:
    many = [an_event(kind, weeks=week, campaign=f"{week}") for week in range(9)]

    assert not weigh(many, soft_limit=1).is_suppressed


def test_soft_bounces_suppress_from_the_limit_on() -> None:
    letters = [an_event(Kind.SOFT_BOUNCE, weeks=week, campaign=f"{week}") for week in range(3)]

    assert not weigh(letters[:2], soft_limit=3).is_suppressed
    verdict = weigh(letters, soft_limit=3)
    assert (verdict.reason, verdict.soft_bounces) == (Reason.SOFT_BOUNCES, 3)


def test_several_soft_bounces_of_one_letter_are_one() -> None:
    one = [an_event(Kind.SOFT_BOUNCE, hours=hour, campaign="46") for hour in range(5)]

    assert weigh(one, soft_limit=5).soft_bounces == 1


def test_a_letter_that_arrived_begins_the_count_anew() -> None:
    letters = [an_event(Kind.SOFT_BOUNCE, weeks=week, campaign=f"{week}") for week in range(4)]
    arrived = an_event(Kind.DELIVERED, weeks=2.5, campaign="between")

    assert weigh([*letters, arrived], soft_limit=3).soft_bounces == 1


def test_a_letter_that_was_taken_and_then_bounced_did_not_arrive() -> None:
    letters = [an_event(Kind.SOFT_BOUNCE, weeks=week, campaign=f"{week}") for week in range(3)]
    taken = [
        an_event(Kind.DELIVERED, weeks=week, hours=-1, campaign=f"{week}") for week in range(3)
    ]

    assert weigh([*letters, *taken], soft_limit=3).reason is Reason.SOFT_BOUNCES


def test_a_letter_that_was_refused_and_then_taken_did_arrive() -> None:
    heard = [
        an_event(Kind.SOFT_BOUNCE, campaign="46"),
        an_event(Kind.DELIVERED, hours=2, campaign="46"),
    ]

    assert weigh(heard, soft_limit=1).soft_bounces == 0


def test_soft_bounces_of_another_year_do_not_count() -> None:
    letters = [an_event(Kind.SOFT_BOUNCE, weeks=40 * n, campaign=f"{n}") for n in range(3)]

    assert weigh(letters, soft_limit=2).soft_bounces == 1


def test_without_a_campaign_a_day_is_a_letter() -> None:
    heard = [an_event(Kind.SOFT_BOUNCE, hours=hours) for hours in (0, 1, 24)]

    assert weigh(heard, soft_limit=9).soft_bounces == 2


def test_the_gravest_reason_is_told() -> None:
    heard = [an_event(Kind.HARD_BOUNCE), an_event(Kind.COMPLAINT), an_event(Kind.UNSUBSCRIBE)]

    assert weigh(heard, soft_limit=3).reason is Reason.COMPLAINT


def test_nothing_heard_keeps_the_address() -> None:
    assert weigh([], soft_limit=1).reason is None


def test_a_limit_of_none_at_all_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="soft_limit"):
        weigh([], soft_limit=0)


def test_an_event_needs_an_aware_time_and_an_id() -> None:
    with pytest.raises(ValueError, match="aware"):
        Event(kind=Kind.DELIVERED, at=datetime(2026, 1, 1), id="1")
    with pytest.raises(ValueError, match="id"):
        Event(kind=Kind.DELIVERED, at=START, id="")


@pytest.mark.parametrize(
    ("complaints", "handed", "level"),
    [
        (0, 0, Level.CALM),
        (0, 50_000, Level.CALM),
        (49, 50_000, Level.CALM),
        (50, 50_000, Level.ALERT),
        (149, 50_000, Level.ALERT),
        (150, 50_000, Level.BLOCK),
        (1, 1, Level.ALERT),  # one reader of few is no reason to stop
        (2, 10, Level.ALERT),
        (3, 10, Level.BLOCK),
        (1, 1000, Level.ALERT),
        (1, 1001, Level.CALM),
        (3, 1000, Level.BLOCK),
    ],
)
def test_complaints_alert_at_a_thousandth_and_block_at_three(
    complaints: int, handed: int, level: Level
) -> None:
    assert judge_complaints(complaints, handed) is level


def test_an_id_tells_its_parts_apart() -> None:
    assert event_id("ab", "c") != event_id("a", "bc")
    assert event_id("ab", "c") == event_id("ab", "c")


@given(st.text())
def test_a_servers_words_fit_on_one_line(text: str) -> None:
    line = one_line(text, most=20)
    assert len(line) <= 20
    assert line.isprintable()
