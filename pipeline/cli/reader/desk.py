"""The door to the desk: what the reader asks of the room below, for one curator.

Every call reads or writes the database and may take its time: call them from a thread. All raise
WorldError where the database is in trouble, InputError where what is asked cannot be.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from pipeline.errors import InputError
from pipeline.text.zones import read_zone
from pipeline.veille import entries, triage
from pipeline.veille.card import Card, Cursor, Filter, Page
from pipeline.veille.citations import refresh_citations
from pipeline.veille.letter import Written, write_cards
from pipeline.veille.states import State
from pipeline.veille.triage import Done
from pipeline.workspace import Workspace

PAGE: Final = 200  # cards that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The desk of ``workspace`` as ``by`` sees it; ``clock`` returns an aware time."""

    engine: Engine
    workspace: Workspace
    by: str
    clock: Callable[[], datetime]

    @property
    def zone(self) -> tzinfo:
        """Return the hours of the workspace; those of the machine where its zone is unknown."""
        try:
            return read_zone(self.workspace.settings.site.timezone)
        except InputError:
            zone = self.clock().astimezone().tzinfo
            assert zone is not None  # noqa: S101 - astimezone gives one
            return zone

    def _now(self) -> datetime:
        return self.clock().astimezone(self.zone)

    def prepare(self) -> None:
        """Read what the letters cite, where they changed."""
        refresh_citations(self.engine, self.workspace)

    def page(self, wanted: Filter, *, after: Cursor | None = None, limit: int = PAGE) -> Page:
        """Return the next cards."""
        return entries.list_cards(self.engine, wanted, limit=limit, after=after)

    def counts(self, wanted: Filter) -> dict[State, int]:
        """Return how many there are in each state."""
        return entries.count_states(self.engine, wanted)

    def facets(self, wanted: Filter) -> entries.Facets:
        """Return what there is to filter by."""
        return entries.list_facets(self.engine, wanted)

    def ids(self, wanted: Filter, *, after: Cursor) -> list[int]:
        """Return ``Card.id`` of all that stands behind ``after``."""
        return entries.list_ids(self.engine, wanted, after=after)

    def read(self, ids: Sequence[int]) -> tuple[Card, ...]:
        """Return the cards of these entries as they are now; one that is gone is left out."""
        return entries.get_cards(self.engine, ids)

    def decide(self, card: Card, state: State) -> Done:
        """Keep, discard or put back a card, as the curator saw it."""
        act = {State.KEPT: triage.keep, State.DISCARDED: triage.discard}
        ref = card.entry.id
        return act.get(state, triage.put_back)(
            self.engine, [ref], by=self.by, now=self._now(), seen={ref: card.state}
        )

    def undo(self) -> Done:
        """Undo what this curator did last."""
        return triage.undo(self.engine, by=self.by, now=self._now())

    def tag(self, ref: str, tags: Iterable[str], *, before: Iterable[str]) -> Done:
        """Give an entry these tags; those that others added meanwhile stay."""
        add, remove = sorted(set(tags) - set(before)), sorted(set(before) - set(tags))
        now = self._now()
        return triage.tag(self.engine, [ref], add=add, remove=remove, by=self.by, now=now)

    def note(self, ref: str, text: str) -> Done:
        """Write a note."""
        return triage.write_note(self.engine, ref, text, by=self.by, now=self._now())

    def assign(self, ref: str, slug: str) -> Done:
        """Mean an entry for a letter; empty: for none."""
        return triage.assign(self.engine, [ref], slug, by=self.by, now=self._now())

    def write(self, ref: str, folder: Path, block: str) -> Written:
        """Write an entry into a block of a letter. Raises LetterError as well."""
        return write_cards(
            self.engine,
            self.workspace,
            [ref],
            folder,
            block=block,
            by=self.by,
            now=self._now(),
        )

    def letters(self) -> list[str]:
        """Return the folders' names of the letters, newest first."""
        return [folder.name for folder in reversed(self.workspace.all_issues())]
