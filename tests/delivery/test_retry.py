"""When to try again, how many at a time, when to stop: values in, values out."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.campaign import Pause
from pipeline.delivery.ports import Outcome, State
from pipeline.delivery.retry import (
    FIRST_DELAY,
    JITTER,
    MAX_ATTEMPTS,
    MAX_DELAY,
    batch_size,
    due_again,
    strike_delay,
    trip,
)
from tests.delivery.mailings import START


@given(
    attempts=st.integers(1, MAX_ATTEMPTS - 1),
    retry_after=st.none() | st.floats(0, 86_400),
    seed=st.integers(),
)
def test_a_delay_doubles_from_a_minute_and_is_no_less_than_was_asked(
    attempts: int, retry_after: float | None, seed: int
) -> None:
    due = due_again(attempts, now=START, retry_after=retry_after, rng=Random(seed))
    assert due is not None
    delay = (due - START).total_seconds()
    plain = min(MAX_DELAY, FIRST_DELAY * 2 ** (attempts - 1))
    assert delay >= plain * (1 - JITTER) - 0.001
    assert delay >= (retry_after or 0) - 0.001
    assert delay <= max(plain * (1 + JITTER), retry_after or 0) + 0.001


def test_those_who_failed_together_do_not_come_back_together() -> None:
    rng = Random(1)
    dues = {due_again(1, now=START, retry_after=None, rng=rng) for _ in range(100)}
    assert len(dues) == 100


def test_after_eight_attempts_it_is_given_up() -> None:
    assert due_again(MAX_ATTEMPTS, now=START, retry_after=1.0, rng=Random(1)) is None
    delays = [min(MAX_DELAY, FIRST_DELAY * 2**one) for one in range(MAX_ATTEMPTS - 1)]
    assert timedelta(hours=2) < timedelta(seconds=sum(delays)) < timedelta(hours=5)


def test_a_provider_that_is_away_is_left_alone_longer_each_time() -> None:
    assert [strike_delay(one, retry_after=None) for one in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert strike_delay(1, retry_after=60.0) == 60


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0, 10_000))
def test_a_batch_is_what_is_asked_taken_and_done_in_ten_seconds(
    asked: int, at_once: int, rate: float
) -> None:
    size = batch_size(asked, at_once=at_once, rate=rate)
    assert 1 <= size <= min(asked, at_once)
    assert not rate or size == 1 or size <= rate * 10


@pytest.mark.parametrize(
    ("accepted", "failed", "uncertain", "reason"),
    [
        (0, 19, 0, None),
        (0, 20, 0, Pause.REFUSED),
        (20, 20, 0, None),
        (19, 20, 0, Pause.REFUSED),
        (0, 0, 1, None),
        (0, 0, 2, Pause.UNANSWERED),
        (1, 0, 9, None),
        (0, 0, 0, None),
    ],
)
def test_a_batch_is_reason_enough_to_stop_or_not(
    accepted: int, failed: int, uncertain: int, reason: Pause | None
) -> None:
    states = [State.ACCEPTED] * accepted + [State.FAILED] * failed + [State.UNCERTAIN] * uncertain
    outcomes = [Outcome(recipient=str(n), state=state) for n, state in enumerate(states)]
    assert trip(outcomes) is reason
