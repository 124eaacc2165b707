"""Batches as jobs of Procrastinate on PostgreSQL: any number of workers, anywhere, share them.

A job is a hint that a batch is open. Who is served, and by whom, stands in the delivery tables
alone: a job that is lost is announced again, one too many ends at once. What a job does is
:mod:`pipeline.delivery.worker`'s and :mod:`pipeline.delivery.tending`'s.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg import Error as PsycopgError
from sqlalchemy import Engine, text

from pipeline.delivery import tending
from pipeline.delivery.campaigns import all_campaigns
from pipeline.delivery.job_tables import SCHEMA, allowed, prepare, settle, within_schema
from pipeline.delivery.states import CampaignState
from pipeline.delivery.tending import Judge
from pipeline.delivery.worker import Worker
from pipeline.errors import InfolettreError, WorldError
from pipeline.store.engine import reading, show_url, writing
from pipeline.words import mark

QUEUE: Final = "infolettre"
FEEDS: Final = "veille"  # a queue of its own: feeds are pulled beside the batches
ROUND: Final = "* * * * * */10"  # croniter: the sixth field is the seconds
MINUTE: Final = "* * * * *"
STALLED: Final = 30.0  # seconds without a heartbeat, of which there is one every ten
MANY: Final = 100  # jobs: PostgreSQL should know of so many, or each is searched for slowly
GLANCE: Final = 0.2  # seconds between two looks whether to stop
FIRST_DELAY: Final = 0.5  # seconds until the database is tried again, doubled each time
MAX_DELAY: Final = 15.0
PATIENCE: Final = 5.0  # seconds until a connection that is not to be had counts as lost
JUMP: Final = 5.0  # seconds by which the clock was set: the periodic jobs would wait for its return
_CONNECT: Final = {"connect_timeout": 10, "tcp_user_timeout": 30_000}  # s, ms: a network that hangs
_AWAY: Final = (ConnectorException, PsycopgError)

for _name in ("procrastinate", "psycopg"):  # their tracebacks are no sentence for a person
    logging.getLogger(_name).addHandler(logging.NullHandler())

_CANNOT: Final = mark(
    "the jobs in the database {url} cannot be worked on ({reason}): check that the server runs"
)


#: Pulls feeds until that is done, or until what it is called with says that it is over.
Pull = Callable[[Callable[[], bool]], None]


# --- announced --------------------------------------------------------------------------------


def announce(engine: Engine, campaign_id: int) -> None:
    """Queue a job for each open batch of a campaign that has none.

    One transaction, which others who announce wait for: no batch is queued twice. On SQLite,
    where there are no jobs, nothing is done. Raises what :func:`prepare` raises.
    """
    if engine.dialect.name != "postgresql":
        return
    with allowed(engine), writing(engine) as connection:
        settle(connection)
        numbers = list(connection.scalars(_UNANNOUNCED, {"campaign": campaign_id}))
        if not numbers:
            return
        jobs = [_job(campaign_id, number) for number in numbers]
        try:
            with within_schema(connection) as raw:
                JobManager(SyncPsycopgConnector()).batch_defer_jobs(jobs, connection=raw)
        except ConnectorException as error:
            raise _trouble(engine, error) from error
        if len(jobs) >= MANY:
            connection.execute(text(f"ANALYZE {SCHEMA}.procrastinate_jobs"))


_UNANNOUNCED: Final = text(
    f"""
    SELECT number FROM batch
    WHERE campaign_id = :campaign AND state = 'open' AND NOT EXISTS (
        SELECT FROM {SCHEMA}.procrastinate_jobs AS job
        WHERE job.queueing_lock = 'batch:' || campaign_id || ':' || number
            AND job.status = 'todo'
    )
    ORDER BY number
    """  # noqa: S608 - a name of ours
)


def _job(campaign_id: int, number: int) -> Job:
    """Return a batch's job; it needs no ``lock``, since the batch is claimed by one alone."""
    return Job(
        queue=QUEUE,
        task_name="send_batch",
        lock=None,
        queueing_lock=f"batch:{campaign_id}:{number}",  # _UNANNOUNCED knows it
        task_kwargs={"campaign_id": campaign_id, "number": number},
    )


def _trouble(engine: Engine, error: BaseException) -> WorldError:
    reason = " ".join(str(error.__cause__ or error).split())[:300]
    return WorldError(_CANNOT, retryable=True, url=show_url(engine.url), reason=reason)


# --- worked on --------------------------------------------------------------------------------


def serve_jobs(
    worker: Worker,
    *,
    judge: Judge = tending.unobjected,
    chores: Callable[[], None] = lambda: None,
    pull: Pull = lambda is_over: None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Work on jobs in this program until ``worker.stop()`` was called, by whomever.

    The job under way then ends as the worker lets it, recorded, and nothing stays claimed.
    ``ready`` is called once, when jobs are taken; ``chores`` once a minute, by one of all workers;
    ``pull`` likewise, but beside the batches; it comes back soon when what it is given says so.
    A database that is away is told to the worker's ears, once, and waited for. Raises what
    :func:`prepare` raises but for WorldError, and any error of our own that ended a job.
    """
    asyncio.run(_Service(worker, judge=judge, chores=chores, pull=pull, ready=ready).run())


class _Service:
    """One worker's jobs: one at a time, as a worker and its providers do one thing; and a pull."""

    def __init__(
        self,
        worker: Worker,
        *,
        judge: Judge,
        chores: Callable[[], None],
        pull: Pull,
        ready: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._engine = worker.engine
        self._judge = judge
        self._chores = chores
        self._pull = pull
        self._ready = ready
        self._is_ready = False
        self._is_ending = False
        self._failure: BaseException | None = None
        self._told = ""
        self._delay = FIRST_DELAY

    @property
    def _is_over(self) -> bool:
        return self._worker.is_stopped or self._failure is not None

    async def run(self) -> None:
        """Serve, and after a trouble serve again, until it is over."""
        asyncio.get_running_loop().set_exception_handler(_overhear)
        while not self._is_over:
            try:
                await asyncio.to_thread(prepare, self._engine)
                await self._serve()
            except WorldError as error:
                self._tell(error)
            except _AWAY as error:
                self._tell(_trouble(self._engine, error))
            await self._pause()
        if self._failure is not None:
            raise self._failure

    async def _serve(self) -> None:
        """Let Procrastinate work until it is over, or Procrastinate gives up.

        It gives up when the connection is lost: it waits for the job under way and ends, mostly
        without raising what happened.
        """
        app = self._make_app()
        async with app.open_async():
            self._is_ending = False
            serving = {self._take(app, queue) for queue in (QUEUE, FEEDS)}
            if not self._is_ready:
                self._is_ready = True
                self._ready()
            offset = _clock_offset()
            try:
                while not (any(one.done() for one in serving) or self._is_over):
                    await asyncio.wait(serving, timeout=GLANCE, return_when=asyncio.FIRST_COMPLETED)
                    if abs(_clock_offset() - offset) > JUMP:
                        return
            finally:
                self._is_ending = True
                await _end(serving)

    def _take(self, app: App, queue: str) -> "asyncio.Task[None]":
        """Begin to take the jobs of a queue, one at a time."""
        return asyncio.create_task(
            app.run_worker_async(
                queues=[queue],
                name=self._worker.name,
                concurrency=1,
                delete_jobs="always",
                install_signal_handlers=False,
                stalled_worker_timeout=STALLED,
            )
        )

    def _make_app(self) -> App:
        connector = PsycopgConnector(
            min_size=1, max_size=6, timeout=PATIENCE, kwargs=_connect_arguments(self._engine)
        )
        app = App(connector=connector)

        @app.task(name="send_batch", queue=QUEUE)
        def send_batch(campaign_id: int, number: int) -> None:
            self._guard(lambda: self._worker.work(campaign_id, number=number))

        # No lock: a worker that died in a round would keep all others from theirs.
        @app.periodic(cron=ROUND)
        @app.task(name="round", queue=QUEUE, queueing_lock="round", priority=2)
        async def make_round(timestamp: int) -> None:
            is_tended = await asyncio.to_thread(self._guard, self._tend)
            await _forget_stalled(app)
            if await asyncio.to_thread(self._guard, self._announce_all) and is_tended:
                self._told, self._delay = "", FIRST_DELAY

        @app.periodic(cron=MINUTE)
        @app.task(name="chores", queue=QUEUE, queueing_lock="chores", lock="chores", priority=1)
        def do_chores(timestamp: int) -> None:
            self._guard(self._do_chores)

        @app.periodic(cron=MINUTE)
        @app.task(name="pull", queue=FEEDS, queueing_lock="pull", lock="pull")
        def pull(timestamp: int) -> None:
            self._guard(lambda: self._pull(lambda: self._is_over or self._is_ending))

        return app

    def _tend(self) -> None:
        tending.tend(self._worker, judge=self._judge)

    def _announce_all(self) -> None:
        with reading(self._engine) as connection:
            running = all_campaigns(connection, states=[CampaignState.RUNNING])
        for found in running:
            if self._worker.resting_until(found.id) is None:
                announce(self._engine, found.id)

    def _do_chores(self) -> None:
        try:
            self._chores()
        except InfolettreError as error:  # a mailbox that cannot be read keeps no letter back
            self._worker.ears.on_trouble(error)

    def _guard(self, act: Callable[[], object]) -> bool:
        """Do what a job asks for; say whether it went well. An error of ours ends the service."""
        if self._is_over:
            return False
        try:
            act()
        except WorldError as error:
            self._tell(error)
            return False
        except BaseException as error:
            self._failure = error
            return False
        return True

    def _tell(self, error: WorldError) -> None:
        """Tell a trouble, unless it was told since all was well."""
        if not self._told:
            self._worker.ears.on_trouble(error)
        self._told = str(error)

    async def _pause(self) -> None:
        end = time.monotonic() + self._delay
        self._delay = min(MAX_DELAY, self._delay * 2)
        while not self._is_over and time.monotonic() < end:
            await asyncio.sleep(GLANCE)


async def _end(serving: "Collection[asyncio.Task[None]]") -> None:
    """Let the jobs under way end, and take no more; raise what a queue ended with."""
    for one in serving:
        one.cancel()
    for ended in await asyncio.gather(*serving, return_exceptions=True):
        if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
            raise ended


async def _forget_stalled(app: App) -> None:
    """Remove the jobs of workers that died, which Procrastinate leaves as they are.

    They are not put back, as another of the same name may be queued already: whatever is open is
    announced anew.
    """
    manager = app.job_manager
    with suppress(ConnectorException):  # another worker's round was quicker, or see the next step
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
            await manager.finish_job(job, Status.FAILED, delete_job=True)


def _connect_arguments(engine: Engine) -> dict[str, Any]:
    """Return what psycopg is to connect with: as the engine does, to the jobs' schema."""
    _, found = engine.dialect.create_connect_args(engine.url)
    options = f"{found.get('options', '')} -c search_path={SCHEMA}".strip()
    return {**_CONNECT, **found, "options": options}


def _clock_offset() -> float:
    return time.time() - time.monotonic()


def _overhear(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Be silent of jobs whose end could not be written down: the next round sees to them."""
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)
