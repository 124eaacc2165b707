"""Who hears what a worker does, as it does it: a bar, a log, a test."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.delivery.ledger import Reader
from pipeline.delivery.ports import Outcome
from pipeline.delivery.states import Status
from pipeline.errors import InfolettreError


def _ignore(*facts: object) -> None:
    """Hear, and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who is told what happens, as it does: each outcome, and trouble that is being waited out."""

    on_outcome: Callable[[Status, Reader, Outcome | None], None] = _ignore
    on_trouble: Callable[[InfolettreError], None] = _ignore
