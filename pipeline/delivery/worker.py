"""The worker: takes a batch, hands it over, writes down what became of each, and only then goes on.

One code for both engines: :mod:`pipeline.delivery.tending` runs it in the program that was started,
:mod:`pipeline.delivery.jobs` as jobs on PostgreSQL. What follows from an outcome is decided in
:mod:`pipeline.delivery.retry`; the rows are :mod:`pipeline.delivery.ledger`'s.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from sqlalchemy import Engine

from pipeline.delivery import campaigns, ledger, pace
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.events import MAX_DETAIL, without_addresses
from pipeline.delivery.fields import make_message_id
from pipeline.delivery.heart import Heart
from pipeline.delivery.identity import is_dead, worker_name
from pipeline.delivery.ledger import Claim, Reader, Record
from pipeline.delivery.mailing import Addressee, recipient_of, secret_of
from pipeline.delivery.message import Letter, assemble_letter
from pipeline.delivery.ports import Outcome, Provider, Recipient, State
from pipeline.delivery.providers import open_provider
from pipeline.delivery.retry import (
    MAX_STRIKES,
    batch_size,
    due_again,
    strike_delay,
    trip,
)
from pipeline.delivery.states import CampaignState, Status
from pipeline.errors import InfolettreError, InputError, ProviderError, WorldError
from pipeline.settings import Settings
from pipeline.store.engine import reading

LEASE: Final = timedelta(seconds=40)  # of a worker that another machine cannot see
SLICE_SECONDS: Final = 2.0  # what is handed over between two looks at the campaign
FIRST_SLICE: Final = 100
FLUSH_SECONDS: Final = 0.1  # outcomes are written while others are under way, not after them
HORIZON: Final = timedelta(seconds=10)  # of a domain's rate
SHORT_REST: Final = timedelta(seconds=5)  # a worker waits with its batch; longer, it gives it back
MAX_LETTERS: Final = 64  # compiled and kept


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def _ignore(*facts: object) -> None:
    """Hear, and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who is told what happens, as it does: each outcome, and trouble that is being waited out."""

    on_outcome: Callable[[Status, Reader, Outcome | None], None] = _ignore
    on_trouble: Callable[[InfolettreError], None] = _ignore


class Worker:
    """Works for any campaign of one database, a batch at a time; for ``with``.

    ``clock`` says the time in UTC; ``open_by_name`` opens a provider, once.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        settings: Settings,
        root: Path,
        environ: Mapping[str, str],
        clock: Callable[[], datetime] = utc_now,
        rng: Random | None = None,
        ears: Ears | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.name = worker_name()
        self.clock = clock
        self.ears = ears or Ears()
        self._root = root
        self._environ = environ
        self._rng = rng or Random()  # noqa: S311 - jitter
        self._providers: dict[str, Provider] = dict(providers or {})
        self._letters: dict[tuple[int, int], Letter] = {}
        self._speed: dict[str, float] = {}
        self.begun: set[Claim] = set()  # of which somebody may have been served
        self._stop = threading.Event()
        self._heart = Heart(self._beat)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self._heart.stop()
        for provider in self._providers.values():
            provider.close()

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Take no more; what is under way is answered and written. For signal handlers, too."""
        self._stop.set()
        for provider in list(self._providers.values()):
            provider.stop()

    def sleep(self, seconds: float) -> bool:
        """Wait, unless or until :meth:`stop` is called; say whether to go on."""
        return not self._stop.wait(max(0.0, seconds))

    # --- a batch ------------------------------------------------------------------------------

    def work(self, campaign_id: int, *, number: int | None = None) -> bool:
        """Take one batch from beginning to end; False where there was none to take.

        Raises WorldError where the database cannot be reached: nothing is lost by trying again.
        """
        if self.is_stopped:
            return False
        found, rest = self._look(campaign_id)
        if rest or found.state is not CampaignState.RUNNING:
            return False
        lease = self.clock() + LEASE
        claim = ledger.claim_batch(
            self.engine, campaign_id, worker=self.name, lease_until=lease, number=number
        )
        if claim is None:
            return False
        with self._heart.holding(claim):
            self._hand_over(found, claim)
        return True

    def resting_until(self, campaign_id: int) -> datetime | None:
        """Return until when the campaign's provider is to be left alone, None where it is not."""
        return self._look(campaign_id)[1]

    def _look(self, campaign_id: int) -> tuple[Campaign, datetime | None]:
        """Return a campaign, and until when its provider rests; while it runs it stays as it is."""
        with reading(self.engine) as connection:
            found = campaigns.get_campaign(connection, campaign_id)
            until = pace.read_next_at(connection, _pace_of(found))
        return found, until if until > self.clock() + SHORT_REST else None

    def _hand_over(self, found: Campaign, claim: Claim) -> None:
        turn = _Turn(self, found, claim)
        try:
            provider = self.provider(found.provider)
            turn.run(provider, secret=secret_of(self._environ, provider=found.provider))
        except InputError as error:  # a secret, a folder: nobody can be served until it is mended
            turn.flush(close="open")
            self._pause(found, Pause.PROVIDER, error)
        except ProviderError as error:
            turn.flush(close="open")
            self._strike(found, error)
        except WorldError as error:  # the database: what is known by now is not known there
            self.ears.on_trouble(error)
            if turn.is_handing_over:  # settled later, as if we had died
                turn.flush()
                return
            turn.flush(close="open")
        except BaseException:
            turn.flush()
            raise
        else:
            turn.flush(close="open" if turn.is_cut_short else "done")
            if turn.reason:
                self._pause(found, turn.reason)
            elif found.strikes and not turn.is_cut_short:
                campaigns.forgive(self.engine, found.id)
        self.begun.discard(claim)

    def provider(self, name: str) -> Provider:
        """Return a provider, opened at its first use. Raises InputError, WorkspaceError."""
        if name not in self._providers:
            self._providers[name] = open_provider(
                name, settings=self.settings, root=self._root, environ=self._environ
            )
            if self.is_stopped:
                self._providers[name].stop()
        return self._providers[name]

    def letter(self, found: Campaign, variant: int) -> Letter:
        """Return a variant of what a campaign froze, compiled once."""
        key = (found.id, variant)
        if key not in self._letters:
            with reading(self.engine) as connection:
                edition = campaigns.read_variant(connection, found.id, variant)
                pictures = campaigns.read_pictures(connection, found.id)
            if len(self._letters) >= MAX_LETTERS:
                self._letters.clear()
            self._letters[key] = assemble_letter(
                edition, frame=found.frame, pictures=pictures, campaign=found.name
            )
        return self._letters[key]

    def slice_size(self, name: str) -> int:
        """Return how many recipients a provider takes in a moment, by what it took so far."""
        rate = self.settings.delivery.rate
        if rate:
            return max(1, int(rate))
        return max(1, int(self._speed.get(name, FIRST_SLICE / SLICE_SECONDS) * SLICE_SECONDS))

    def note_speed(self, name: str, count: int, seconds: float) -> None:
        """Learn from a slice how many a second a provider takes."""
        self._speed[name] = count / max(seconds, 0.001)

    def due_again(self, attempts: int, *, retry_after: float | None) -> datetime | None:
        return due_again(attempts, now=self.clock(), retry_after=retry_after, rng=self._rng)

    def persist(self, claim: Claim, records: Sequence[Record], *, close: str = "") -> None:
        """Write outcomes, and wait for a database that cannot take them: they exist only here."""
        delay = first = 0.5
        while True:
            try:
                ledger.record(self.engine, claim, records, now=self.clock(), close=close)
                return
            except WorldError as error:
                if delay == first:
                    self.ears.on_trouble(error)
                if self.is_stopped:
                    raise
                self.sleep(delay)
                delay = min(30.0, delay * 2)

    def _beat(self, claim: Claim) -> None:
        ledger.extend_lease(self.engine, claim, lease_until=self.clock() + LEASE)

    def _pause(self, found: Campaign, reason: Pause, error: InfolettreError | None = None) -> None:
        detail = error.say(self.settings.language) if error else ""
        try:
            campaigns.pause_campaign(self.engine, found.id, reason=reason, detail=detail)
        except InputError:
            return  # a person paused or cancelled it meanwhile
        if error:
            self.ears.on_trouble(error)

    def _strike(self, found: Campaign, error: ProviderError) -> None:
        """Leave the provider alone for a while; after some strikes in a row, for a person."""
        self.ears.on_trouble(error)
        most = MAX_STRIKES if error.retryable else 1
        detail = error.say(self.settings.language)
        strikes = campaigns.strike(self.engine, found.id, detail=detail, most=most)
        if strikes < most:
            delay = strike_delay(strikes, retry_after=error.retry_after)
            self.rest(found, delay)

    def rest(self, found: Campaign, seconds: float) -> None:
        """Let no worker bother the provider for so long."""
        until = self.clock() + timedelta(seconds=seconds)
        pace.rest(self.engine, _pace_of(found), until=until)

    # --- between batches ----------------------------------------------------------------------

    def start(self, found: Campaign) -> int | None:
        """Give each recipient of a scheduled campaign a row; see :func:`ledger.start_campaign`."""
        return ledger.start_campaign(
            self.engine, found.id, now=self.clock(), size=self.batch_size(found)
        )

    def batch_size(self, found: Campaign) -> int:
        try:
            at_once = self.provider(found.provider).capabilities.batch
        except InputError:
            at_once = self.settings.delivery.batch
        return batch_size(
            self.settings.delivery.batch, at_once=at_once, rate=self.settings.delivery.rate
        )

    def recover(self) -> int:
        """Settle the batches of workers that died; return how many.

        A provider that can be asked says who was served, and the rest goes out again; else those
        without an outcome are uncertain, and wait for a person.
        """
        count = 0
        for claim, lease_until in ledger.claimed_batches(self.engine):
            if self._heart.holds(claim) or not self._is_dead(claim, lease_until):
                continue
            if claim.worker == self.name and claim not in self.begun:
                self.persist(claim, [], close="open")  # the database was away as we took it
                count += 1
                continue
            lease = self.clock() + LEASE
            self.begun.add(replace(claim, worker=self.name))  # by whom it was begun
            mine = ledger.take_over(self.engine, claim, worker=self.name, lease_until=lease)
            if mine is not None:
                count += self._recover(mine)
        return count

    def _recover(self, claim: Claim) -> bool:
        """Settle a batch that was taken over; where its provider cannot be asked now, later."""
        try:
            with self._heart.holding(claim):
                self._settle(claim)
        except InputError as error:
            self.ears.on_trouble(error)
            return False
        self.begun.discard(claim)
        return True

    def _is_dead(self, claim: Claim, lease_until: datetime | None) -> bool:
        if claim.worker == self.name:
            return True  # an error of ours cut it off, and nobody works on it
        return is_dead(claim.worker, lease_until=lease_until, now=self.clock())

    def _settle(self, claim: Claim) -> None:
        with reading(self.engine) as connection:
            found = campaigns.get_campaign(connection, claim.campaign_id)
        readers = ledger.read_batch(self.engine, claim)
        try:
            provider = self.provider(found.provider)
            can_be_asked = provider.capabilities.can_be_asked
        except InputError:
            can_be_asked = False
        if not can_be_asked:
            records = [_uncertain(reader) for reader in readers]
            self.persist(claim, records, close="done")
            return
        ids = {
            make_message_id(found.name, reader.public_id, found.frame.domain): reader
            for reader in readers
        }
        held = provider.held(list(ids))
        records = [_found(ids[one]) for one in held]
        close = "open" if len(held) < len(readers) else "done"
        self.persist(claim, records, close=close)

    def regroup(self, found: Campaign) -> int:
        """Put those whose time to be tried again has come into batches; return how many."""
        return ledger.regroup_due(
            self.engine, found.id, now=self.clock(), size=self.batch_size(found)
        )


def _pace_of(found: Campaign) -> str:
    return f"provider:{found.provider}"


def _uncertain(reader: Reader) -> Record:
    return Record(subscriber_id=reader.subscriber_id, status=Status.UNCERTAIN)


def _found(reader: Reader) -> Record:
    return Record(subscriber_id=reader.subscriber_id, status=Status.ACCEPTED, detail="held")


@dataclass(slots=True)
class _Turn:
    """One batch in the worker's hands: its outcomes, and those not written yet.

    Where it ``is_cut_short`` somebody has no outcome, and the batch is to be open again; not while
    it ``is_handing_over``, since then somebody may be served. ``reason`` says why the campaign
    should stand still.
    """

    worker: Worker
    campaign: Campaign
    claim: Claim
    outcomes: list[Outcome] = field(default_factory=list)
    is_cut_short: bool = False
    is_handing_over: bool = False
    reason: Pause | None = None
    _unwritten: list[Record] = field(default_factory=list)
    _written_at: float = field(default_factory=time.monotonic)

    def run(self, provider: Provider, *, secret: bytes) -> None:
        """Hand over slice by slice. Raises ProviderError, InputError, WorldError."""
        readers = self._hold_back(
            self._leave_out(ledger.read_batch(self.worker.engine, self.claim))
        )
        while readers:
            size = self.worker.slice_size(self.campaign.provider)
            some, readers = readers[:size], readers[size:]
            if not self._may_go_on(len(some), is_first=not self.outcomes):
                self.is_cut_short = True
                return
            self._send(provider, some, secret=secret)
            if readers and (self.worker.is_stopped or self.reason):
                self.is_cut_short = True
            if self.is_cut_short:
                return
            if readers:
                self.flush()
                readers = self._leave_out(readers, look_again=True)

    def _may_go_on(self, count: int, *, is_first: bool) -> bool:
        """Keep to the pace; between slices, look whether the batch and the campaign still run."""
        worker = self.worker
        if not is_first:
            lease = worker.clock() + LEASE
            if not ledger.extend_lease(worker.engine, self.claim, lease_until=lease):
                return False
            with reading(worker.engine) as connection:
                found = campaigns.get_campaign(connection, self.campaign.id)
            if found.state != "running":
                return False
        rate = worker.settings.delivery.rate
        now = worker.clock()
        start = pace.next_at(worker.engine, _pace_of(self.campaign))
        if start > now + SHORT_REST:
            return False
        if rate:
            start = pace.reserve(
                worker.engine, _pace_of(self.campaign), count=count, rate=rate, now=now
            )
        return worker.sleep((start - now).total_seconds())

    def _leave_out(self, readers: list[Reader], *, look_again: bool = False) -> list[Reader]:
        """Skip those who left, or were suppressed, until this very moment."""
        if look_again:
            gone = ledger.left_meanwhile(self.worker.engine, readers)
        else:
            gone = {one.subscriber_id: one.state for one in readers if not one.is_active}
        for reader in readers:
            if reader.subscriber_id in gone:
                self._note(reader, Status.SKIPPED, code=gone[reader.subscriber_id], tried=False)
        return [reader for reader in readers if reader.subscriber_id not in gone]

    def _hold_back(self, readers: list[Reader]) -> list[Reader]:
        """Put off those whose domain takes no more for now."""
        worker = self.worker
        waiting: set[int] = set()
        for domain, limit in worker.settings.domains.items():
            ending = f"@{domain.lower()}"
            those = [one for one in readers if one.address.lower().endswith(ending)]
            if not those:
                continue
            now = worker.clock()
            name = f"domain:{domain.lower()}"
            given = pace.reserve_some(
                worker.engine, name, count=len(those), rate=limit.rate, now=now, horizon=HORIZON
            )
            rest = those[given:]
            if not rest:
                continue
            start = pace.reserve(
                worker.engine, f"{name}:later", count=len(rest), rate=limit.rate, now=now
            )
            for place, reader in enumerate(rest):
                due = max(start, now + HORIZON) + timedelta(seconds=place / limit.rate)
                self._note(reader, Status.DEFERRED, code="domain", due_at=due, tried=False)
                waiting.add(reader.subscriber_id)
        return [one for one in readers if one.subscriber_id not in waiting]

    def _send(self, provider: Provider, readers: Sequence[Reader], *, secret: bytes) -> None:
        worker = self.worker
        began, answered = time.monotonic(), len(self.outcomes)
        for letter, recipients in self._groups(readers, secret=secret):
            known = {reader.public_id: reader for reader in readers}
            left = {recipient.id for recipient in recipients}
            self.is_handing_over = True
            worker.begun.add(self.claim)
            for outcome in provider.send(letter, recipients):
                left.discard(outcome.recipient)
                self._hear(outcome, known[outcome.recipient])
            if worker.is_stopped:
                self.is_handing_over = False
                break
            for one in sorted(left):  # a provider that says nothing of them may have served them
                self._hear(Outcome(recipient=one, state=State.UNCERTAIN), known[one])
            self.is_handing_over = False
        count = len(self.outcomes) - answered
        if count < len(readers):
            self.is_cut_short = True
        else:
            worker.note_speed(self.campaign.provider, count, time.monotonic() - began)
        self.reason = trip(self.outcomes[answered:]) or trip(self.outcomes)
        self._ease(self.outcomes[answered:])

    def _groups(
        self, readers: Sequence[Reader], *, secret: bytes
    ) -> Iterator[tuple[Letter, list[Recipient]]]:
        settings = self.worker.settings
        for variant in sorted({reader.variant for reader in readers}):
            yield (
                self.worker.letter(self.campaign, variant),
                [
                    recipient_of(_addressee(reader), settings=settings, secret=secret)
                    for reader in readers
                    if reader.variant == variant
                ],
            )

    def _hear(self, outcome: Outcome, reader: Reader) -> None:
        self.outcomes.append(outcome)
        status, due = Status(outcome.state.value), None
        if outcome.state is State.DEFERRED:
            due = self.worker.due_again(reader.attempts + 1, retry_after=outcome.retry_after)
            status = Status.DEFERRED if due else Status.FAILED
        code = " ".join(one for one in (outcome.code, outcome.enhanced) if one)
        self._note(reader, status, code=code, detail=_detail(outcome), due_at=due, outcome=outcome)
        if time.monotonic() - self._written_at > FLUSH_SECONDS:
            self.flush()

    def _ease(self, outcomes: Sequence[Outcome]) -> None:
        """Leave a provider alone that asks for it, or that puts everybody off."""
        asked = max((one.retry_after or 0.0 for one in outcomes if one.code == "429"), default=0.0)
        put_off = [one for one in outcomes if one.state is State.DEFERRED]
        if not asked and len(put_off) >= 10 and len(put_off) == len(outcomes):
            asked = strike_delay(3, retry_after=None)
        if asked:
            self.worker.rest(self.campaign, asked)

    def _note(
        self,
        reader: Reader,
        status: Status,
        *,
        code: str = "",
        detail: str = "",
        due_at: datetime | None = None,
        tried: bool = True,
        outcome: Outcome | None = None,
    ) -> None:
        self._unwritten.append(
            Record(
                subscriber_id=reader.subscriber_id,
                status=status,
                code=code,
                detail=detail,
                due_at=due_at,
                is_attempt=tried,
            )
        )
        self.worker.ears.on_outcome(status, reader, outcome)

    def flush(self, *, close: str = "") -> None:
        """Write what is not written yet; with ``close``, give the batch back."""
        if self._unwritten or close:
            self.worker.persist(self.claim, self._unwritten, close=close)
        self._unwritten = []
        self._written_at = time.monotonic()


def _detail(outcome: Outcome) -> str:
    return without_addresses(outcome.detail[:MAX_DETAIL])


def _addressee(reader: Reader) -> Addressee:
    return Addressee(
        public_id=reader.public_id,
        address=reader.address,
        first_name=reader.first_name,
        last_name=reader.last_name,
    )
