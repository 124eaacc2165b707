"""Why a campaign should wait for a person instead of starting now: read, and decided.

Nothing is paused here; :mod:`pipeline.delivery.tending` does it, before the first message leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.events import Level, judge_complaints
from pipeline.delivery.feedback import complaint_share
from pipeline.delivery.schedule import is_missed
from pipeline.settings import Settings
from pipeline.store.engine import reading

COMPLAINT_DAYS: Final = 30  # of which the complaints are counted (T3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a campaign's time has come.

    ``source`` names the letter's files as they are now; empty where they are not on this machine.
    """

    now: datetime
    grace: timedelta
    needs_approval: bool
    source: str = ""
    complaints: int = 0
    handed: int = 0


def object_to(found: Campaign, facts: Facts) -> Pause | None:
    """Return the reason why a campaign should not start now, or None."""
    if facts.needs_approval and not found.is_approved:
        return Pause.UNAPPROVED
    if found.scheduled_at is not None:
        if is_missed(found.scheduled_at, now=facts.now, grace=facts.grace):
            return Pause.MISSED
        if facts.source and facts.source != found.source and found.reviewed_at is None:
            return Pause.EDITED
    if not found.is_rehearsal and judge_complaints(facts.complaints, facts.handed) is Level.BLOCK:
        return Pause.COMPLAINTS
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Reads what is known of a campaign; ``source_of`` tells a letter's digest by its slug.

    A person who let a campaign go on has seen the complaints until then.
    """

    engine: Engine
    settings: Settings
    source_of: Callable[[str], str] = lambda slug: ""

    def __call__(self, found: Campaign, now: datetime) -> Pause | None:
        """Return why ``found`` should wait for a person, or None."""
        since = now - timedelta(days=COMPLAINT_DAYS)
        with reading(self.engine) as connection:
            complaints, handed = complaint_share(
                connection, since=max(since, found.reviewed_at or since)
            )
        delivery = self.settings.delivery
        facts = Facts(
            now=now,
            grace=timedelta(minutes=delivery.grace),
            needs_approval=delivery.require_approval,
            source=self.source_of(found.slug) if found.scheduled_at else "",
            complaints=complaints,
            handed=handed,
        )
        return object_to(found, facts)
