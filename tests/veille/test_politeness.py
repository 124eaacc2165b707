"""When a feed is asked again: plain values."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError
from pipeline.veille.answers import MAX_WAIT, max_age, status_error
from pipeline.veille.politeness import (
    MOVE_AFTER,
    Answered,
    FeedState,
    after_answer,
    after_failure,
    after_news,
    is_move_due,
    is_upgrade,
)
from tests.veille.builders import NOW

LATER = NOW + timedelta(hours=1)


def answered(state: FeedState | None = None, **more: Any) -> FeedState:
    answer = Answered(**{"sha256": "a" * 64, **more})
    return after_answer(state or FeedState(), answer, now=NOW, interval=60, rng=Random(1))


def failed(error: FetchError, state: FeedState | None = None) -> FeedState:
    return after_failure(state or FeedState(), error, now=NOW, interval=60, rng=Random(1))


def pause(state: FeedState) -> float:
    assert state.next_at is not None
    return (state.next_at - NOW).total_seconds()


@given(st.integers(), st.integers(1, 10_000))
def test_feeds_are_spread_around_their_interval(seed: int, interval: int) -> None:
    state = after_answer(FeedState(), Answered(), now=NOW, interval=interval, rng=Random(seed))

    assert 0.9 <= pause(state) / (interval * 60) <= 1.1


def test_an_answer_that_holds_for_longer_is_a_floor_and_no_ceiling() -> None:
    assert pause(answered(max_age=7200.0)) == 7200
    assert pause(answered(max_age=60.0)) > 3000


def test_a_good_answer_ends_a_failure() -> None:
    bad = failed(status_error(503, url="https://a.example/", wait=300.0))
    assert (bad.failures, bad.failing_since, bad.not_before) == (
        1,
        NOW,
        NOW + timedelta(seconds=300),
    )

    good = answered(bad, is_parsed=True)

    assert (good.failures, good.failing_since, good.not_before, good.error) == (0, None, None, None)
    assert (good.answered_at, good.parsed_at) == (NOW, NOW)


def test_a_304_keeps_what_is_known_and_may_renew_the_validators() -> None:
    before = answered(etag='"1"', last_modified="x", is_parsed=True)

    after = answered(before, sha256="", etag='"2"')

    assert (after.etag, after.last_modified, after.sha256) == ('"2"', "x", "a" * 64)


def test_no_pause_is_longer_than_a_day_and_what_is_gone_gets_it_at_once() -> None:
    error = status_error(500, url="https://a.example/", wait=None)
    state = FeedState()
    for _ in range(40):
        state = failed(error, state)

    assert pause(state) <= MAX_WAIT * 1.1
    assert pause(failed(status_error(410, url="https://a.example/", wait=None))) >= MAX_WAIT * 0.9


@given(st.text(), st.one_of(st.integers(), st.floats(), st.none(), st.binary(), st.text()))
def test_an_error_is_remembered_as_json_that_any_database_holds(text: str, fact: object) -> None:
    import json

    state = failed(FetchError("{url}", url=text, fact=fact))

    assert state.error is not None
    said = json.dumps(state.error)
    assert "\\u0000" not in said
    json.loads(said)["facts"]["url"].encode()


def test_silence_is_counted_from_the_last_news_and_at_first_from_the_first_answer() -> None:
    first = after_news(answered(is_parsed=True), new=0)
    assert first.brought_at == NOW

    again = after_answer(
        first, Answered(sha256="b", is_parsed=True), now=LATER, interval=60, rng=Random(1)
    )
    assert after_news(again, new=0).brought_at == NOW
    assert after_news(again, new=1).brought_at == LATER


def test_a_move_is_due_after_a_week_or_to_https_at_once() -> None:
    state = answered(moved_to="https://b.example/f")

    assert not is_move_due(state, url="https://a.example/f", now=NOW)
    assert not is_move_due(
        state, url="https://a.example/f", now=NOW + MOVE_AFTER - timedelta(seconds=1)
    )
    assert is_move_due(state, url="https://a.example/f", now=NOW + MOVE_AFTER)
    assert is_move_due(state, url="http://b.example/f", now=NOW)
    assert not is_move_due(answered(), url="https://a.example/f", now=NOW + MOVE_AFTER)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("http://a.example/f", "https://a.example/f", True),
        ("http://a.example:80/f?x=1", "https://a.example:443/f?x=1", True),
        ("http://a.example/f", "https://a.example/", False),
        ("http://a.example/f", "https://www.a.example/f", False),
        ("https://a.example/f", "http://a.example/f", False),
        ("http://a.example:8080/f", "https://a.example/f", False),
        ("http://a.example/f", "http://a.example/f", False),
    ],
)
def test_an_upgrade_is_the_same_address_over_https(old: str, new: str, expected: bool) -> None:
    assert is_upgrade(old, new) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 0),
        ({"Cache-Control": "max-age=900"}, 900),
        ({"Cache-Control": "public, MAX-AGE = 900, must-revalidate", "Age": "100"}, 800),
        ({"Cache-Control": 'max-age="60"'}, 60),
        ({"Cache-Control": "s-maxage=900"}, 0),
        ({"Cache-Control": "no-cache, max-age=900"}, 0),
        ({"Cache-Control": "max-age=99999999"}, MAX_WAIT),
        ({"Cache-Control": "max-age=-5", "Age": "x"}, 0),
        (
            {"Expires": "Tue, 24 Nov 2026 11:00:00 GMT", "Date": "Tue, 24 Nov 2026 10:00:00 GMT"},
            3600,
        ),
        ({"Expires": "0", "Date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 0),
        (
            {"Expires": "Tue, 24 Nov 2020 11:00:00 GMT", "Date": "Tue, 24 Nov 2026 10:00:00 GMT"},
            0,
        ),
        (
            {
                "Cache-Control": "max-age=0",
                "Expires": "Tue, 24 Nov 2026 11:00:00 GMT",
                "Date": "Tue, 24 Nov 2026 10:00:00 GMT",
            },
            0,
        ),
    ],
)
def test_how_long_an_answer_holds(headers: dict[str, str], expected: float) -> None:
    assert max_age(headers) == expected
