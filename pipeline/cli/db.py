"""``db``: the shape of the database, and its move to another."""

from pathlib import Path

import click
from sqlalchemy import Engine

from pipeline.cli.speech import show, tell
from pipeline.delivery.campaigns import all_campaigns
from pipeline.delivery.states import CampaignState
from pipeline.errors import InputError
from pipeline.store.copying import copy_store
from pipeline.store.engine import open_engine, reading
from pipeline.store.upgrade import opened_store, upgrade
from pipeline.words import mark
from pipeline.workspace import find_workspace


@click.group("db", help=tell("The database of people and deliveries."))
def db_command() -> None:
    pass


@db_command.command(
    "upgrade", help=tell("Bring the database up to date. It is made where missing.")
)
def upgrade_command() -> None:
    workspace = find_workspace(Path.cwd())
    engine = open_engine(workspace.settings.database.url, workspace.root)
    try:
        before, after = upgrade(engine)
    finally:
        engine.dispose()
    if before == after:
        show(tell("✓ The database is up to date (shape {shape}).", shape=after))
    else:
        show(tell("✓ The database now has shape {shape}.", shape=after))


@db_command.command(
    "copy",
    help=tell(
        "Copy everything into another, empty database. People, consents, campaigns; from SQLite to"
        " PostgreSQL, say."
    ),
)
@click.argument("url")
def copy_command(url: str) -> None:
    workspace = find_workspace(Path.cwd())
    with (
        opened_store(workspace.settings.database.url, workspace.root) as source,
        opened_store(url, workspace.root) as target,
    ):
        _check_quiet(source)
        copied = copy_store(source, target)
    for name, count in copied.items():
        if count:
            show(f"  {count:>9}  {name}")
    show(tell("✓ Everything is copied. The old database stays as it was."))
    show(tell("Next: write the new address under [database] url, and run “infolettre doctor”."))


def _check_quiet(source: Engine) -> None:
    """Raises InputError while a campaign runs: both databases would send the rest of it."""
    with reading(source) as connection:
        running = all_campaigns(connection, states=[CampaignState.RUNNING, CampaignState.SCHEDULED])
    if running:
        raise InputError(
            mark(
                "campaign {id} is under way or scheduled, and both databases would send it: first"
                " let it end, or “infolettre campaign pause {id}”"
            ),
            id=running[0].id,
        )
