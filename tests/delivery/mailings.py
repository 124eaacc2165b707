"""Campaigns for tests: people in a database, a frozen letter, a worker with a provider of ours."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update

from pipeline.delivery.campaign import Campaign
from pipeline.delivery.campaigns import get_campaign, open_campaign, resume_campaign
from pipeline.delivery.ears import Ears
from pipeline.delivery.events import Event
from pipeline.delivery.frozen import Frozen
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Provider, Recipient, State
from pipeline.delivery.states import CampaignState
from pipeline.delivery.tending import tend
from pipeline.delivery.worker import Worker
from pipeline.settings import Delivery, Organisation, Sender, Settings, Site
from pipeline.store.campaigns import batch, campaign, delivery
from pipeline.store.engine import reading, writing
from pipeline.store.people import subscriber, subscriber_segment
from tests.delivery.letters import an_edition

START = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
SECRET = {"INFOLETTRE_SECRET": "a key that only this test knows"}


def settings_with(*, batch: int = 10, **delivery: object) -> Settings:
    return Settings(
        site=Site(name="La lettre", url="https://lettre.example"),
        organisation=Organisation(name="Le Cercle", contact="contact@cercle.example"),
        senders={"redaction": Sender(name="La rédaction", email="lettre@cercle.example")},
        delivery=Delivery(batch=batch, **delivery),  # type: ignore[arg-type]
    )


def add_people(engine: Engine, count: int, *, segment: str = "", first: int = 1) -> None:
    """Add active people ``personne.N@exemple.example``, with ids in the order of N."""
    numbers = range(first, first + count)
    rows = [
        {
            "address": f"personne.{number}@exemple.example",
            "address_key": f"personne.{number}@exemple.example",
            "public_id": f"public-{number:014}",
            "first_name": f"Prénom {number}",
            "state": "active",
            "state_at": START,
            "attributes": {},
            "created_at": START,
        }
        for number in numbers
    ]
    with writing(engine) as connection:
        for row in range(0, count, 5_000):
            some = rows[row : row + 5_000]
            ids = connection.scalars(
                insert(subscriber).returning(subscriber.c.id, sort_by_parameter_order=True), some
            ).all()
            if segment:
                tags = [{"subscriber_id": number, "segment": segment} for number in ids]
                connection.execute(insert(subscriber_segment), tags)


def a_frozen(*, slug: str = "2026-11-27-essai", subject: str = "Essai") -> Frozen:
    """Return a small frozen letter without variants."""
    from pipeline.delivery.fields import frame_letter

    settings = settings_with()
    edition = an_edition(slug=slug, subject=subject)
    return Frozen(
        slug=slug,
        title="Essai",
        segments=(),
        editions={0: edition},
        pictures={},
        frame=frame_letter(settings.senders["redaction"], settings, letter=slug),
    )


def a_campaign(
    engine: Engine, *, provider: str = "scripted", segment: str = "all", slug: str = "essai"
) -> Campaign:
    """Return a campaign that is scheduled for as soon as a worker is there."""
    return open_campaign(
        engine, a_frozen(slug=slug), segment=segment, provider=provider, now=START, by="test"
    ).campaign


class Clock:
    """A clock that tests set; it stands still otherwise."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class Died(BaseException):
    """The worker is killed: right after a provider took this recipient."""


class Bug(Died):
    """An error of ours, right after a provider took this recipient; the worker lives on."""


Script = Callable[[Recipient, int], State | BaseException | None]


def accepts(recipient: Recipient, turn: int) -> State:
    return State.ACCEPTED


@dataclass
class Scripted:
    """A provider that keeps to a script and remembers what it took; a real port, not a mock.

    The script says, for a recipient and how often they were handed over before, what becomes of
    them: a state, an exception that ends the batch before them, ``Died`` right after them, or None:
    they are taken and nothing is said of it.
    """

    script: Script = accepts
    batch: int = 1000
    can_be_asked: bool = False
    name: str = "scripted"
    taken: dict[str, int] = field(default_factory=dict)
    served: Counter[str] = field(default_factory=Counter)  # those who may have it, how often
    ids: set[str] = field(default_factory=set)
    retry_after: float | None = None
    code: str = ""
    before: Callable[[Sequence[Recipient]], None] = lambda recipients: None
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(batch=self.batch, can_be_asked=self.can_be_asked)

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        self.before(recipients)
        silent: list[str] = []
        for recipient in recipients:
            if self._stopped.is_set():
                return
            turn = self.taken.get(recipient.address, 0)
            found = self.script(recipient, turn)
            if isinstance(found, Exception):
                # The port: of whom nothing was said when it raises, they were not handed over.
                yield from (Outcome(recipient=one, state=State.UNCERTAIN) for one in silent)
                raise found
            self.taken[recipient.address] = turn + 1
            if found not in (State.DEFERRED, State.FAILED):
                self.ids.add(letter.message_id(recipient))
                self.served[recipient.address] += 1
            if isinstance(found, BaseException):
                raise found
            if found is None:
                silent.append(recipient.id)
            else:
                yield Outcome(
                    recipient=recipient.id,
                    state=found,
                    code=self.code,
                    retry_after=self.retry_after if found is State.DEFERRED else None,
                )

    def held(self, message_ids: Collection[str]) -> frozenset[str]:
        if not self.can_be_asked:
            raise NotImplementedError
        return frozenset(message_ids) & self.ids

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        return []

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        pass


def a_worker(
    engine: Engine,
    provider: Provider,
    *,
    settings: Settings | None = None,
    clock: Callable[[], datetime] | None = None,
    ears: Ears | None = None,
    root: Path | None = None,
) -> Worker:
    """Return a worker whose only provider is this one, under the name it has."""
    return Worker(
        engine=engine,
        settings=settings or settings_with(),
        root=root or Path(os.devnull),
        environ=SECRET,
        clock=clock or Clock(),
        rng=Random(7),
        ears=ears,
        providers={provider.name: provider},
    )


def bury(engine: Engine, worker: Worker) -> None:
    """Make of what a worker holds what a dead one on another machine holds, its lease run out."""
    values = {"worker": "elsewhere|0|pid:[0]//1/1/0", "lease_until": START - timedelta(days=9)}
    with writing(engine) as connection:
        mine = batch.c.worker == worker.name
        connection.execute(update(batch).where(mine).values(values))


def drain(worker: Worker, clock: Clock, number: int, *, rounds: int = 60) -> Campaign:
    """Let a healthy world go on until a campaign is over; whatever pauses it is resumed."""
    for _ in range(rounds):
        tend(worker)
        while worker.work(number):
            pass
        found = read_campaign(worker.engine, number)
        if found.is_over:
            return found
        if found.state is CampaignState.PAUSED:
            resume_campaign(worker.engine, number, now=clock())
        clock.advance(hours=2)
    raise AssertionError(f"campaign {number} does not end: {read_campaign(worker.engine, number)}")


def read_campaign(engine: Engine, number: int) -> Campaign:
    with reading(engine) as connection:
        return get_campaign(connection, number)


def rows_of(engine: Engine, number: int | None = None) -> list[Row[Any]]:
    """Return the rows of a campaign's recipients, or of all, with their addresses, in order."""
    query = (
        select(delivery, subscriber.c.address, subscriber.c.public_id)
        .join_from(delivery, subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .order_by(delivery.c.campaign_id, delivery.c.subscriber_id)
    )
    if number is not None:
        query = query.where(delivery.c.campaign_id == number)
    with reading(engine) as connection:
        return list(connection.execute(query))


def tally(engine: Engine, number: int | None = None) -> dict[str, int]:
    """Count the recipients by where they stand."""
    return dict(Counter(row.state for row in rows_of(engine, number)))


def batches_of(engine: Engine, number: int) -> list[Row[Any]]:
    with reading(engine) as connection:
        query = select(batch).where(batch.c.campaign_id == number).order_by(batch.c.number)
        return list(connection.execute(query))


def leave(engine: Engine, address: str, *, state: str = "unsubscribed") -> None:
    """Let somebody leave, at once."""
    with writing(engine) as connection:
        here = subscriber.c.address == address
        connection.execute(update(subscriber).where(here).values(state=state))


def person(number: int) -> str:
    """Return the address of the person of this number."""
    return f"personne.{number}@exemple.example"


def set_campaign(engine: Engine, number: int, **values: object) -> None:
    """Write columns of a campaign, past all rules."""
    with writing(engine) as connection:
        connection.execute(update(campaign).where(campaign.c.id == number).values(**values))
