"""The watch over workers on other machines: whose lease nobody renews any more is gone.

A lease is watched rather than compared with a clock. So neither machines whose clocks differ nor a
database that was away for a while make a living worker look dead.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from pipeline.delivery.ledger import Claim

WATCHED: Final = 30.0  # seconds; a living worker renews its lease every ten
LONG: Final = timedelta(minutes=10)  # past the end of a lease, no clock is that wrong


class Watch:
    """Remembers since when each lease stands still; ``monotonic`` is in seconds."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[Claim, tuple[datetime | None, float]] = {}

    def look(self, leases: Iterable[tuple[Claim, datetime | None]]) -> None:
        """Take note of the leases as they are now, and forget the claims that are not there."""
        now, seen = self._monotonic(), self._seen
        self._seen = {
            claim: seen[claim] if claim in seen and seen[claim][0] == until else (until, now)
            for claim, until in leases
        }

    def is_gone(self, claim: Claim, *, now: datetime) -> bool:
        """Say whether nobody renewed a claim's lease for half a minute, or it ended long ago."""
        if claim not in self._seen:
            return False
        until, since = self._seen[claim]
        return until is None or until < now - LONG or self._monotonic() - since >= WATCHED
