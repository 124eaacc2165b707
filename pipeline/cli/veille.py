"""``veille``: pull the watchlists, look through what they brought, keep an entry for a letter."""

import datetime
from pathlib import Path

import click

from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.veille import desk
from pipeline.veille.item import Entry
from pipeline.veille.pull import FeedOutcome
from pipeline.workspace import find_workspace, shown


@click.group(
    "veille",
    help=tell(
        "Pull the feeds, keep entries. The watchlists, and what of them goes into the letter."
    ),
)
def veille_command() -> None:
    pass


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@veille_command.command("pull", help=tell("Fetch every feed of watchlists.opml."))
def pull_command() -> None:
    workspace = find_workspace(Path.cwd())

    def said(outcome: FeedOutcome) -> None:
        title = outcome.feed.title or outcome.feed.url
        if outcome.error:
            click.echo(f"✗ {title}: {outcome.error.say(language())}", err=True)
        elif outcome.changes.new:
            count = len(outcome.changes.new)
            show(f"✓ {title}: " + tell_count("{count} new entry", "{count} new entries", count))

    report = desk.pull_watchlists(workspace, now=_now(), on_feed=said)
    show(
        tell(
            "Feeds: {feeds} · new entries: {new} · out of reach: {failed}",
            feeds=len(report.outcomes),
            new=report.new,
            failed=len(report.failed),
        )
    )


@veille_command.command("list", help=tell("Show the entries, newest first."))
@click.option("--watchlist", help=tell("Only this watchlist, or a part of its name."))
@click.option("--days", type=int, help=tell("Only the last days."))
@click.option("--search", "text", help=tell("Only entries that say this."))
@click.option("--limit", default=40, show_default=True, help=tell("How many at most."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def list_command(
    watchlist: str | None, days: int | None, text: str | None, limit: int, as_json: bool
) -> None:
    since = _now() - datetime.timedelta(days=days) if days else None
    workspace = find_workspace(Path.cwd())
    entries = desk.list_entries(workspace, watchlist=watchlist, since=since, text=text)
    if as_json:
        show_json([_facts(entry) for entry in entries[:limit]])
    elif entries:
        _show_table(entries[:limit])
    else:
        show(tell("No entry yet: “infolettre veille pull” fetches the feeds."))


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "title": entry.title,
        "url": entry.url,
        "source": entry.source,
        "watchlist": entry.watchlist,
        "authors": list(entry.authors),
        "date": entry.dated_at.isoformat(),
        "excerpt": entry.excerpt,
    }


def _show_table(entries: list[Entry]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pipeline.text.dates import short_date

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(tell("Id"), style="cyan", no_wrap=True)
    table.add_column(tell("Date"), no_wrap=True)
    table.add_column(tell("Source"), max_width=24, overflow="ellipsis", no_wrap=True)
    table.add_column(tell("Title"), overflow="fold")
    for entry in entries:
        day = short_date(entry.dated_at.date(), language())
        table.add_row(entry.id[:8], day, Text(entry.source), Text(entry.title))
    Console().print(table)


@veille_command.command("keep", help=tell("Write entries into the veille block of a letter."))
@click.argument("ids", nargs=-1, required=True)
@click.option("--issue", help=tell("The letter; by default the newest."))
def keep_command(ids: tuple[str, ...], issue: str | None) -> None:
    workspace = find_workspace(Path.cwd())
    folder = workspace.find_issue(issue) if issue else workspace.newest_issue()
    kept = desk.keep_entries(workspace, ids, folder)
    for entry in kept.entries:
        show(tell("✓ “{title}” is now in {file}", title=entry.title, file=shown(kept.file)))
    for notice in kept.notices:
        click.echo(notice.say(language()), err=True)


@veille_command.command("add", help=tell("Add a page by its address."))
@click.argument("url")
def add_command(url: str) -> None:
    workspace = find_workspace(Path.cwd())
    entry = desk.add_page(workspace, url, now=_now())
    _show_table([entry])
    show(tell("To put it into the letter: infolettre veille keep {id}", id=entry.id[:8]))
