"""A progress bar for a campaign, and troubles told beside it without a flood."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.speech import language, tell, tell_count
from pipeline.cli.tally import figure
from pipeline.delivery.campaign import Counts
from pipeline.delivery.ledger import Reader
from pipeline.delivery.ports import Outcome
from pipeline.delivery.states import WAITING, Status
from pipeline.errors import InfolettreError
from pipeline.words import mark

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SHOWN: Final = 10  # recipients in trouble that are named
REFRESH: Final = 0.2  # seconds

_TROUBLES: Final = {
    Status.DEFERRED: mark("{address}: not now ({said}); tried again later"),
    Status.FAILED: mark("{address}: refused ({said})"),
    Status.UNCERTAIN: mark("{address}: handed over, but no answer came ({said})"),
}


class Bar:
    """How far a campaign is, on a terminal; elsewhere nothing is shown.

    ``people`` is how many there will be, for as long as nobody has a row yet.
    """

    def __init__(
        self,
        people: int,
        progress: "Progress | None" = None,
        task: "TaskID | None" = None,
    ) -> None:
        self._total = people
        self._progress = progress
        self._task = task
        self._settled = 0
        self._shown_at = 0.0

    def show(self, counts: Counts) -> None:
        """Take over exact counts."""
        self._total = counts.total or self._total
        self._settled = counts.total - counts.of(*WAITING)
        self._refresh()

    def advance(self) -> None:
        """Count one recipient more who is settled."""
        self._settled += 1
        if time.monotonic() - self._shown_at >= REFRESH:
            self._refresh()

    def say(self, line: str) -> None:
        """Print a line above the bar, on stderr."""
        if self._progress is None:
            click.echo(line, err=True)
        else:
            from rich.text import Text

            self._progress.console.print(Text(line))

    def leave(self, line: str) -> None:
        """Take the bar off the terminal, which gets its cursor back, and print a last line."""
        if self._progress is not None:
            self._progress.stop()
        if line:
            click.echo(line, err=True)

    def _refresh(self) -> None:
        self._shown_at = time.monotonic()
        if self._progress is None or self._task is None:
            return
        said = f"{figure(min(self._settled, self._total))} / {figure(self._total)}"
        self._progress.update(
            self._task, completed=min(self._settled, self._total), total=self._total, said=said
        )


@contextmanager
def open_bar(counts: Counts, *, people: int) -> Iterator[Bar]:
    """Yield a bar that begins at ``counts``, or at none of ``people``; it stays at its end."""
    if not sys.stderr.isatty():
        yield Bar(people)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = Bar(people, progress, progress.add_task(tell("Sending"), total=None, said=""))
        bar.show(counts)
        yield bar


def answer_of(outcome: Outcome, address: str) -> str:
    """Return why somebody was not served: our own words, or the provider's without the address."""
    told = outcome.error.say(language()) if outcome.error else outcome.detail
    told = told.replace(f"<{address}>", "").replace(address, "")
    code = "" if told.startswith(outcome.code) else outcome.code
    return " ".join(f"{code} {told}".split()) or "—"


class Troubles:
    """Hears each outcome: the first few in trouble are named, the rest counted.

    ``say`` prints a line. A trouble of the whole campaign is told once, not at each try.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._count = 0
        self._told: set[str] = set()

    def on_outcome(self, status: Status, reader: Reader, outcome: Outcome | None) -> None:
        """Name one who could not be served, as long as they are few."""
        if outcome is None or status not in _TROUBLES:
            return
        self._count += 1
        if self._count > SHOWN:
            return
        said = answer_of(outcome, reader.address)
        self._say(tell(_TROUBLES[status], address=reader.address, said=said))

    def on_trouble(self, error: InfolettreError) -> None:
        """Tell what keeps everybody waiting."""
        said = error.say(language())
        if said not in self._told:
            self._told.add(said)
            self._say(said)

    def end(self) -> None:
        """Say how many more there were than were named."""
        if (more := self._count - SHOWN) > 0:
            self._say(
                tell_count(
                    "… and {n} more like these: “infolettre campaign show” counts the reasons",
                    "… and {n} more like these: “infolettre campaign show” counts the reasons",
                    more,
                    n=figure(more),
                )
            )
