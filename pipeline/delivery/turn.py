"""A batch in a worker's hands, from its first slice to its last outcome.

Slice by slice: who is still there, is there room, hand over, write down. What becomes of the batch
and of the campaign afterwards is the worker's concern.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Engine

from pipeline.delivery import campaigns, ledger, pace
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.ears import Ears
from pipeline.delivery.events import MAX_DETAIL, without_addresses
from pipeline.delivery.ledger import Claim, Reader, Record
from pipeline.delivery.mailing import recipient_of
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, Provider, State
from pipeline.delivery.retry import strike_delay, trip
from pipeline.delivery.states import CampaignState, Status
from pipeline.settings import Settings
from pipeline.store.engine import reading

LEASE: Final = timedelta(seconds=40)  # renewed long before; see delivery.watch
FLUSH_SECONDS: Final = 0.1  # outcomes are written while others are under way, not after them
HORIZON: Final = timedelta(seconds=10)  # of a domain's rate
SHORT_REST: Final = timedelta(seconds=5)  # a worker waits with its batch; longer, it gives it back


class Hands(Protocol):
    """What a turn asks of the worker that takes it."""

    @property
    def engine(self) -> Engine: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def ears(self) -> Ears: ...
    @property
    def is_stopped(self) -> bool: ...
    def clock(self) -> datetime: ...
    def sleep(self, seconds: float) -> bool: ...
    def letter(self, found: Campaign, variant: int) -> Letter: ...
    def slice_size(self, name: str) -> int: ...
    def note_speed(self, name: str, count: int, seconds: float) -> None: ...
    def due_again(self, attempts: int, *, retry_after: float | None) -> datetime | None: ...
    def persist(self, claim: Claim, records: Sequence[Record], *, close: str = "") -> None: ...
    def rest(self, found: Campaign, seconds: float) -> None: ...


def pace_of(found: Campaign) -> str:
    """Return the name under which all campaigns of a provider keep its pace."""
    return f"provider:{found.provider}"


@dataclass(slots=True)
class Turn:
    """One batch in the worker's hands: its outcomes, and those not written yet.

    Where it ``is_cut_short`` somebody has no outcome, and the batch is to be open again; not while
    it ``is_handing_over``, since then somebody may be served. ``reason`` says why the campaign
    should stand still.
    """

    worker: Hands
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
            if not self._may_go_on(some, is_first=not self.outcomes):
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

    def _may_go_on(self, some: Sequence[Reader], *, is_first: bool) -> bool:
        """Keep to the pace; between slices, look whether the batch and the campaign still run.

        Last of all it is noted who is about to be served: if we die, of nobody else is it in doubt.
        """
        worker = self.worker
        if not is_first:
            with reading(worker.engine) as connection:
                found = campaigns.get_campaign(connection, self.campaign.id)
            if found.state is not CampaignState.RUNNING:
                return False
        if not self._wait_for_room(len(some)):
            return False
        lease, last = worker.clock() + LEASE, some[-1].subscriber_id
        return ledger.extend_lease(worker.engine, self.claim, lease_until=lease, begun_to=last)

    def _wait_for_room(self, count: int) -> bool:
        """Reserve room for so many, and wait for it; False where that would be long."""
        worker = self.worker
        rate = worker.settings.delivery.rate
        now = worker.clock()
        start = pace.next_at(worker.engine, pace_of(self.campaign), now=now)
        if start > now + SHORT_REST:
            return False
        if rate:
            start = pace.reserve(
                worker.engine, pace_of(self.campaign), count=count, rate=rate, now=now
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
                worker.engine,
                f"{name}:later",
                count=len(rest),
                rate=limit.rate,
                now=now,
                is_queue=True,
            )
            for place, reader in enumerate(rest):
                due = max(start, now + HORIZON) + timedelta(seconds=place / limit.rate)
                self._note(reader, Status.DEFERRED, code="domain", due_at=due, tried=False)
                waiting.add(reader.subscriber_id)
        return [one for one in readers if one.subscriber_id not in waiting]

    def _send(self, provider: Provider, readers: Sequence[Reader], *, secret: bytes) -> None:
        worker = self.worker
        began, answered = time.monotonic(), len(self.outcomes)
        for variant in sorted({reader.variant for reader in readers}):
            letter = worker.letter(self.campaign, variant)
            those = [reader for reader in readers if reader.variant == variant]
            recipients = [
                recipient_of(reader, settings=worker.settings, secret=secret) for reader in those
            ]
            known = {reader.public_id: reader for reader in those}
            left = set(known)
            self.is_handing_over = True
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

    def _hear(self, outcome: Outcome, reader: Reader) -> None:
        self.outcomes.append(outcome)
        status, due = Status(outcome.state.value), None
        if outcome.state is State.DEFERRED:
            due = self.worker.due_again(reader.attempts + 1, retry_after=outcome.retry_after)
            status = Status.DEFERRED if due else Status.FAILED
        code = " ".join(one for one in (outcome.code, outcome.enhanced) if one)
        detail = without_addresses(outcome.detail[:MAX_DETAIL])
        self._note(reader, status, code=code, detail=detail, due_at=due, outcome=outcome)
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
