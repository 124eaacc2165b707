"""The worker: takes a batch, hands it over, writes down what became of each, and only then goes on.

One code for both engines: :mod:`pipeline.delivery.tending` runs it in the program that was started,
:mod:`pipeline.delivery.jobs` as jobs on PostgreSQL. What follows from an outcome is decided in
:mod:`pipeline.delivery.retry`; the rows are :mod:`pipeline.delivery.ledger`'s.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from sqlalchemy import Engine

from pipeline.delivery import campaigns, ledger, pace, roll
from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.ears import Ears
from pipeline.delivery.fields import make_message_id
from pipeline.delivery.heart import Heart
from pipeline.delivery.identity import is_dead, worker_name
from pipeline.delivery.ledger import Claim, Reader, Record
from pipeline.delivery.mailing import secret_of
from pipeline.delivery.message import Letter, assemble_letter
from pipeline.delivery.ports import Provider
from pipeline.delivery.providers import open_provider
from pipeline.delivery.retry import (
    MAX_STRIKES,
    batch_size,
    due_again,
    strike_delay,
)
from pipeline.delivery.states import CampaignState, Status
from pipeline.delivery.turn import LEASE, SHORT_REST, Turn, pace_of
from pipeline.delivery.watch import Watch
from pipeline.errors import InfolettreError, InputError, ProviderError, WorldError
from pipeline.settings import Settings
from pipeline.store.engine import reading

SLICE_SECONDS: Final = 2.0  # what is handed over between two looks at the campaign
FIRST_SLICE: Final = 100
LEAST_SLICE: Final = 10  # a provider that stood still once is not asked for one at a time
MAX_LETTERS: Final = 64  # compiled and kept


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


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
        self._is_told = False
        self._stop = threading.Event()
        self._heart = Heart(self._beat)
        self._watch = Watch()

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
            now = self.clock()
            until = pace.read_next_at(connection, pace_of(found), now=now)
        return found, until if until > now + SHORT_REST else None

    def _hand_over(self, found: Campaign, claim: Claim) -> None:
        turn = Turn(self, found, claim)
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
            self._tell(error)
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
        speed = self._speed.get(name, FIRST_SLICE / SLICE_SECONDS)
        return max(LEAST_SLICE, int(speed * SLICE_SECONDS))

    def note_speed(self, name: str, count: int, seconds: float) -> None:
        """Learn from a slice how many a second a provider takes."""
        self._speed[name] = count / max(seconds, 0.001)

    def due_again(self, attempts: int, *, retry_after: float | None) -> datetime | None:
        return due_again(attempts, now=self.clock(), retry_after=retry_after, rng=self._rng)

    def persist(self, claim: Claim, records: Sequence[Record], *, close: str = "") -> None:
        """Write outcomes, and wait for a database that cannot take them: they exist only here."""
        delay = 0.5
        while True:
            try:
                ledger.record(self.engine, claim, records, now=self.clock(), close=close)
                self._is_told = False
                return
            except WorldError as error:
                self._tell(error)
                if self.is_stopped:
                    raise
                self.sleep(delay)
                delay = min(30.0, delay * 2)

    def _tell(self, error: WorldError) -> None:
        """Tell that the database is away: once, until something was written again."""
        if not self._is_told:
            self._is_told = True
            self.ears.on_trouble(error)

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
        pace.rest(self.engine, pace_of(found), until=until)

    # --- between batches ----------------------------------------------------------------------

    def start(self, found: Campaign) -> int | None:
        """Give each recipient of a scheduled campaign a row; see :func:`roll.start_campaign`."""
        return roll.start_campaign(
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
        who were about to be served and have no outcome are uncertain, and wait for a person.
        """
        count = 0
        claimed = ledger.claimed_batches(self.engine)
        self._watch.look(claimed)
        for claim, _ in claimed:
            if self._heart.holds(claim) or not self._is_dead(claim):
                continue
            lease = self.clock() + LEASE
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
        return True

    def _is_dead(self, claim: Claim) -> bool:
        if claim.worker == self.name:
            return True  # an error of ours cut it off, and nobody works on it
        dead = is_dead(claim.worker)
        return self._watch.is_gone(claim, now=self.clock()) if dead is None else dead

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
            end = claim.low - 1 if claim.begun_to is None else claim.begun_to
            records = [_uncertain(one) for one in readers if one.subscriber_id <= end]
            self.persist(claim, records, close="open" if len(records) < len(readers) else "done")
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


def _uncertain(reader: Reader) -> Record:
    return Record(subscriber_id=reader.subscriber_id, status=Status.UNCERTAIN)


def _found(reader: Reader) -> Record:
    return Record(subscriber_id=reader.subscriber_id, status=Status.ACCEPTED, detail="held")
