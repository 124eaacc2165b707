"""A campaign on its way: worked on in this program, or followed where workers do the work.

What is told while it goes; what was opened, and what is told at the end, are the callers'.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from pipeline.cli.bar import Bar, Troubles, open_bar
from pipeline.cli.post import interruptible, open_judge, open_worker
from pipeline.cli.speech import tell
from pipeline.cli.tally import on_the_clock
from pipeline.delivery import campaigns, ledger
from pipeline.delivery.campaign import Campaign, Counts
from pipeline.delivery.ears import Ears
from pipeline.delivery.ledger import Reader
from pipeline.delivery.ports import Outcome
from pipeline.delivery.states import WAITING, CampaignState, Status
from pipeline.delivery.tending import start_due, work_here
from pipeline.delivery.worker import Worker
from pipeline.store.engine import reading
from pipeline.workspace import Workspace

PATIENCE: Final = timedelta(seconds=90)  # for a retry, or a provider that asked for a rest
LOOK: Final = 1.0  # seconds between two looks at what workers do
STILL: Final = 15.0  # seconds without a change, until we say that nobody seems to work


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How far a campaign is when this program leaves it."""

    campaign: Campaign
    counts: Counts


def read_state(engine: Engine, number: int) -> Ended:
    """Return a campaign and its counts, of one moment."""
    with reading(engine) as connection:
        return Ended(
            campaign=campaigns.get_campaign(connection, number),
            counts=campaigns.count_deliveries(connection, number),
        )


def is_shared(engine: Engine) -> bool:
    """Say whether workers elsewhere do the work: on PostgreSQL they do."""
    return engine.dialect.name == "postgresql"


def dispatch(workspace: Workspace, engine: Engine, found: Campaign, *, people: int) -> Ended:
    """Start a campaign, or go on with it, and see it through as far as it goes now.

    ``people`` is how many it is expected to have.
    """
    with open_bar(read_state(engine, found.id).counts, people=people) as bar:
        troubles = Troubles(bar.say)
        run = _follow if is_shared(engine) else _work
        try:
            run(workspace, engine, found, bar=bar, troubles=troubles)
        except KeyboardInterrupt:  # the second one
            raise SystemExit(1) from None
        finally:
            troubles.end()
        ended = read_state(engine, found.id)
        bar.show(ended.counts)
    return ended


# --- in this program --------------------------------------------------------------------------


def _work(
    workspace: Workspace, engine: Engine, found: Campaign, *, bar: Bar, troubles: Troubles
) -> None:
    def hear(status: Status, reader: Reader, outcome: Outcome | None) -> None:
        troubles.on_outcome(status, reader, outcome)
        if status is not Status.DEFERRED:
            bar.advance()

    ears = Ears(on_outcome=hear, on_trouble=troubles.on_trouble)
    with open_worker(workspace, engine, ears) as worker:
        going = _Going(worker, found.id, bar)
        with interruptible(
            worker.stop,
            on_stop=lambda: bar.say(_stopping()),
            on_quit=lambda: bar.leave(_quitting()),
        ):
            work_here(
                worker, judge=open_judge(workspace, engine), goes_on=going.look, only=found.id
            )
        ledger.finish_campaign(engine, found.id, now=worker.clock())


def _stopping() -> str:
    return tell("Stopping: what is under way is finished and written down. Again to quit at once.")


def _quitting() -> str:
    return tell(
        "Quit at once. Of those who were under way nobody knows yet whether they have it: the same"
        " command finds out what it can."
    )


class _Going:
    """Decides, when no batch can be taken now, whether it is worth waiting."""

    def __init__(self, worker: Worker, number: int, bar: Bar) -> None:
        self._worker = worker
        self._number = number
        self._bar = bar
        self._told = ""

    def look(self) -> bool:
        """Show the exact counts; say whether to wait for more."""
        state = read_state(self._worker.engine, self._number)
        self._bar.show(state.counts)
        if state.campaign.state is not CampaignState.RUNNING:
            return False
        now = self._worker.clock()
        if state.counts.of(Status.QUEUED):
            until = self._worker.resting_until(self._number)
            return until is None or self._waits(until, now)
        due = state.counts.next_due
        return due is None or self._waits(due, now)

    def _waits(self, until: datetime, now: datetime) -> bool:
        if until - now > PATIENCE:
            return False
        at = on_the_clock(until, self._worker.settings)
        if at != self._told:
            self._told = at
            self._bar.say(tell("The next try is at {at}. Waiting; Ctrl-C to leave.", at=at))
        return True


# --- elsewhere --------------------------------------------------------------------------------


def _follow(
    workspace: Workspace, engine: Engine, found: Campaign, *, bar: Bar, troubles: Troubles
) -> None:
    from pipeline.delivery.jobs import announce

    with open_worker(workspace, engine, Ears(on_trouble=troubles.on_trouble)) as worker:
        if found.state is CampaignState.SCHEDULED:
            start_due(worker, found, judge=open_judge(workspace, engine))
    announce(engine, found.id)
    left = threading.Event()
    with interruptible(
        left.set, on_stop=lambda: bar.say(_leaving(found)), on_quit=lambda: bar.leave("")
    ):
        for state in _states(engine, found.id, left):
            bar.show(state.counts)
            if not _is_moving(state):
                return
            if state.is_still:
                bar.say(
                    tell("Nothing has moved for a while: does “infolettre worker” run somewhere?")
                )


def _leaving(found: Campaign) -> str:
    return tell(
        "You may leave: the workers go on. To stop them: infolettre campaign pause {id}",
        id=found.id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look(Ended):
    """One look; ``is_still`` once nothing has moved for long, and not again until it moves."""

    is_still: bool = False


def _states(
    engine: Engine, number: int, left: threading.Event, *, patience: float = STILL
) -> Iterator[_Look]:
    """Yield how far it is, about once a second, until ``left`` is set."""
    before, moved_at, is_told = None, time.monotonic(), False
    while not left.is_set():
        began = time.monotonic()
        state = read_state(engine, number)
        key = (state.counts.by_status, state.campaign.state)
        if key != before or state.counts.claimed:
            before, moved_at, is_told = key, began, False
        is_still = not is_told and began - moved_at > patience
        is_told = is_told or is_still
        yield _Look(campaign=state.campaign, counts=state.counts, is_still=is_still)
        left.wait(max(LOOK, 5 * (time.monotonic() - began)))


def _is_moving(state: Ended) -> bool:
    """Say whether there is something to follow: not where all wait for a later try."""
    if state.campaign.state is not CampaignState.RUNNING:
        return False
    due = state.counts.next_due
    if state.counts.of(*WAITING) and not state.counts.of(Status.QUEUED) and due:
        return due - datetime.now(UTC) <= PATIENCE
    return True
