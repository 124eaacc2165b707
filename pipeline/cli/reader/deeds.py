"""What the curator did, written one after the other, in the order of the keys.

A deed is shown at once and written behind the screen, by a thread. Where it cannot be written, the
card is shown as it was and the reason is told; a note that could not be written is kept.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.errors import InfolettreError
from pipeline.veille.card import Card
from pipeline.veille.notice import Notice


class Outcome(Protocol):
    """What the room below says of an act: ``triage.Done`` and ``letter.Written`` do."""

    @property
    def cards(self) -> tuple[Card, ...]: ...

    @property
    def notices(self) -> tuple[Notice, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One act: ``do`` writes it, ``said`` tells that it is written.

    ``before`` is the card as it was, to be shown again; ``note`` the text that must not be lost.
    """

    do: Callable[[], Outcome]
    said: str = ""
    before: Card | None = None
    note: str | None = None
    is_undo: bool = False

    @property
    def ref(self) -> str:
        """Return the short name of its entry."""
        return self.before.entry.id if self.before else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a deed ended: its outcome, or the error that it met."""

    deed: Deed
    outcome: Outcome | None = None
    error: InfolettreError | None = None


@dataclass(slots=True, kw_only=True)
class Deeds:
    """The deeds that wait; ``drafts`` holds by short name the notes that are not written yet."""

    on_told: Callable[[Told], None]
    drafts: dict[str, str]
    _queue: "asyncio.Queue[Deed]" = field(default_factory=asyncio.Queue)

    def add(self, deed: Deed) -> None:
        """Have it written after those before."""
        if deed.note is not None:
            self.drafts[deed.ref] = deed.note
        self._queue.put_nowait(deed)

    async def work(self) -> None:
        """Write what comes, for ever."""
        while True:
            deed = await self._queue.get()
            try:
                told = await _done(deed)
                if told.error is None and self.drafts.get(deed.ref) == deed.note:
                    self.drafts.pop(deed.ref, None)
                self.on_told(told)
            finally:
                self._queue.task_done()

    async def rest(self) -> None:
        """Return when all is written that was to be."""
        await self._queue.join()


async def _done(deed: Deed) -> Told:
    try:
        return Told(deed=deed, outcome=await asyncio.to_thread(deed.do))
    except InfolettreError as error:
        return Told(deed=deed, error=error)
