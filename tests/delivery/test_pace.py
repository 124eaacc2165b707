"""A rate that all workers keep together, and rests that a provider asked for."""

from datetime import timedelta

from sqlalchemy import Engine

from pipeline.delivery import pace
from tests.delivery.mailings import START
from tests.delivery.test_ledger import at_once


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_reservations_come_one_after_the_other(engine: Engine) -> None:
    starts = [pace.reserve(engine, "x", count=10, rate=5.0, now=START) for _ in range(3)]
    assert starts == [START, START + seconds(2), START + seconds(4)]
    assert pace.next_at(engine, "x", now=START) == START + seconds(6)
    assert pace.next_at(engine, "another", now=START) == START


def test_time_that_nobody_used_is_not_made_up_for(engine: Engine) -> None:
    pace.reserve(engine, "x", count=1, rate=1.0, now=START)
    late = START + timedelta(hours=1)
    assert pace.reserve(engine, "x", count=1, rate=1.0, now=late) == late


def test_many_who_reserve_at_once_never_get_the_same_moment(engine: Engine) -> None:
    starts: list[object] = []

    def reserve() -> None:
        for _ in range(5):
            starts.append(pace.reserve(engine, "x", count=1, rate=1.0, now=START))

    at_once(*[reserve] * 4)
    assert sorted(map(str, starts)) == sorted(str(START + seconds(n)) for n in range(20))


def test_without_a_rate_only_a_rest_is_kept(engine: Engine) -> None:
    pace.rest(engine, "x", until=START + seconds(30))
    pace.rest(engine, "x", until=START + seconds(10))  # an earlier one changes nothing
    assert pace.reserve(engine, "x", count=9, rate=0, now=START) == START + seconds(30)
    assert pace.next_at(engine, "x", now=START) == START + seconds(30)


def test_a_rest_that_a_wrong_clock_noted_is_not_believed(engine: Engine) -> None:
    pace.rest(engine, "x", until=START + timedelta(hours=5))
    assert pace.next_at(engine, "x", now=START) == START
    assert pace.reserve(engine, "x", count=1, rate=1.0, now=START) == START
    assert pace.next_at(engine, "x", now=START) == START + seconds(1)


def test_a_queue_may_be_longer_than_any_rest(engine: Engine) -> None:
    pace.reserve(engine, "x", count=100_000, rate=1.0, now=START, is_queue=True)
    end = pace.reserve(engine, "x", count=1, rate=1.0, now=START, is_queue=True)
    assert end == START + seconds(100_000)


def test_only_as_many_as_fit_within_the_horizon_are_given(engine: Engine) -> None:
    def ask(count: int, rate: float = 2.0) -> int:
        return pace.reserve_some(
            engine, f"at {rate}", count=count, rate=rate, now=START, horizon=seconds(10)
        )

    assert [ask(15), ask(15), ask(15)] == [15, 5, 0]
    assert [ask(3, rate=0.01), ask(3, rate=0.01)] == [1, 0]  # slower than one a horizon
