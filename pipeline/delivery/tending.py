"""What has to be done between batches, and the engine that does it all in one program.

Campaigns are started when their time has come, the batches of dead workers are settled, those who
were put off get their turn again, and what is finished is called so. Each step can be done by any
number of programs at once: the first does it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from pipeline.delivery import campaigns, ledger
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.states import CampaignState
from pipeline.delivery.worker import Worker
from pipeline.errors import InfolettreError, InputError, WorldError
from pipeline.store.engine import reading

POLL: Final = 2.0  # seconds between two looks where nothing is to be done
CHORES_SECONDS: Final = 60.0
TEND: Final = timedelta(seconds=5)  # between two rounds while batches are being worked on

Judge = Callable[[Campaign, datetime], Pause | None]


def unobjected(found: Campaign, now: datetime) -> Pause | None:
    """Have nothing against starting."""
    return None


def tend(worker: Worker, *, judge: Judge = unobjected, only: int | None = None) -> None:
    """Make one round through the campaigns. Raises WorldError where the database is away.

    ``judge`` may have a reason why a scheduled one should wait for a person instead; ``only`` is
    the number of the one campaign that is meant.
    """
    worker.recover()
    for found in _campaigns(worker, CampaignState.SCHEDULED, only=only):
        start_due(worker, found, judge=judge)
    for found in _campaigns(worker, CampaignState.RUNNING, only=only):
        worker.regroup(found)
        ledger.finish_campaign(worker.engine, found.id, now=worker.clock())


def _campaigns(worker: Worker, state: CampaignState, *, only: int | None) -> list[Campaign]:
    with reading(worker.engine) as connection:
        found = campaigns.all_campaigns(connection, states=[state])
    return [one for one in found if only in (None, one.id)]


def start_due(worker: Worker, found: Campaign, *, judge: Judge = unobjected) -> bool:
    """Start a scheduled campaign if its time has come; say whether it was started here."""
    now = worker.clock()
    if found.scheduled_at is not None and found.scheduled_at > now:
        return False
    if reason := judge(found, now):
        with suppress(InputError):  # another program was quicker
            campaigns.pause_campaign(worker.engine, found.id, reason=reason)
        return False
    return worker.start(found) is not None


def work_here(
    worker: Worker,
    *,
    judge: Judge = unobjected,
    chores: Callable[[], None] = lambda: None,
    goes_on: Callable[[], bool] = lambda: True,
    only: int | None = None,
) -> None:
    """Tend and work, in this program, until the worker is stopped or ``goes_on`` says no.

    ``chores`` is called once a minute; ``only`` is the number of the one campaign that is meant. A
    database that is away is waited for.
    """
    tended: datetime | None = None
    swept: float | None = None
    while not worker.is_stopped:
        try:
            if swept is None or time.monotonic() - swept >= CHORES_SECONDS:
                swept = time.monotonic()
                _do(chores, worker)
            if tended is None or worker.clock() - tended >= TEND or worker.clock() < tended:
                tend(worker, judge=judge, only=only)
                tended = worker.clock()
            if _work(worker, only=only):
                continue
            tend(worker, judge=judge, only=only)
            if not goes_on():
                return
        except WorldError as error:
            worker.ears.on_trouble(error)
        worker.sleep(POLL)


def _do(chores: Callable[[], None], worker: Worker) -> None:
    """Do what is beside sending; a mailbox that cannot be read keeps no letter back."""
    try:
        chores()
    except InfolettreError as error:
        worker.ears.on_trouble(error)


def _work(worker: Worker, *, only: int | None) -> bool:
    """Take batches of the first running campaign that has any; say whether there was one.

    It is time to look around again after ``TEND``, or when that campaign has no more.
    """
    until = time.monotonic() + TEND.total_seconds()
    for found in _campaigns(worker, CampaignState.RUNNING, only=only):
        if not worker.work(found.id):
            continue
        while time.monotonic() < until and worker.work(found.id):
            pass
        return True
    return False
