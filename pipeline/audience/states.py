"""Where a subscriber stands, and which event leads where. Nothing is stored here.

::

    pending ──confirm──▸ active ──leave | bounce | complain──▸ unsubscribed | bounced | complained
       ▴                                                             │
       └───── ask (the person alone; not after a complaint) ─────────┘

    every state ──forget──▸ forgotten

Nothing leads back to ``active`` but a person's own confirmation of a request they made again.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a subscriber stands; the values are those of the database."""

    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FORGOTTEN = "forgotten"


class Event(StrEnum):
    """What happens to a subscriber; ``ask`` and ``confirm`` are the person's own doing."""

    ASK = "ask"
    CONFIRM = "confirm"
    LEAVE = "leave"
    BOUNCE = "bounce"
    COMPLAIN = "complain"
    FORGET = "forget"


#: Those who are not written to, whatever a file says (T16).
GONE: Final = frozenset({State.UNSUBSCRIBED, State.BOUNCED, State.COMPLAINED, State.FORGOTTEN})

#: What is not listed here changes nothing.
_LEADS: Final[dict[tuple[State, Event], State]] = {
    (State.PENDING, Event.CONFIRM): State.ACTIVE,
    (State.PENDING, Event.LEAVE): State.UNSUBSCRIBED,
    (State.PENDING, Event.BOUNCE): State.BOUNCED,
    (State.PENDING, Event.COMPLAIN): State.COMPLAINED,
    (State.ACTIVE, Event.LEAVE): State.UNSUBSCRIBED,
    (State.ACTIVE, Event.BOUNCE): State.BOUNCED,
    (State.ACTIVE, Event.COMPLAIN): State.COMPLAINED,
    (State.UNSUBSCRIBED, Event.ASK): State.PENDING,
    (State.UNSUBSCRIBED, Event.COMPLAIN): State.COMPLAINED,
    (State.BOUNCED, Event.ASK): State.PENDING,
    (State.BOUNCED, Event.LEAVE): State.UNSUBSCRIBED,
    (State.BOUNCED, Event.COMPLAIN): State.COMPLAINED,
    **{(state, Event.FORGET): State.FORGOTTEN for state in State},
}


def next_state(state: State, event: Event) -> State:
    """Return where ``event`` leads from ``state``; the same event again changes nothing more.

    >>> next_state(State.UNSUBSCRIBED, Event.CONFIRM)  # an old link revives nobody
    <State.UNSUBSCRIBED: 'unsubscribed'>
    """
    return _LEADS.get((state, event), state)


#: The event by which another sender's file makes a person leave.
LEAVING: Final[dict[State, Event]] = {
    State.UNSUBSCRIBED: Event.LEAVE,
    State.BOUNCED: Event.BOUNCE,
    State.COMPLAINED: Event.COMPLAIN,
}
