"""Where a campaign and each of its deliveries stand, and what leads where. Nothing is stored here.

::

    draft ──approve──▸ scheduled ──start──▸ running ⇄ paused ──▸ done
      └───────────────────┴──────────────────┴─────────┴──cancel──▸ cancelled

    queued ──▸ accepted ──▸ delivered | bounced | complained        skipped: left meanwhile
      ⇅  └──▸ failed (permanent)      uncertain: its worker died in between
    deferred (retry at …)

A row is *claimed* while it is queued and its batch is claimed.
"""

from enum import StrEnum
from typing import Final

from pipeline.delivery.events import Kind


class CampaignState(StrEnum):
    """Where a campaign stands; the values are those of the database."""

    DRAFT = "draft"  # frozen, waits for an approval
    SCHEDULED = "scheduled"  # starts at its time, or as soon as a worker is there
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class Status(StrEnum):
    """Where a delivery stands; the values are those of the database."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNCERTAIN = "uncertain"


#: The provider has it, whatever came back later.
SERVED: Final = (Status.ACCEPTED, Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED)
#: A worker still has something to do for it.
WAITING: Final = (Status.QUEUED, Status.DEFERRED)
#: What an outcome may still settle: also a row whose worker was taken for dead.
UNSETTLED: Final = (Status.QUEUED, Status.DEFERRED, Status.UNCERTAIN)

_HEARD: Final = {
    Kind.DELIVERED: Status.DELIVERED,
    Kind.HARD_BOUNCE: Status.BOUNCED,
    Kind.SOFT_BOUNCE: Status.BOUNCED,
    Kind.DROPPED: Status.BOUNCED,
    Kind.COMPLAINT: Status.COMPLAINED,
    Kind.UNSUBSCRIBE: Status.DELIVERED,  # who leaves by a letter has read it
}
#: The graver word stays, in whatever order both are heard.
_GRAVITY: Final = (
    Status.UNCERTAIN,
    Status.ACCEPTED,
    Status.DELIVERED,
    Status.BOUNCED,
    Status.COMPLAINED,
)


def after_event(status: Status, kind: Kind) -> Status:
    """Return where a delivery stands once ``kind`` was heard of it, in whatever order.

    A provider that speaks of a message has it: that settles an uncertain one. One that has not
    been handed over, as far as we know, stays as it is.

    >>> after_event(Status.COMPLAINED, Kind.DELIVERED)
    <Status.COMPLAINED: 'complained'>
    """
    heard = _HEARD.get(kind, Status.ACCEPTED)
    if status not in _GRAVITY:
        return status
    return max(status, heard, key=_GRAVITY.index)
