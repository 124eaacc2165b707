"""``send``: a letter to a list of people, or to one address as a test."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from pipeline.audience.address import normalise_address
from pipeline.audience.people import Person, read_people
from pipeline.cli.open import make_pictures, open_issue, open_press
from pipeline.cli.speech import (
    language,
    show,
    show_json,
    show_mistakes,
    tell,
    tell_count,
)
from pipeline.delivery.leftover import Leftover
from pipeline.delivery.mailing import Mailing, recipient_of, secret_of
from pipeline.delivery.ports import Outcome, Provider, Recipient, State
from pipeline.delivery.providers import open_provider
from pipeline.delivery.sending import Summary, send_letter
from pipeline.errors import InputError, Mistake
from pipeline.words import mark
from pipeline.workspace import Workspace, find_workspace, shown


@click.command("send", help=tell("Send a letter. To everybody in a CSV file, or to you as a test."))
@click.argument("issue")
@click.option(
    "--to",
    "people_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=tell("A CSV file: email, first_name, last_name, segments."),
)
@click.option("--test", "test_address", help=tell("Send to this one address only."))
@click.option("--provider", "provider_name", help=tell("outbox, smtp or sendgrid."))
@click.option("--dry-run", is_flag=True, help=tell("Do everything but send."))
@click.option("--yes", is_flag=True, help=tell("Do not ask before sending."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def send_command(
    issue: str,
    people_file: Path | None,
    test_address: str | None,
    provider_name: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    if (people_file is None) == (test_address is None):
        raise click.UsageError(tell("Say to whom: --to people.csv, or --test you@example.org"))
    workspace = find_workspace(Path.cwd())
    mailing = _mailing(workspace, issue, is_test=test_address is not None)
    name = provider_name or workspace.settings.delivery.provider
    people = _People(people_file, test_address)
    count = people.count()
    mailing.letter_for(Recipient(id="", address=""))  # what cannot be rendered is told first
    provider = open_provider(
        name, settings=workspace.settings, root=workspace.root, environ=os.environ
    )
    with closing(provider):
        secret = secret_of(os.environ, provider=name)
        if dry_run:
            show(_ready(mailing, count, name))
            return
        if not (yes or test_address) and sys.stdin.isatty():
            confirm(_ready(mailing, count, name))
        leftover = Leftover(workspace.var / "send" / f"{mailing.issue.slug}-{_moment()}.csv")
        with _interruptible(provider), leftover, _progress(count) as step:
            summary = send_letter(
                provider,
                mailing.letter_for,
                (
                    recipient_of(person, settings=workspace.settings, secret=secret)
                    for person in people
                ),
                batch=workspace.settings.delivery.batch,
                on_outcome=_ear(step, leftover),
                on_left=leftover.add,
            )
    rest = leftover.path if people_file else None
    _show_summary(summary, people, as_json=as_json, rest=rest)
    if summary.accepted < count or people.mistakes:
        raise SystemExit(1)


@contextmanager
def _interruptible(provider: Provider) -> Iterator[None]:
    """Let Ctrl-C end the sending but not what is told of it; pressed again, it ends at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        click.echo(tell("Stopping: what is under way is finished first. Again to quit."), err=True)
        provider.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(tell("Quit: of those under way, nobody knows whether they have it."), err=True)
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGINT, before)


def confirm(statement: str) -> None:
    """Ask before something that cannot be undone; any other answer than yes aborts."""
    show(statement)
    answer = click.prompt(
        tell("Send now? yes / no"), default="", show_default=False, prompt_suffix=" › "
    )
    if answer.strip().lower() not in {"o", "oui", "y", "yes"}:
        raise click.Abort


def _mailing(workspace: Workspace, issue: str, *, is_test: bool) -> Mailing:
    folder = workspace.find_issue(issue)
    press = open_press(workspace)
    return Mailing(
        issue=open_issue(workspace, folder, press),
        press=press,
        pictures=lambda edition: make_pictures(edition, folder, workspace),
        campaign=f"{folder.name}-test-{_moment()}" if is_test else folder.name,
    )


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")


class _People:
    """The people of a CSV file, or the one of a test; read anew at each iteration."""

    def __init__(self, file: Path | None, address: str | None) -> None:
        self.file = file
        self.address = address
        self.mistakes: list[Mistake] = []

    def count(self) -> int:
        """Return how many rows are right, and keep the mistakes of the others."""
        self.mistakes = [row for row in self._rows() if isinstance(row, Mistake)]
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Person]:
        return (row for row in self._rows() if isinstance(row, Person))

    def _rows(self) -> Iterator[Person | Mistake]:
        if self.file is None:
            yield Person(address=str(normalise_address(self.address or "")))
            return
        try:
            with self.file.open(encoding="utf-8", newline="") as lines:
                yield from read_people(lines, path=str(self.file))
        except UnicodeDecodeError:
            message = mark("{file} is not UTF-8 text: save it again as “CSV UTF-8”")
            raise InputError(message, file=self.file) from None


def _ready(mailing: Mailing, count: int, provider: str) -> str:
    return tell_count(
        "“{title}” is ready for {count} person, by {provider}.",
        "“{title}” is ready for {count} people, by {provider}.",
        count,
        title=mailing.issue.title,
        provider=provider,
    )


def _ear(step: Callable[[], None], leftover: Leftover) -> Callable[[Outcome, Recipient], None]:
    """Return what hears of each outcome: a trouble is named at once, and the bar moves."""

    def hear(outcome: Outcome, recipient: Recipient) -> None:
        step()
        if outcome.state is State.ACCEPTED:
            return
        told = outcome.error.say(language()) if outcome.error else outcome.detail
        sentence = _STATES[outcome.state]
        said = tell(sentence, address=recipient.address, code=outcome.code, detail=told)
        click.echo(said, err=True)
        if outcome.state is not State.UNCERTAIN:
            leftover.add(recipient)

    return hear


@contextmanager
def _progress(count: int) -> Iterator[Callable[[], None]]:
    """Yield what moves the bar by one; there is a bar on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(tell("Sending"), total=count)
        yield lambda: bar.advance(task)


_STATES = {
    State.DEFERRED: mark("{address}: not now ({code} {detail}); send again later"),
    State.FAILED: mark("{address}: refused ({code} {detail})"),
    State.UNCERTAIN: mark(
        "{address}: handed over, but no answer came ({detail}): it may have left"
    ),
}


def _show_summary(summary: Summary, people: "_People", *, as_json: bool, rest: Path | None) -> None:
    counts = {
        "accepted": summary.accepted,
        "deferred": summary.deferred,
        "failed": summary.failed,
        "uncertain": summary.uncertain,
        "waiting": summary.waiting,
        "faulty_rows": len(people.mistakes),
    }
    if as_json:
        show_json(counts | {"repeated": summary.repeated, "rest": str(rest) if rest else None})
    else:
        _show_counts(counts, summary.repeated)
    if people.mistakes:
        show_mistakes(people.mistakes)
    if summary.error:
        click.echo(click.style(summary.error.say(language()), fg="red"), err=True)
    if rest and not as_json:
        show(tell("To send to those who have nothing yet: --to {file}", file=shown(rest)))


def _show_counts(counts: dict[str, int], repeats: int) -> None:
    sent = counts["accepted"]
    show(tell_count("✓ {count} message handed over.", "✓ {count} messages handed over.", sent))
    others = {
        "deferred": tell("refused for now"),
        "failed": tell("refused"),
        "uncertain": tell("without an answer"),
        "waiting": tell("not handed over"),
        "faulty_rows": tell("rows of the file at fault"),
    }
    for name, label in others.items():
        if counts[name]:
            show(f"  {counts[name]} {label}")
    if repeats:
        show(
            tell_count(
                "  {count} was there already, as it was sent first: it was not written again",
                "  {count} were there already, as they were sent first: not written again",
                repeats,
            )
        )
