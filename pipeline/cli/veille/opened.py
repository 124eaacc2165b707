"""What the commands of the desk begin with: the workspace, its database, the time, the zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from pipeline.settings import Settings
from pipeline.store.upgrade import opened_store
from pipeline.text.zones import read_zone
from pipeline.veille.citations import refresh_citations
from pipeline.veille.letter import sync_letter
from pipeline.veille.publication import publish_sent
from pipeline.workspace import Workspace, find_workspace


@contextmanager
def opened_desk() -> Iterator[tuple[Workspace, Engine]]:
    """Yield the workspace around here, and its database."""
    workspace = find_workspace(Path.cwd())
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        yield workspace, engine


def freshen(workspace: Workspace, engine: Engine) -> None:
    """Let the desk know which letters were sent, what the newest says, and what they all cite."""
    publish_sent(engine, now=now())
    if workspace.all_issues():
        sync_letter(engine, workspace.newest_issue(), by="", now=now())
    refresh_citations(engine, workspace)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def local_now(settings: Settings) -> datetime:
    """Return the time by the clocks of the workspace. Raises InputError."""
    return datetime.now(zone_of(settings))


def zone_of(settings: Settings) -> ZoneInfo:
    """Return the zone of the workspace. Raises InputError."""
    return read_zone(settings.site.timezone)
