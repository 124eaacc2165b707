"""What is broken on purpose: each scene breaks one thing while letters go out, and counts."""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import func, update

from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.campaigns import pause_campaign, resume_campaign
from pipeline.delivery.ports import Recipient, State
from pipeline.delivery.states import CampaignState
from pipeline.delivery.tending import tend
from pipeline.delivery.worker import utc_now
from pipeline.errors import InputError
from pipeline.store.campaigns import pace
from pipeline.store.engine import writing
from pipeline.store.people import subscriber
from tests.delivery.mailings import (
    Clock,
    Scripted,
    a_campaign,
    a_worker,
    accepts,
    drain,
    leave,
    person,
    read_campaign,
    settings_with,
)
from tests.servers import Answer, sendgrid_server
from tests.torture.sink import Manners, sink
from tests.torture.stage import (
    SQLITE,
    Ended,
    Stage,
    kill_at_random,
    postgresql,
    stage,
    wait_until,
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a run is; ``rounds`` is how often something is done that takes its time."""

    people: int
    kills: int
    batch: int
    rounds: int


SMALL: Final = Size(people=600, kills=6, batch=20, rounds=2)
FULL: Final = Size(people=20_000, kills=50, batch=200, rounds=6)


@contextmanager
def _by_smtp(
    size: Size, *, manners: Manners | None = None, url: str = SQLITE, **environ: str
) -> Iterator[tuple[Stage, Any]]:
    """Yield a stage whose letters go to a sink."""
    with (
        tempfile.TemporaryDirectory(prefix="infolettre-sink-") as folder,
        sink(Path(folder), manners) as server,
        stage(
            size.people,
            provider="smtp",
            url=url,
            arrived=server.taken,
            progress=server.size,
            INFOLETTRE_SMTP__HOST="127.0.0.1",
            INFOLETTRE_SMTP__PORT=str(server.port),
            INFOLETTRE_SMTP__SECURITY="none",
            INFOLETTRE_SMTP__TIMEOUT="2",
            INFOLETTRE_DELIVERY__BATCH=str(size.batch),
            **environ,
        ) as found,
    ):
        yield found, server


# --- killed -----------------------------------------------------------------------------------


def killed_into_the_outbox(size: Size, rng: Random) -> Ended:
    """SIGKILL, Maildir, SQLite."""
    with stage(size.people, INFOLETTRE_DELIVERY__BATCH=str(size.batch)) as found:
        kill_at_random(found, size.kills, rng=rng)
        found.finish()
        return found.end()


def killed_by_smtp(size: Size, rng: Random) -> Ended:
    """SIGKILL, SMTP, SQLite."""
    with _by_smtp(size) as (found, _):
        kill_at_random(found, size.kills, rng=rng)
        found.finish()
        return found.end(most_uncertain=found.kills * size.batch)


def killed_one_of_three(size: Size, rng: Random) -> Ended:
    """SIGKILL of one of three workers, SMTP, PostgreSQL."""
    with postgresql() as server, _by_smtp(size, url=server.url) as (found, _):
        kill_at_random(found, size.kills, rng=rng, workers=3, arguments=("worker",))
        done = wait_until(lambda: found.state() is CampaignState.DONE, seconds=180)
        found.check(done, "the campaign does not end")
        return found.end(most_uncertain=found.kills * size.batch)


def killed_one_of_three_into_the_outbox(size: Size, rng: Random) -> Ended:
    """SIGKILL of one of three workers, Maildir, PostgreSQL."""
    batch = str(size.batch)
    with (
        postgresql() as server,
        stage(size.people, url=server.url, INFOLETTRE_DELIVERY__BATCH=batch) as found,
    ):
        kill_at_random(found, size.kills, rng=rng, workers=3, arguments=("worker",))
        done = wait_until(lambda: found.state() is CampaignState.DONE, seconds=180)
        found.check(done, "the campaign does not end")
        return found.end()


# --- the database -----------------------------------------------------------------------------


def _restarted(size: Size, rng: Random, mode: str) -> Ended:
    with (
        postgresql() as server,
        _by_smtp(size, url=server.url, manners=Manners(pause=0.005)) as (found, _),
    ):
        for _ in range(3):
            found.start("worker")
        for part in range(size.rounds):
            goal = found.people * (part + 1) // (size.rounds + 1)
            wait_until(lambda goal=goal: found.progress() >= goal, seconds=120)  # type: ignore[misc]
            found.engine.dispose()
            server.stop(mode)
            time.sleep(rng.uniform(0, 1))
            server.start()
        done = wait_until(lambda: found.state() is CampaignState.DONE, seconds=180)
        found.check(done, "the campaign does not end")
        return found.end()


def restarted_fast(size: Size, rng: Random) -> Ended:
    """PostgreSQL restarted again and again (-m fast), three workers."""
    return _restarted(size, rng, "fast")


def restarted_at_once(size: Size, rng: Random) -> Ended:
    """PostgreSQL restarted again and again (-m immediate), three workers."""
    return _restarted(size, rng, "immediate")


def full_disk(size: Size, rng: Random) -> Ended:
    """The disk is full while outcomes are written, SQLite."""
    with _by_smtp(size, manners=Manners(pause=0.002)) as (found, _):
        process = found.start()
        log = found.folder / "var/infolettre.db-wal"
        for part in (1, 2):
            goal = found.people * part // 4
            wait_until(lambda goal=goal: found.progress() >= goal)  # type: ignore[misc]
            used = log.stat().st_size // 2 if log.exists() else 0
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (used, resource.RLIM_INFINITY))
            _until_it_stands(found)  # the log has room up to there, and a batch is under way
            stands = found.progress()
            time.sleep(1.0)
            found.check(found.progress() == stands, "it goes on although it cannot write it down")
            free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, free)
        process.wait(300)
        found.check("cannot be used" in found.said(), "the full disk is said")
        found.finish()
        return found.end()


def _until_it_stands(found: Stage) -> None:
    """Wait until a second has passed in which nobody got the letter."""
    for _ in range(30):
        before = found.progress()
        time.sleep(1.0)
        if found.progress() == before:
            return


# --- the server -------------------------------------------------------------------------------


def _misbehaving(size: Size, manners: Manners, **ends: int) -> Ended:
    with _by_smtp(size, manners=manners) as (found, server):
        found.finish()
        found.check(bool(manners.refused) or server.faults() > 0, "the server did not misbehave")
        return found.end(
            most_uncertain=server.faults() if manners.drop or manners.hang else 0, **ends
        )


def drops_after_the_dot(size: Size, rng: Random) -> Ended:
    """The server drops every 50th connection after the final dot, unanswered."""
    return _misbehaving(size, Manners(drop=50))


def stalls_after_the_dot(size: Size, rng: Random) -> Ended:
    """The server says nothing more after some final dots."""
    return _misbehaving(size, Manners(hang=size.people // 4))


def greylists(size: Size, rng: Random) -> Ended:
    """The server puts everybody off at first."""
    large = replace(size, batch=max(size.batch, size.people // 20))
    with _by_smtp(large, manners=Manners(grey=True)) as (found, _):
        found.start("worker")
        deadline = time.monotonic() + 180
        while found.state() is not CampaignState.DONE and time.monotonic() < deadline:
            time.sleep(0.5)
            found.pass_time()
            _wait_for_the_rest(found, shorten=True)
        found.check(found.state() is CampaignState.DONE, "the campaign does not end")
        return found.end()


def limits_connections(size: Size, rng: Random) -> Ended:
    """The server takes two connections at a time of our four."""
    return _misbehaving(size, Manners(most=2))


def refuses_one_domain(size: Size, rng: Random) -> Ended:
    """The server refuses one domain for good."""
    with _by_smtp(size, manners=Manners(refused="@refuse.example")) as (found, _):
        address = func.replace(subscriber.c.address, "exemple", "refuse")
        with writing(found.engine) as connection:
            tenth = subscriber.c.id % 10 == 0
            connection.execute(update(subscriber).where(tenth).values(address=address))
        found.finish()
        return found.end(failed=size.people // 10)


def _wait_for_the_rest(found: Stage, *, shorten: bool = False) -> None:
    """Wait as long as the provider rests, or let that time pass."""
    until = found.rest_until()
    if until is None:
        return
    if shorten:
        with writing(found.engine) as connection:
            connection.execute(update(pace).values(next_at=utc_now()))
        return
    time.sleep(max(0.0, (until - utc_now()).total_seconds()))


def storms_of_429(size: Size, rng: Random) -> Ended:
    """SendGrid answers 429 with Retry-After, again and again."""
    calls: list[tuple[float, float]] = []  # when, and how long it asked to be left alone
    arrived: list[str] = []
    most = 3 * size.rounds

    def decide(body: dict[str, Any]) -> Answer | None:
        wait = rng.choice((1, 2, 6)) if len(calls) % 3 == 1 and len(calls) < most else 0
        calls.append((time.monotonic(), wait))
        if wait:
            return Answer(status=429, headers={"Retry-After": str(wait)})
        arrived.extend(one["to"][0]["email"] for one in body["personalizations"])
        return None

    with sendgrid_server() as stub:
        stub.decide = decide
        with stage(
            size.people,
            provider="sendgrid",
            arrived=lambda: arrived,
            progress=lambda: len(arrived),
            INFOLETTRE_SENDGRID_API_KEY=stub.key,
            INFOLETTRE_SENDGRID__HOST=stub.host,
            INFOLETTRE_DELIVERY__BATCH=str(size.batch),
        ) as found:
            for _ in range(60):
                found.run()
                if found.state() is CampaignState.DONE:
                    break
                found.pass_time()
                _wait_for_the_rest(found)
            for (then, wait), (now, _) in pairwise(calls):
                found.check(now - then >= wait - 0.1, f"called after {now - then:.1f} of {wait} s")
            batches = -(-size.people // size.batch)
            storms = sum(1 for _, wait in calls if wait)
            found.check(storms > 0, "there was a storm")
            enough = 2 * (batches + storms * 2)  # a batch may be handed over in two slices
            found.check(len(calls) <= enough, f"{len(calls)} calls for {batches} batches")
            return found.end()


# --- people -----------------------------------------------------------------------------------


def two_at_once(size: Size, rng: Random) -> Ended:
    """Two programs send the same letter at once, SQLite."""
    with _by_smtp(size) as (found, _):
        both = [found.start("send", read_campaign(found.engine, 1).slug, "--to", "all", "--yes")]
        both.append(found.start("worker", "--once"))
        codes = [process.wait(300) for process in both]
        found.check(codes == [0, 0], f"they end with {codes}: {found.said()[-300:]}")
        found.finish()
        return found.end()


def leaving_meanwhile(size: Size, rng: Random) -> Ended:
    """Every tenth of the last third leaves while the first third gets it."""
    with _by_smtp(size, manners=Manners(pause=0.003)) as (found, server):
        process = found.start()
        wait_until(lambda: found.progress() >= size.people // 5)
        those = [person(number) for number in range(size.people * 2 // 3, size.people, 10)]
        for address in those:
            leave(found.engine, address)
        process.wait(300)
        found.finish()
        served = set(server.taken()) & set(those)
        found.check(not served, f"{len(served)} had left")
        return found.end(skipped=len(those))


def paused_and_resumed(size: Size, rng: Random) -> Ended:
    """Paused and resumed again and again by another program."""
    with _by_smtp(size, manners=Manners(pause=0.002)) as (found, _):
        for _ in range(size.rounds):
            process = found.start()
            goal = found.progress() + size.people // (size.rounds + 2)
            wait_until(lambda goal=goal: found.progress() >= goal, seconds=10)  # type: ignore[misc]
            _try(lambda: pause_campaign(found.engine, found.number, reason=Pause.PERSON))
            process.wait(60)
            _try(lambda: resume_campaign(found.engine, found.number, now=utc_now()))
        found.finish()
        return found.end()


def _try(act: Callable[[], Campaign]) -> None:
    try:
        act()
    except InputError:
        return  # it was over already


def the_clock_jumps(size: Size, rng: Random) -> Ended:
    """The clock jumps by hours, to and fro, between batches; some are put off."""
    provider = Scripted(batch=size.batch)
    with stage(size.people, provider="outbox", arrived=lambda: _served(provider)) as found:
        clock = Clock(utc_now())
        found.number = a_campaign(found.engine).id
        settings = settings_with(batch=size.batch)

        def script(recipient: Recipient, turn: int) -> State:
            return State.DEFERRED if rng.random() < 0.1 else State.ACCEPTED

        provider.script = script
        with a_worker(found.engine, provider, settings=settings, clock=clock) as worker:
            for _ in range(3 * size.people // size.batch):
                tend(worker)
                worker.work(found.number)
                clock.now += timedelta(hours=rng.uniform(-5, 5))
            provider.script = accepts
            drain(worker, clock, found.number)
        return found.end()


def _served(provider: Scripted) -> list[str]:
    return list(provider.served.elements())


SCENES: Final[tuple[Callable[[Size, Random], Ended], ...]] = (
    killed_into_the_outbox,
    killed_by_smtp,
    killed_one_of_three,
    killed_one_of_three_into_the_outbox,
    restarted_fast,
    restarted_at_once,
    full_disk,
    drops_after_the_dot,
    stalls_after_the_dot,
    greylists,
    limits_connections,
    refuses_one_domain,
    storms_of_429,
    two_at_once,
    leaving_meanwhile,
    paused_and_resumed,
    the_clock_jumps,
)
