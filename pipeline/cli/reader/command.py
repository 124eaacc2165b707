"""``veille triage``: opens the reader. Textual loads only then."""

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.person import curator_name
from pipeline.cli.speech import tell
from pipeline.errors import InputError
from pipeline.store.upgrade import opened_store
from pipeline.veille.card import Filter
from pipeline.veille.states import State
from pipeline.words import mark
from pipeline.workspace import find_workspace

if TYPE_CHECKING:
    from pipeline.cli.reader.app import Reader

_ALL: Final = "all"
_STATES: Final = click.Choice([*(one.value for one in State), _ALL])


@click.command(
    "triage", help=tell("Clear the entries by keyboard, in a full-screen reader; ? shows the keys.")
)
@click.option("--watchlist", help=tell("Only this watchlist, or a part of its name."))
@click.option("--state", type=_STATES, default=State.NEW.value, help=tell("Which to show first."))
@click.option("--search", "text", default="", help=tell("Only entries that say this."))
@click.option("--days", type=click.IntRange(min=1), help=tell("Only the last days."))
@click.option("--issue", help=tell("The letter that you fill; by default the newest."))
def triage_command(
    watchlist: str | None, state: str, text: str, days: int | None, issue: str | None
) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            mark("this needs a terminal: “infolettre veille list” prints the entries elsewhere")
        )
    workspace = find_workspace(Path.cwd())
    letter = workspace.find_issue(issue).name if issue else ""
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        from pipeline.cli.reader.app import Reader
        from pipeline.cli.reader.browser import open_page
        from pipeline.cli.reader.desk import Desk
        from pipeline.cli.reader.frame import Doors
        from pipeline.cli.reader.view import View
        from pipeline.veille.entries import match_watchlist

        wanted = Filter(
            states=() if state == _ALL else (State(state),),
            watchlist=match_watchlist(engine, watchlist) if watchlist else "",
            text=text,
            since=_now() - timedelta(days=days) if days else None,
        )
        desk = Desk(engine=engine, workspace=workspace, by=curator_name(), clock=_now)
        doors = Doors(desk=desk, open_page=open_page, letter=letter)
        asyncio.run(_run(Reader(doors, View(wanted=wanted))))


def _now() -> datetime:
    return datetime.now(UTC)


async def _run(reader: "Reader") -> None:
    """Run the reader; told to end by a signal, it gives the terminal back as it was."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(one, reader.exit)
    await reader.run_async()
