"""The heart renews what is held, for as long as it is held, whatever the database does."""

import threading

from pipeline.delivery.heart import Heart
from pipeline.delivery.ledger import Claim
from pipeline.errors import WorldError


def a_claim(number: int = 1) -> Claim:
    return Claim(campaign_id=1, number=number, low=1, high=9, worker="w")


def test_a_claim_is_renewed_again_and_again_while_it_is_held() -> None:
    beats: list[Claim] = []
    enough = threading.Event()

    def beat(claim: Claim) -> None:
        beats.append(claim)
        if len(beats) >= 3:
            enough.set()
        raise WorldError("the database is away")  # the next beat tries again

    heart = Heart(beat, seconds=0.005)
    with heart.holding(a_claim()):
        assert heart.holds(a_claim())
        assert not heart.holds(a_claim(2))
        assert enough.wait(5)
    assert not heart.holds(a_claim())
    heart.stop()
    assert set(beats) == {a_claim()}


def test_what_is_not_held_any_more_is_not_renewed() -> None:
    beats: list[Claim] = []
    seen = threading.Event()

    def beat(claim: Claim) -> None:
        beats.append(claim)
        seen.set()

    heart = Heart(beat, seconds=0.005)
    with heart.holding(a_claim(1)):
        pass
    beats.clear()
    seen.clear()
    with heart.holding(a_claim(2)):
        assert seen.wait(5)
    heart.stop()
    assert set(beats) <= {a_claim(2)}


def test_a_heart_that_held_nothing_stops() -> None:
    before = threading.active_count()
    Heart(lambda claim: None).stop()
    assert threading.active_count() == before  # it has no thread until it holds something
