"""What is shown: the filter, the states in turn, and their words. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.cli.reader.texts import language_name, seemly
from pipeline.cli.speech import tell, tell_count
from pipeline.cli.tally import figure
from pipeline.veille.card import Filter
from pipeline.veille.states import STATE_WORDS, State
from pipeline.words import mark

#: Which states are shown in turn. What was written into a letter was kept.
VIEWS: Final = (
    ((State.NEW,), mark("Entries to sort")),
    ((State.KEPT, State.WRITTEN), mark("Entries kept")),
    ((State.DISCARDED,), mark("Entries discarded")),
    ((), mark("All entries")),
)
#: The fields of a filter that ``f`` sets, by the name of their facet.
FIELDS: Final = ("watchlist", "source", "language", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A filter, and what the keys make of it."""

    wanted: Filter

    def next_states(self) -> "View":
        """Return the view with the states that come next."""
        states: list[tuple[State, ...]] = [view for view, _ in VIEWS]
        here = states.index(self.wanted.states) if self.wanted.states in states else -1
        return View(wanted=replace(self.wanted, states=states[(here + 1) % len(states)]))

    def searching(self, text: str) -> "View":
        """Return the view of what says ``text``."""
        return View(wanted=replace(self.wanted, text=text))

    def filtered(self, field: str, value: str) -> "View":
        """Return the view of one watchlist, source, language or tag; without a field, of all."""
        chosen: dict[str, Any] = dict.fromkeys(FIELDS, "") | ({field: value} if field else {})
        return View(wanted=replace(self.wanted, **chosen))

    @property
    def all_facets(self) -> Filter:
        """Return the filter of what one may choose among: that of this view without its choice."""
        return self.filtered("", "").wanted

    @property
    def is_narrowed(self) -> bool:
        """Return whether there is a filter or a search to take away."""
        return any(getattr(self.wanted, one) for one in (*FIELDS, "text"))

    def says(self) -> str:
        """Say what is shown: « Entrées à trier · Numérique et société · « communs » »."""
        wanted = self.wanted
        parts = [_states(wanted.states), seemly(wanted.watchlist), seemly(wanted.source)]
        parts.append(language_name(wanted.language) if wanted.language else "")
        parts.append(f"#{seemly(wanted.tag)}" if wanted.tag else "")
        parts.append(tell("“{text}”", text=seemly(wanted.text)) if wanted.text.strip() else "")
        if wanted.since:
            parts.append(tell("since {day}", day=f"{wanted.since:%d/%m/%Y}"))
        return " · ".join(filter(None, parts))


def _states(states: tuple[State, ...]) -> str:
    for view, words in VIEWS:
        if view == states:
            return tell(words)
    named = ", ".join(tell(STATE_WORDS[one]) for one in states)
    return tell("Entries: {states}", states=named)


def remaining(counts: Mapping[State, int], states: tuple[State, ...]) -> str:
    """Say how many there are in these states, and how many are still to sort."""
    new = counts.get(State.NEW, 0)
    said = tell("{n} to sort", n=figure(new))
    if states == (State.NEW,):
        return said
    count = sum(number for state, number in counts.items() if not states or state in states)
    shown = tell_count("{n} entry", "{n} entries", count, n=figure(count))
    return f"{shown} · {said}"
