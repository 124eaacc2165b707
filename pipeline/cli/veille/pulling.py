"""``veille pull`` and ``veille health``: what the feeds bring, and how they are."""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from random import Random
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text
from sqlalchemy import Engine

from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.cli.tally import figure
from pipeline.cli.veille.opened import now, opened_desk, zone_of
from pipeline.cli.veille.rules import strange_names
from pipeline.cli.veille.table import new_table, print_table, show_day
from pipeline.cli.veille.told import outcome_line, report_facts, summary_line, trouble_lines
from pipeline.delivery.identity import worker_name
from pipeline.veille.following import load_watchlists, move_feed
from pipeline.veille.health import Health, list_health
from pipeline.veille.pull import FeedOutcome, Report, pull_feeds
from pipeline.veille.rules import Rulebook, read_rules
from pipeline.veille.watchlists import Watchlist
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from rich.progress import Progress

NARROW: Final = 60  # columns: below, a count takes the place of the bar


@click.command("pull", help=tell("Fetch every feed of watchlists.opml."))
@click.option("--due", is_flag=True, help=tell("Only the feeds whose time has come; for cron."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def pull_command(due: bool, as_json: bool) -> None:
    with opened_desk() as (workspace, engine):
        watchlists = load_watchlists(workspace)
        book = read_rules(workspace.settings.rules)
        for notice in strange_names(watchlists, book):
            click.echo(notice.say(language()), err=True)
        feeds = len({feed.url for one in watchlists for feed in one.feeds})
        with _progress(feeds) as (say, advance):

            def hear(outcome: FeedOutcome) -> None:
                advance()
                if line := outcome_line(outcome):
                    say(line, bool(outcome.error))

            report = _pull(workspace, engine, watchlists, book, due=due, hear=hear)
    for line in trouble_lines(report):
        click.echo(line, err=True)
    if as_json:
        show_json(report_facts(report))
    else:
        show(summary_line(report))


def _pull(
    workspace: Workspace,
    engine: Engine,
    watchlists: Sequence[Watchlist],
    book: Rulebook,
    *,
    due: bool,
    hear: Callable[[FeedOutcome], None],
) -> Report:
    return pull_feeds(
        engine,
        watchlists,
        settings=workspace.settings,
        rulebook=book,
        clock=now,
        rng=Random(),  # noqa: S311 - jitter
        worker=worker_name(),
        is_due_only=due,
        on_feed=hear,
        on_moved=lambda feed, url: move_feed(workspace, feed.url, url),
    )


@contextmanager
def _progress(feeds: int) -> Iterator[tuple[Callable[[str, bool], None], Callable[[], None]]]:
    """Yield what prints a line (on stderr where it is a failure), and what counts a feed."""
    if not sys.stderr.isatty():
        yield (lambda line, fails: click.echo(line, err=fails)), (lambda: None)
        return
    progress = _bar()
    with progress:
        task = progress.add_task(tell("Pulling"), total=feeds, said=f"0 / {figure(feeds)}")
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress.update(task, completed=done, said=f"{figure(done)} / {figure(feeds)}")

        def say(line: str, fails: bool) -> None:
            if fails or sys.stdout.isatty():
                progress.console.print(Text(line, style="red" if fails else ""))
            else:
                click.echo(line)

        yield say, advance


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

    columns: list[ProgressColumn] = [TextColumn("{task.description}")]
    if shutil.get_terminal_size().columns >= NARROW:
        columns.append(BarColumn())
    columns.append(TextColumn("{task.fields[said]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)


# --- health -----------------------------------------------------------------------------------


@click.command("health", help=tell("Show the feeds that fail, are silent, or have moved."))
@click.option("--all", "shows_all", is_flag=True, help=tell("Also those that are well."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def health_command(shows_all: bool, as_json: bool) -> None:
    with opened_desk() as (workspace, engine):
        known = list_health(engine, load_watchlists(workspace), now=now())
        found = [one for one in known if shows_all or is_in_trouble(one)]
        if as_json:
            show_json([_health_facts(one) for one in found])
            return
        if found:
            _show_health(found, zone=zone_of(workspace.settings))
        ill = sum(is_in_trouble(one) for one in known)
        if not ill:
            show(
                tell_count("{count} feed, and it is well.", "{count} feeds, all well.", len(known))
            )
        else:
            show(tell("{shown} of {count}", shown=figure(ill), count=figure(len(known))))


def is_in_trouble(one: Health) -> bool:
    """Say whether somebody should look at a feed."""
    return not one.is_well


def _health_facts(one: Health) -> dict[str, object]:
    moments = {
        name: moment.isoformat() if moment else None
        for name, moment in (
            ("failing_since", one.failing_since),
            ("silent_since", one.silent_since),
            ("checked_at", one.checked_at),
            ("next_at", one.next_at),
        )
    }
    return {
        "title": one.feed.title,
        "url": one.feed.url,
        "watchlist": one.watchlist,
        "failures": one.failures,
        "error": one.error.say(language()) if one.error else None,
        "moved_to": one.moved_to,
        **moments,
    }


def _show_health(found: Sequence[Health], *, zone: tzinfo) -> None:
    table = new_table()
    table.add_column(tell("Feed"), overflow="fold", ratio=2)
    table.add_column(tell("State"), overflow="fold", ratio=3)
    for one in found:
        lines = list(health_lines(one, zone=zone))
        title = Text(one.feed.title or one.feed.url)
        if sys.stdout.isatty():
            title.append(f"\n{one.watchlist}", style="dim")
        table.add_row(title, Text("\n" if sys.stdout.isatty() else " · ").join(lines))
    print_table(table)


def health_lines(one: Health, *, zone: tzinfo) -> Iterator[Text]:
    """Yield what is to be said of a feed, the worst first."""

    def day(moment: datetime) -> str:
        return show_day(moment, zone=zone, today=now().astimezone(zone).date(), is_wide=True)

    if one.failing_since:
        yield Text(
            tell_count(
                "fails since {day} ({count} time)",
                "fails since {day} ({count} times)",
                one.failures,
                day=day(one.failing_since),
            ),
            style="red",
        )
        if one.error:
            yield Text(one.error.say(language()))
    if one.silent_since:
        yield Text(tell("nothing new since {day}", day=day(one.silent_since)), style="yellow")
    if one.moved_to:
        yield Text(tell("has moved to {url}", url=one.moved_to), style="yellow")
    if not is_in_trouble(one):
        checked = tell("not asked yet")
        if one.checked_at:
            checked = tell("well, asked on {day}", day=day(one.checked_at))
        yield Text(checked, style="green")
