"""``db``: the shape of the database."""

from pathlib import Path

import click

from pipeline.cli.speech import show, tell
from pipeline.store.engine import open_engine
from pipeline.store.upgrade import upgrade
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
