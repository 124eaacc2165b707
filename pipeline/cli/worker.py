"""``worker``: sends and pulls what is due, at its time, for as long as it runs."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import click
from sqlalchemy import Engine

from pipeline.cli.dispatch import is_shared, read_state
from pipeline.cli.post import interruptible, open_judge, open_worker
from pipeline.cli.speech import language, tell
from pipeline.cli.tally import figure, how_far, in_words, on_the_clock, show_wrapped, state_words
from pipeline.cli.veille.told import summary_line
from pipeline.delivery import campaigns, ledger
from pipeline.delivery.campaign import STATUS_WORDS, Campaign
from pipeline.delivery.chores import do_chores
from pipeline.delivery.ears import Ears
from pipeline.delivery.states import CampaignState, Status
from pipeline.delivery.tending import work_here
from pipeline.delivery.worker import Worker
from pipeline.errors import InfolettreError, WorldError
from pipeline.settings import Settings
from pipeline.store.engine import reading
from pipeline.store.upgrade import opened_store
from pipeline.veille.due import Puller, Upkeep, pull_due
from pipeline.veille.pull import Report
from pipeline.workspace import Workspace, find_workspace

LOOK: Final = 2.0  # seconds between two looks at what has changed


@click.command(
    "worker",
    help=tell("Send and pull what is due. Schedules, retries, bounces, feeds; until Ctrl-C."),
)
@click.option("--once", is_flag=True, help=tell("Do what can be done now, then end; for cron."))
def worker_command(once: bool) -> None:
    workspace = find_workspace(Path.cwd())
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        diary = _Diary(engine, workspace.settings)
        ears = Ears(on_trouble=diary.on_trouble)
        with (
            open_worker(workspace, engine, ears) as worker,
            diary.kept(),
            _open_puller(workspace, worker, diary) as puller,
        ):

            def stop() -> None:
                puller.stop()
                worker.stop()

            try:
                with interruptible(stop, on_stop=diary.on_stop, on_quit=diary.on_quit):
                    _serve(workspace, worker, puller, diary, once=once)
            except KeyboardInterrupt:  # the second one
                raise SystemExit(1) from None


def _open_puller(workspace: Workspace, worker: Worker, diary: "_Diary") -> Puller:
    """Return what pulls the feeds that are due, for ``with``."""

    def pull(is_stopped: Callable[[], bool]) -> Report | None:
        return pull_due(
            worker.engine,
            workspace,
            clock=worker.clock,
            rng=Random(),  # noqa: S311 - jitter
            worker=worker.name,
            is_stopped=is_stopped,
        )

    return Puller(pull, on_report=diary.on_pull, on_trouble=diary.on_trouble)


def _serve(
    workspace: Workspace, worker: Worker, puller: Puller, diary: "_Diary", *, once: bool
) -> None:
    engine, settings = worker.engine, workspace.settings
    judge = open_judge(workspace, engine)
    upkeep = Upkeep(engine=engine, keep_days=settings.veille.keep_days)

    def chores() -> None:
        do_chores(
            engine,
            settings,
            root=workspace.root,
            environ=os.environ,
            now=worker.clock(),
            upkeep=upkeep,
        )

    def chores_and_pull() -> None:
        puller.begin()
        chores()

    if is_shared(engine) and not once:
        from pipeline.delivery.jobs import serve_jobs

        serve_jobs(
            worker,
            judge=judge,
            chores=chores,
            pull=puller.begin_and_wait,
            ready=diary.on_ready,
        )
        return
    if once:
        work_here(worker, judge=judge, chores=chores_and_pull, goes_on=lambda: _is_due(worker))
        puller.wait()
    else:
        diary.on_ready()
        work_here(worker, judge=judge, chores=chores_and_pull)


def _is_due(worker: Worker) -> bool:
    """Say whether a batch is open that may leave now."""
    with reading(worker.engine) as connection:
        running = campaigns.all_campaigns(connection, states=[CampaignState.RUNNING])
    return any(
        ledger.open_batches(worker.engine, found.id) and worker.resting_until(found.id) is None
        for found in running
    )


class _Diary:
    """What a worker writes down, a line each with its hour: what began, stopped and ended."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._known: dict[int, Campaign] = {}
        self._told: set[str] = set()

    def write(self, line: str) -> None:
        """Print a line."""
        hour = on_the_clock(datetime.now(UTC), self._settings)
        show_wrapped(f"{hour}  {line}", indent=" " * (len(hour) + 2))

    def on_trouble(self, error: InfolettreError) -> None:
        """Write down a trouble; the same one, once."""
        said = error.say(language())
        if said not in self._told:
            self._told.add(said)
            self.write(said)

    def on_stop(self) -> None:
        self.write(tell("Stopping: what is under way is finished and written down."))

    def on_quit(self) -> None:
        self.write(tell("Quit at once."))

    def on_pull(self, report: Report) -> None:
        """Write down what feeds brought, and that some could not be had; else nothing."""
        if report.new or report.failed:
            self.write(tell("Veille. {said}", said=summary_line(report)))

    def on_ready(self) -> None:
        """Say that work has begun, and what is scheduled."""
        self.write(tell("Ready to send what is due (Ctrl-C to stop)."))
        for found in self._campaigns():
            if found.state is CampaignState.SCHEDULED and found.scheduled_at:
                when = in_words(found.scheduled_at, self._settings)
                self.write(self._line(found, tell("is scheduled: {when}", when=when)))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Look at the campaigns again and again while the block runs, and once at its end."""
        self._known = {one.id: one for one in self._campaigns()}
        over = threading.Event()
        thread = threading.Thread(target=self._keep, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._look()

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(LOOK):
            self._look()

    def _look(self) -> None:
        """Write down what has changed since the last look."""
        try:
            found = self._campaigns()
            for one in found:
                before = self._known.get(one.id)
                if before is None or before.state is not one.state:
                    self._tell(one, was=before)
        except WorldError:
            return  # the worker tells it
        self._known = {one.id: one for one in found}

    def _tell(self, found: Campaign, *, was: Campaign | None) -> None:
        has_begun = found.started_at and not (was and was.started_at)
        if has_begun:
            said = tell("begins: {n} recipients", n=figure(found.total))
            self.write(self._line(found, said))
        if found.state is CampaignState.RUNNING and has_begun:
            return
        said = tell("is {state}", state=state_words(found))
        if found.started_at:
            said = tell("{state}; {far}", state=said, far=self._far(found))
        self.write(self._line(found, said))

    def _far(self, found: Campaign) -> str:
        counts = read_state(self._engine, found.id).counts
        parts = [how_far(counts)]
        for status in (Status.FAILED, Status.UNCERTAIN):
            if count := counts.of(status):
                word = tell(STATUS_WORDS[status])
                parts.append(tell("{label}: {count}", label=word, count=figure(count)))
        return ", ".join(parts)

    def _line(self, found: Campaign, said: str) -> str:
        return tell("Campaign {id} “{title}” {said}", id=found.id, title=found.title, said=said)

    def _campaigns(self) -> list[Campaign]:
        with reading(self._engine) as connection:
            return campaigns.all_campaigns(connection)
