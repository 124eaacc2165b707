"""What comes back of a letter: one vocabulary for webhooks and bounces, and what follows from it.

Events come late, twice and in any order, so nothing here depends on when one is heard. How they
are read is :mod:`pipeline.delivery.bounces`' and each provider's; what is kept is the caller's.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Final

from pipeline.errors import InputError

MAX_DETAIL: Final = 500  # characters kept of what a server says
MAX_RAW: Final = 1000  # characters kept of what an event was read from
MAX_NAME: Final = 200  # characters of an id that somebody else wrote
SOFT_MEMORY: Final = timedelta(days=180)  # a soft bounce older than this says nothing of today
ALERT_PER_MILLE: Final = 1  # complaints: from here on, look (T3)
BLOCK_PER_MILLE: Final = 3  # from here on, nothing new leaves before somebody looked (T3)
FEWEST: Final = 1_000  # letters that a share of complaints is taken of, at least


_ADDRESS: Final = re.compile(r"""[^\s<>()\[\]{},;:"']+@[^\s<>()\[\]{},;:"']+""")


class WebhookError(InputError):
    """What was sent to us as events cannot be believed, or cannot be read: nothing was taken."""


class Kind(StrEnum):
    """What may be heard of one message."""

    DELIVERED = "delivered"
    HARD_BOUNCE = "hard_bounce"  # the address is no good
    SOFT_BOUNCE = "soft_bounce"  # given up for this letter; the next one may arrive
    DEFERRED = "deferred"  # still being tried, by somebody else
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    DROPPED = "dropped"  # never left the provider, and the address is not to blame


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing heard of one message; the same ``id`` is the same event, heard again.

    ``recipient`` is our own id, and proven: it came with a signature of the provider's or ours.
    ``address`` and ``message_id`` are what the sender of the event claims; anybody can claim an
    address, but a Message-ID of ours is a digest that only its recipient's side has seen.
    ``raw`` is a small excerpt of the source, without the address of a person's machine (T17).
    """

    kind: Kind
    at: datetime
    id: str
    recipient: str | None = None
    campaign: str = ""
    address: str = ""
    message_id: str = ""
    code: str = ""
    detail: str = ""
    raw: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("the time of an event has to be aware")
        if not self.id:
            raise ValueError("an event needs an id: it may be heard again")


class Reason(StrEnum):
    """Why an address is suppressed."""

    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCES = "soft_bounces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person's events amount to; ``reason`` is None where the address is kept."""

    reason: Reason | None = None
    soft_bounces: int = 0

    @property
    def is_suppressed(self) -> bool:
        return self.reason is not None


_AT_ONCE: Final = (  # the gravest first: it is the one to be told
    (Kind.COMPLAINT, Reason.COMPLAINT),
    (Kind.UNSUBSCRIBE, Reason.UNSUBSCRIBE),
    (Kind.HARD_BOUNCE, Reason.HARD_BOUNCE),
)


def weigh(events: Iterable[Event], *, soft_limit: int) -> Verdict:
    """Say whether one person's events suppress their address (T3).

    A complaint, a departure or a hard bounce does at once; soft bounces do when ``soft_limit``
    letters in a row ended so, within half a year. The order of ``events`` and repeated ones
    change nothing. Give the events since the person's last consent: an older one would shut out
    who came back. Raises ValueError where ``soft_limit`` is below 1.
    """
    if soft_limit < 1:
        raise ValueError(f"soft_limit is {soft_limit}, expected 1 or more")
    heard = list(events)
    kinds = {event.kind for event in heard}
    count = _soft_letters(heard)
    for kind, reason in _AT_ONCE:
        if kind in kinds:
            return Verdict(reason=reason, soft_bounces=count)
    reason_or_none = Reason.SOFT_BOUNCES if count >= soft_limit else None
    return Verdict(reason=reason_or_none, soft_bounces=count)


def _soft_letters(events: Iterable[Event]) -> int:
    """Count the newest letters, in a row, whose last word is a soft bounce.

    An event that names no campaign stands for the letter of its day. Some servers take a message
    and bounce it later, so that of one letter both may be heard.
    """
    last: dict[str, tuple[datetime, bool]] = {}
    for event in events:
        if event.kind in (Kind.SOFT_BOUNCE, Kind.DELIVERED):
            letter = event.campaign or f"\0{event.at.astimezone(UTC).date()}"
            heard = (event.at, event.kind is Kind.SOFT_BOUNCE)
            last[letter] = max(heard, last.get(letter, heard))
    newest_first = sorted(last.values(), reverse=True)
    if not newest_first:
        return 0
    horizon = newest_first[0][0] - SOFT_MEMORY
    return sum(1 for _ in takewhile(lambda one: one[1] and one[0] >= horizon, newest_first))


class Level(StrEnum):
    """How loud readers complain."""

    CALM = "calm"
    ALERT = "alert"
    BLOCK = "block"


def judge_complaints(complaints: int, handed: int) -> Level:
    """Say what ``complaints`` of ``handed`` letters call for: 0.1 % alerts, 0.3 % blocks (T3).

    The share is taken of 1,000 letters at least. Among fewer a single reader would be above both
    bounds; so one complaint alerts and never blocks, and three among few are worth a halt.

    >>> judge_complaints(1, 10), judge_complaints(3, 10), judge_complaints(3, 20_000)
    (<Level.ALERT: 'alert'>, <Level.BLOCK: 'block'>, <Level.CALM: 'calm'>)
    """
    people = max(handed, FEWEST)
    if 1000 * complaints >= BLOCK_PER_MILLE * people:
        return Level.BLOCK
    return Level.ALERT if 1000 * complaints >= ALERT_PER_MILLE * people else Level.CALM


def event_id(*parts: str) -> str:
    """Return an id made of ``parts``, for a source that gives its events none of their own."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def without_addresses(text: str) -> str:
    """Return a server's words without the mail addresses that it likes to repeat.

    What is kept of them then need not be erased with a person.
    """
    return _ADDRESS.sub("…", text) if "@" in text else text


def one_line(text: str, *, most: int = MAX_DETAIL) -> str:
    """Return a server's words on one line, printable and not without end."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())[:most]
