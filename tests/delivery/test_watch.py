"""Who renews no lease is gone; by watching it, not by comparing clocks."""

from datetime import timedelta

from pipeline.delivery.ledger import Claim
from pipeline.delivery.watch import LONG, WATCHED, Watch
from tests.delivery.mailings import START

CLAIM = Claim(campaign_id=1, number=1, low=1, high=9, worker="elsewhere")
A_MOMENT = timedelta(seconds=1)


class Ticks:
    """A monotonic clock that the test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_stands_still_for_half_a_minute_is_of_one_who_is_gone() -> None:
    ticks = Ticks()
    watch = Watch(monotonic=ticks)
    for ticks.now in (0.0, 10.0, 20.0, WATCHED - 0.1):
        watch.look([(CLAIM, START)])
        assert not watch.is_gone(CLAIM, now=START)
    ticks.now = WATCHED
    assert watch.is_gone(CLAIM, now=START)


def test_a_lease_that_is_renewed_is_never_gone_whatever_the_clocks_say() -> None:
    ticks = Ticks()
    watch = Watch(monotonic=ticks)
    for turn in range(20):
        ticks.now = turn * 10.0
        lease = START + turn * A_MOMENT
        watch.look([(CLAIM, lease)])
        assert not watch.is_gone(CLAIM, now=lease + LONG)  # our clock is ten minutes ahead


def test_after_a_database_was_away_everybody_has_half_a_minute_to_come_back() -> None:
    ticks = Ticks()
    watch = Watch(monotonic=ticks)
    watch.look([])
    ticks.now = 300.0  # five minutes in which nobody could renew anything
    watch.look([(CLAIM, START)])
    assert not watch.is_gone(CLAIM, now=START + timedelta(minutes=5))


def test_one_who_looks_for_the_first_time_believes_a_lease_that_ended_long_ago() -> None:
    watch = Watch()
    watch.look([(CLAIM, START)])
    assert not watch.is_gone(CLAIM, now=START + LONG)
    assert watch.is_gone(CLAIM, now=START + LONG + A_MOMENT)


def test_nothing_is_known_of_a_claim_that_was_not_looked_at() -> None:
    assert not Watch().is_gone(CLAIM, now=START + 2 * LONG)
