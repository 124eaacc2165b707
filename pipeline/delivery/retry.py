"""When to try again, how many at a time, and when to stop trying. Values in, values out.

The delays double from a minute, as mail servers' do (RFC 5321 §4.5.4.1 asks for no less than
patience), with jitter so that those who failed together do not come back together.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from pipeline.delivery.campaign import Pause
from pipeline.delivery.ports import Outcome, State

FIRST_DELAY: Final = 60.0  # seconds
MAX_DELAY: Final = 3600.0
MAX_ATTEMPTS: Final = 8  # over about four hours: a newsletter is no news after that
JITTER: Final = 0.2  # of the delay, either way
MAX_STRIKES: Final = 5  # batches in a row that the provider could not take
STRIKE_DELAY: Final = 5.0  # seconds, doubled at each strike
BATCH_SECONDS: Final = 10.0  # what a batch should last at most, where there is a rate
_FEW: Final = 20  # refusals: fewer say nothing of the rest


def due_again(
    attempts: int, *, now: datetime, retry_after: float | None, rng: Random
) -> datetime | None:
    """Return when a recipient is tried again after ``attempts``, or None: never.

    What the provider asks for (``retry_after``, in seconds) is the least.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    delay = min(MAX_DELAY, FIRST_DELAY * 2.0 ** (attempts - 1))
    delay *= 1 + rng.uniform(-JITTER, JITTER)
    return now + timedelta(seconds=max(delay, retry_after or 0.0))


def strike_delay(strikes: int, *, retry_after: float | None) -> float:
    """Return the seconds for which the provider is left alone after ``strikes`` in a row."""
    return max(retry_after or 0.0, STRIKE_DELAY * 2.0 ** (strikes - 1))


def batch_size(asked: int, *, at_once: int, rate: float) -> int:
    """Return how many recipients a batch has: at most ``asked``, and what the provider takes.

    At a rate, a batch lasts ten seconds: so quickly a pause acts, and so few are at stake.
    """
    size = min(asked, at_once)
    return max(1, min(size, int(rate * BATCH_SECONDS)) if rate else size)


def trip(outcomes: Sequence[Outcome]) -> Pause | None:
    """Say whether a batch's outcomes are reason enough to stop the campaign.

    More than half of them refused for good, twenty at least, is no matter of single addresses;
    several handed over and none answered for would cost a person's decision each.
    """
    states = [outcome.state for outcome in outcomes]
    if len(states) > 1 and states.count(State.UNCERTAIN) == len(states):
        return Pause.UNANSWERED
    refused = states.count(State.FAILED)
    return Pause.REFUSED if refused >= _FEW and refused * 2 > len(states) else None
