"""What a worker does beside sending: erases what is to go, keeps the veille, reads the bounces."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from pipeline.audience.optin import purge_pending
from pipeline.delivery.returns import read_returns
from pipeline.settings import Settings
from pipeline.veille.due import Upkeep


def do_chores(
    engine: Engine,
    settings: Settings,
    *,
    root: Path,
    environ: Mapping[str, str],
    now: datetime,
    upkeep: Upkeep | None = None,
) -> None:
    """Read what came back, and keep to the terms of erasure; meant for once a minute.

    ``upkeep`` keeps the desk of the veille in order. Raises what :func:`read_returns` raises: the
    mailbox is tried again at the next time.
    """
    purge_pending(engine, now=now, days=settings.subscription.confirm_days)
    if upkeep is not None:
        upkeep.do(now)
    read_returns(engine, settings, root=root, environ=environ, now=now)
