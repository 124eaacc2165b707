"""What is logged of a person's will: a line a change, none ever rewritten (T13).

Where the log is kept is not here. A proof never holds an address, nor the number of a machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pipeline.audience.states import State


class Kind(StrEnum):
    """What a line of the log says; ``imported`` and ``added`` are the team's, not the person's."""

    ASKED = "asked"
    LAPSED = "lapsed"  # what they asked came to nothing: not confirmed in time, or no mail left
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    ADDED = "added"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One line: ``wording`` is the exact text agreed to, empty where nobody handed it over."""

    kind: Kind
    at: datetime
    source: str
    wording: str = ""
    wording_version: str = ""
    proof: Mapping[str, object] = field(default_factory=dict)


_LEFT = {
    State.UNSUBSCRIBED: Kind.UNSUBSCRIBED,
    State.BOUNCED: Kind.BOUNCED,
    State.COMPLAINED: Kind.COMPLAINED,
}


def kind_of(state: State, otherwise: Kind) -> Kind:
    """Return the kind of line that a change to ``state`` is logged as."""
    return _LEFT.get(state, otherwise)
