"""What becomes of a row of an imported file: decided here with plain values, done elsewhere.

A file adds to what is known of a person and never takes away. It can make a person leave; it
never brings back one who left, nor one who asked to be forgotten (T16).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.audience.arrivals import Arrival
from pipeline.audience.states import GONE, LEAVING, State, next_state


class Fate(StrEnum):
    """What becomes of a row."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"
    LEFT = "left"  # as they are: the person left, or was forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database says of a person now."""

    id: int
    state: State
    first_name: str
    last_name: str
    language: str
    attributes: Mapping[str, str]
    segments: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a known person becomes other; ``segments`` are those to add."""

    id: int
    first_name: str
    last_name: str
    language: str
    attributes: Mapping[str, str]
    state: State | None
    segments: frozenset[str]


def decide(arrival: Arrival, known: Known | None, *, suppressed: bool) -> Fate | Change:
    """Return what to do with a row: a Change, or its fate where there is nothing to change."""
    if suppressed:
        return Fate.LEFT
    if known is None:
        return Fate.ADDED
    leaving = LEAVING.get(arrival.state)
    state = next_state(known.state, leaving) if leaving else known.state
    if known.state in GONE:
        if state is not known.state:
            return _changed(known, state)
        return Fate.SAME if leaving else Fate.LEFT
    change = _merged(arrival, known, None if state is known.state else state)
    return Fate.SAME if change == _changed(known, None) else change


def _changed(known: Known, state: State | None) -> Change:
    return Change(
        id=known.id,
        first_name=known.first_name,
        last_name=known.last_name,
        language=known.language,
        attributes=known.attributes,
        state=state,
        segments=frozenset(),
    )


def _merged(arrival: Arrival, known: Known, state: State | None) -> Change:
    return Change(
        id=known.id,
        first_name=arrival.first_name or known.first_name,
        last_name=arrival.last_name or known.last_name,
        language=arrival.language or known.language,
        attributes={**known.attributes, **arrival.attributes},
        state=state,
        segments=arrival.segments - known.segments,
    )
