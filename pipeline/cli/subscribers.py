"""``subscribers``: the people who are written to, in and out, one by one or by the file."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Engine

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.exporting import (
    each_piece,
    export_csv,
    export_json,
    person_facts,
    subscriber_facts,
)
from pipeline.audience.importing import Ears, Import, Report, import_people
from pipeline.audience.queries import (
    Asked,
    count_found,
    count_people,
    drop_filter,
    each_subscriber,
    save_filter,
    saved_filters,
)
from pipeline.audience.renewal import asked_stale, count_stale
from pipeline.audience.secret import read_keys, require_keys
from pipeline.audience.segments import parse_rule
from pipeline.audience.states import State
from pipeline.cli.speech import (
    language,
    show,
    show_json,
    show_mistakes,
    tell,
    tell_count,
    write_out,
)
from pipeline.delivery.history import letters_of
from pipeline.errors import Mistake, WorkspaceError
from pipeline.store.engine import reading, writing
from pipeline.store.upgrade import opened_store
from pipeline.words import mark
from pipeline.workspace import find_workspace

SHOWN: Final = 20  # rows at fault that are shown with their line
NAMED: Final = 200  # those of which at least the number is told
_STATES: Final = click.Choice([one.value for one in State if one is not State.FORGOTTEN])
_SOURCE: Final = "command"


@click.group(
    "subscribers",
    help=tell("The people of the letter. Import, export, add, remove, forget, count."),
)
def subscribers_command() -> None:
    pass


@contextmanager
def _store() -> Iterator[Engine]:
    workspace = find_workspace(Path.cwd())
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        yield engine


def _now() -> datetime:
    return datetime.now(UTC)


@subscribers_command.command(
    "import",
    help=tell(
        "Take in a list: CSV, or an export of Mailchimp, Brevo, Substack or listmonk. Nobody who"
        " left is brought back."
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help=tell("Say what would happen, change nothing."))
@click.option("--state", type=_STATES, help=tell("The state of everybody in this file."))
@click.option("--consent", default="", help=tell("The exact text to which these people agreed."))
@click.option("--consent-version", default="", help=tell("The version of that text."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def import_command(
    file: Path, dry_run: bool, state: str | None, consent: str, consent_version: str, as_json: bool
) -> None:
    order = Import(
        file=file,
        now=_now(),
        secret=read_keys(os.environ),
        dry_run=dry_run,
        assume=State(state) if state else None,
        wording=consent,
        wording_version=consent_version,
    )
    mistakes, left = _Told(_show_mistake), _Told(_show_left)
    with _store() as engine, _progress() as on_batch:
        ears = Ears(on_mistake=mistakes, on_left=left, on_batch=on_batch)
        report = import_people(engine, order, ears=ears)
    for told in (mistakes, left):
        told.end()
    if as_json:
        show_json(report.facts() | {"dry_run": dry_run})
    else:
        _show_report(report, dry_run=dry_run)
    if report.faulty:
        raise SystemExit(1)


class _Told:
    """Tells the first mistakes one by one, and how many more there were."""

    def __init__(self, tell_one: Callable[[Mistake, int], None]) -> None:
        self.tell_one = tell_one
        self.count = 0

    def __call__(self, mistake: Mistake) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.tell_one(mistake, self.count)

    def end(self) -> None:
        if self.count > NAMED:
            more = self.count - NAMED
            click.echo(
                tell_count("… and {count} more row", "… and {count} more rows", more), err=True
            )


def _show_mistake(mistake: Mistake, count: int) -> None:
    if count <= SHOWN:
        show_mistakes([mistake])
    else:
        click.echo(mistake.say(language()), err=True)


def _show_left(mistake: Mistake, count: int) -> None:
    click.echo(mistake.say(language()), err=True)


@contextmanager
def _progress() -> Iterator[Callable[[Report], None]]:
    """Yield what hears of each batch: a line that counts, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda report: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda report: bar.update(task, description=_rows(report.rows))


def _rows(count: int) -> str:
    return tell_count("{count} row read", "{count} rows read", count)


_DRY: Final = mark("Nothing was changed. This import ({format}, {encoding}) would:")
_DONE: Final = mark("✓ Imported ({format}, {encoding}):")


def _show_report(report: Report, *, dry_run: bool) -> None:
    show(tell(_DRY if dry_run else _DONE, format=report.format or "—", encoding=report.encoding))
    labels = {
        "added": tell("new"),
        "changed": tell("known, completed"),
        "same": tell("known, as before"),
        "left": tell("left as they are (they unsubscribed, bounced, complained or were forgotten)"),
        "faulty": tell("rows of the file at fault"),
    }
    for name, label in labels.items():
        if count := getattr(report, name):
            show("  " + tell("{label}: {count}", label=label, count=count))
            if name == "added":
                for state, many in report.added_states.items():
                    show("    " + tell("{label}: {count}", label=_state(state), count=many))


def _state(state: State) -> str:
    return tell(register.STATE_WORDS[state])


@subscribers_command.command("export", help=tell("Write everybody out, as CSV or as JSON."))
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help=tell("Into this file.")
)
@click.option("--state", type=_STATES, help=tell("Only those in this state."))
@click.option("--segment", default="", help=tell("Only those of this segment."))
def export_command(form: str, out: Path | None, state: str | None, segment: str) -> None:
    asked = Asked(state=State(state) if state else None, segment=segment)
    export = export_csv if form == "csv" else export_json
    with _store() as engine, reading(engine) as connection:
        write_out(each_piece(export(connection, asked)), out)


@subscribers_command.command("list", help=tell("Show people, in the order in which they came."))
@click.option("--state", type=_STATES, help=tell("Only those in this state."))
@click.option("--segment", default="", help=tell("Only those of this segment."))
@click.option("--where", default="", help=tell("A rule such as: language = fr and segment = x"))
@click.option("--search", default="", help=tell("Only those whose address or name holds this."))
@click.option(
    "--stale", is_flag=True, help=tell("Only active people whose consent is over three years old.")
)
@click.option("--limit", default=40, show_default=True, help=tell("How many at most."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def list_command(
    state: str | None,
    segment: str,
    where: str,
    search: str,
    stale: bool,
    limit: int,
    as_json: bool,
) -> None:
    asked = Asked(
        state=State(state) if state else None,
        segment=segment,
        rule=parse_rule(where) if where else None,
        search=search,
        also=asked_stale(_now()).also if stale else (),
    )
    with _store() as engine, reading(engine) as connection:
        people = list(each_subscriber(connection, asked, limit=limit))
        count = count_found(connection, asked)
    if as_json:
        show_json([subscriber_facts(one) for one in people])
    elif people:
        _show_table(people)
        show(tell("{shown} of {count}", shown=len(people), count=count))
    else:
        show(tell("Nobody: “infolettre subscribers import FILE” takes in a list."))


def _show_table(people: list[register.Subscriber]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(tell("Address"), no_wrap=True)
    for heading in (tell("Name"), tell("State"), tell("Segments")):
        table.add_column(heading, overflow="fold")
    for one in people:
        name = f"{one.first_name} {one.last_name}".strip()
        cells = (one.address, name, _state(one.state), ", ".join(sorted(one.segments)))
        table.add_row(*map(Text, cells))
    Console().print(table)


@subscribers_command.command("add", help=tell("Add one person who agreed to get the letter."))
@click.argument("address")
@click.option("--first-name", default="", help=tell("The first name."))
@click.option("--last-name", default="", help=tell("The last name."))
@click.option("--language", "spoken", default="", help=tell("The language, such as fr."))
@click.option("--segment", "segments", multiple=True, help=tell("A segment; may be given again."))
@click.option("--consent", default="", help=tell("The exact text to which this person agreed."))
@click.option("--consent-version", default="", help=tell("The version of that text."))
def add_command(
    address: str,
    first_name: str,
    last_name: str,
    spoken: str,
    segments: tuple[str, ...],
    consent: str,
    consent_version: str,
) -> None:
    newcomer = register.Newcomer(
        address=address,
        first_name=first_name,
        last_name=last_name,
        language=spoken,
        segments=frozenset(segments),
    )
    entry = Consent(
        kind=Kind.ADDED,
        at=_now(),
        source=_SOURCE,
        wording=consent,
        wording_version=consent_version,
    )
    with _store() as engine:
        secret = read_keys(os.environ)
        person = register.add_subscriber(engine, newcomer, entry, secret=secret)
    show(tell("✓ “{address}” is a subscriber now.", address=person.address))


@subscribers_command.command("remove", help=tell("Unsubscribe one person; the reason stays known."))
@click.argument("address")
def remove_command(address: str) -> None:
    with _store() as engine:
        before, after = register.remove(engine, address, now=_now(), source=_SOURCE)
    if before is after:
        message = mark("“{address}” was not written to any more ({state}).")
        show(tell(message, address=address, state=register.STATE_WORDS[after]))
    else:
        show(tell("✓ “{address}” is unsubscribed.", address=address))


@subscribers_command.command(
    "forget", help=tell("Erase one person. An unreadable trace keeps them from coming back.")
)
@click.argument("address")
@click.option("--yes", is_flag=True, help=tell("Do not ask before erasing."))
def forget_command(address: str, yes: bool) -> None:
    secret = require_keys(os.environ)
    if not yes and sys.stdin.isatty():
        message = tell("Erase all that is known of “{address}”, for good?", address=address)
        click.confirm(message, abort=True)
    with _store() as engine:
        register.forget(engine, address, secret=secret, now=_now(), source=_SOURCE)
    show(tell("✓ “{address}” is forgotten, and no list brings them back.", address=address))


@subscribers_command.command("show", help=tell("All that is known of one person, as JSON."))
@click.argument("address")
def show_command(address: str) -> None:
    with _store() as engine, reading(engine) as connection:
        person = register.get_subscriber(connection, address, read_keys(os.environ))
        letters = letters_of(connection, person.id)
        show_json(person_facts(connection, person) | {"letters": letters})


@subscribers_command.command("stats", help=tell("How many there are, by state and by segment."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def stats_command(as_json: bool) -> None:
    with _store() as engine:
        stats = count_people(engine)
        with reading(engine) as connection:
            stale = count_stale(connection, now=_now())
    if as_json:
        states = {state.value: count for state, count in stats.states.items()}
        facts = {"states": states, "segments": dict(stats.segments), "kept_out": stats.suppressed}
        show_json(facts | {"stale": stale})
        return
    for state, count in stats.states.items():
        if count or state is State.ACTIVE:
            show("  " + tell("{label}: {count}", label=_state(state), count=count))
    if stats.segments:
        show(tell("Active, by segment:"))
    for segment, count in stats.segments.items():
        show("  " + tell("{label}: {count}", label=segment, count=count))
    if stale:
        show(
            tell_count(
                "{count} agreed more than three years ago: ask them again, or let them go"
                " (“infolettre subscribers list --stale”)",
                "{count} agreed more than three years ago: ask them again, or let them go"
                " (“infolettre subscribers list --stale”)",
                stale,
            )
        )


@subscribers_command.command(
    "segments", help=tell("Segments that are rules. Show them, save one, drop one.")
)
@click.option("--save", nargs=2, help=tell("A name, and a rule in quotation marks."))
@click.option("--drop", help=tell("Drop the rule of this name; nobody is removed."))
def segments_command(save: tuple[str, str] | None, drop: str | None) -> None:
    with _store() as engine, writing(engine) as connection:
        if save:
            save_filter(connection, save[0], parse_rule(save[1]))
        if drop and not drop_filter(connection, drop):
            message = mark("no rule is called “{name}”; there are: {known}")
            known = ", ".join(saved_filters(connection)) or "—"
            raise WorkspaceError(message, name=drop, known=known)
        for name, rule in saved_filters(connection).items():
            found = count_found(connection, Asked(state=State.ACTIVE, segment=name))
            show(f"{found:>9} {name}: {rule}")
