"""A file of people comes in: read in batches, decided row by row, written a batch at a time.

Each batch is one transaction with its consents. A stopped import is begun again with the same
file: who is in already stays as they are. Memory does not grow with the file.
"""

import codecs
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from pipeline.audience.arrivals import Arrival, read_arrivals
from pipeline.audience.consent import Consent, Kind, kind_of
from pipeline.audience.formats import Format
from pipeline.audience.merging import Change, Fate, Known, decide
from pipeline.audience.register import (
    add_segments,
    columns_of,
    hold_people,
    new_public_id,
    segments_of,
)
from pipeline.audience.rows import read_rows
from pipeline.audience.states import GONE, State
from pipeline.audience.suppression import forgotten_keys
from pipeline.audience.tokens import Secrets
from pipeline.errors import InputError, Mistake, WorkspaceError
from pipeline.store.engine import reading, writing
from pipeline.store.people import consent, subscriber
from pipeline.store.rowsets import insert_new
from pipeline.words import mark

BATCH: Final = 1_000
MAX_BYTES: Final = 2_000_000_000


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did, or would do: rows by what became of them, newcomers by state."""

    format: str = ""
    encoding: str = ""
    added: int = 0
    changed: int = 0
    same: int = 0
    left: int = 0
    faulty: int = 0
    added_states: dict[State, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.added + self.changed + self.same + self.left + self.faulty

    def facts(self) -> dict[str, Any]:
        """Return the report as plain values."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        told["added_states"] = {state.value: many for state, many in self.added_states.items()}
        return told | {"rows": self.rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """How a file is to be taken; ``wording`` is the exact text that its people agreed to."""

    file: Path
    now: datetime
    secret: Secrets = b""
    dry_run: bool = False
    assume: State | None = None
    wording: str = ""
    wording_version: str = ""
    batch: int = BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who hears of each row at fault, of each left as it is, and of the report after a batch."""

    on_mistake: Callable[[Mistake], None] = lambda _: None
    on_left: Callable[[Mistake], None] = lambda _: None
    on_batch: Callable[[Report], None] = lambda _: None


SILENT: Final = Ears()


def import_people(engine: Engine, order: Import, *, ears: Ears = SILENT) -> Report:
    """Take in a file and return what became of its rows. Raises InputError where the file as a
    whole cannot be read."""
    report = Report(encoding=find_encoding(order.file))
    with (
        order.file.open(encoding=report.encoding, errors="replace", newline="") as lines,
        _Seen(str(order.file)) as seen,
    ):
        path = str(order.file)
        found = read_arrivals(read_rows(lines, path=path), path=path, assume=order.assume)
        worker = _Worker(engine, order, report, ears)
        while batch := list(islice(found, order.batch)):
            worker.take([seen.checked(one) for one in batch])
            ears.on_batch(report)
    return report


def find_encoding(file: Path) -> str:
    """Return how a file is written: UTF-8 or UTF-16 by its first bytes, UTF-8 where all of it
    reads as such, else what Windows writes in western Europe. Raises WorkspaceError."""
    try:
        if file.stat().st_size > MAX_BYTES:
            message = mark("{file} has more than {most} bytes: part it into several files")
            raise InputError(message, file=file, most=MAX_BYTES)
        with file.open("rb") as content:
            begins = content.read(4)
            if begins == b"PK\x03\x04":
                raise InputError(_ARCHIVE, file=file)
            if begins[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            content.seek(0)
            decoder = codecs.getincrementaldecoder("utf-8")()
            while block := content.read(1 << 16):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    except OSError as error:
        message = mark("{file} cannot be read ({reason})")
        raise WorkspaceError(message, file=file, reason=error.strerror) from None
    return "utf-8-sig"


_ARCHIVE: Final = mark(
    "{file} is an archive or a workbook: unpack it, or save the sheet as “CSV UTF-8”, and import"
    " that"
)


class _Seen:
    """Which addresses the file had so far, and where; kept on disk, and gone at the end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines = sqlite3.connect("", isolation_level=None)
        self.lines.execute("PRAGMA journal_mode = OFF")
        self.lines.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, line INTEGER)")
        self.lines.execute("BEGIN")

    def __enter__(self) -> "_Seen":
        return self

    def __exit__(self, *error: object) -> None:
        self.lines.close()

    def checked(self, found: Format | Arrival | Mistake) -> Format | Arrival | Mistake:
        """Return what was found, or a mistake where its address was on a line before."""
        if not isinstance(found, Arrival):
            return found
        digest = hashlib.blake2b(found.key.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        new = self.lines.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, found.line))
        if new.rowcount:
            return found
        [first] = self.lines.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()
        return Mistake(
            path=self.path,
            line=found.line,
            column=1,
            message=mark("“{address}” is already on line {first}: keep one of the two"),
            facts={"address": found.address, "first": first},
        )


class _Worker:
    """Takes batches: reads what is known, has it decided, writes and counts."""

    def __init__(
        self,
        engine: Engine,
        order: Import,
        report: Report,
        ears: Ears,
    ) -> None:
        self.engine = engine
        self.order = order
        self.report = report
        self.ears = ears

    def take(self, batch: list[Format | Arrival | Mistake]) -> None:
        arrivals = [one for one in batch if isinstance(one, Arrival)]
        for one in batch:
            if isinstance(one, Format):
                self.report.format = one.name
            elif isinstance(one, Mistake):
                self.report.faulty += 1
                self.ears.on_mistake(one)
        opened = reading(self.engine) if self.order.dry_run else writing(self.engine)
        with opened as connection:
            counted = self.merge(connection, arrivals)
        for arrival, fate in counted:  # told once it is sure
            self.count(arrival, fate)

    def merge(
        self, connection: Connection, arrivals: list[Arrival]
    ) -> list[tuple[Arrival, Fate | Change]]:
        if not self.order.dry_run:
            hold_people(connection)
        keys = [one.key for one in arrivals]
        forgotten = forgotten_keys(connection, keys, self.order.secret)
        known = known_people(connection, keys, hold=not self.order.dry_run)
        decided = [
            (one, decide(one, known.get(one.key), suppressed=one.key in forgotten))
            for one in arrivals
        ]
        if not self.order.dry_run:
            added = [one for one, fate in decided if fate is Fate.ADDED]
            kept = self.add(connection, added) if added else set()
            self.change(connection, [(a, b) for a, b in decided if isinstance(b, Change)])
            decided = [
                (one, Fate.SAME if fate is Fate.ADDED and one.key not in kept else fate)
                for one, fate in decided
            ]
        return decided

    def add(self, connection: Connection, arrivals: list[Arrival]) -> set[str]:
        """Insert newcomers with their tags and consents; return the keys that went in: another
        import may have been first."""
        statement = (
            insert_new(connection, subscriber)
            .on_conflict_do_nothing(index_elements=[subscriber.c.address_key])
            .returning(subscriber.c.id, subscriber.c.address_key)
        )
        rows = [self.row(one) for one in arrivals]
        ids = {row.address_key: row.id for row in connection.execute(statement, rows)}
        here = [(ids[one.key], one) for one in arrivals if one.key in ids]
        add_segments(connection, [(number, tag) for number, one in here for tag in one.segments])
        if here:
            lines = [
                {"subscriber_id": number, **columns_of(self.entry(one, one.state))}
                for number, one in here
            ]
            connection.execute(insert(consent), lines)
        return set(ids)

    def row(self, one: Arrival) -> dict[str, Any]:
        now = self.order.now
        created = min(one.consent_at or now, now)
        return {
            "address": one.address,
            "address_key": one.key,
            "public_id": new_public_id(),
            "first_name": one.first_name,
            "last_name": one.last_name,
            "language": one.language,
            "state": one.state.value,
            "state_at": min(one.state_at or (now if one.state in GONE else created), now),
            "attributes": dict(one.attributes),
            "created_at": created,
            "soft_bounces": 0,
        }

    def entry(self, one: Arrival, state: State) -> Consent:
        """Return the line of the log for a row: when it was agreed to, and whence we know."""
        now, order = self.order.now, self.order
        at = one.state_at if state in GONE else one.consent_at
        return Consent(
            kind=kind_of(state, Kind.IMPORTED),
            at=min(at or now, now),
            source=f"import:{self.report.format}",
            wording="" if state in GONE else order.wording,
            wording_version="" if state in GONE else order.wording_version,
            proof={
                **one.proof,
                "file": order.file.name,
                "line": one.line,
                "imported_at": now.isoformat(),
            },
        )

    def change(self, connection: Connection, changes: list[tuple[Arrival, Change]]) -> None:
        if not changes:
            return
        connection.execute(_UPDATE, [_values(change) for _, change in changes])
        add_segments(connection, [(one.id, tag) for _, one in changes for tag in one.segments])
        for arrival, change in changes:
            if change.state:
                at = min(arrival.state_at or self.order.now, self.order.now)
                moved = update(subscriber).where(subscriber.c.id == change.id)
                connection.execute(moved.values(state=change.state.value, state_at=at))
                line = columns_of(self.entry(arrival, change.state))
                connection.execute(insert(consent).values(subscriber_id=change.id, **line))

    def count(self, arrival: Arrival, fate: Fate | Change) -> None:
        report = self.report
        name = Fate.CHANGED.value if isinstance(fate, Change) else fate.value
        setattr(report, name, getattr(report, name) + 1)
        if fate is Fate.ADDED:
            report.added_states[arrival.state] = report.added_states.get(arrival.state, 0) + 1
        if fate is Fate.LEFT:
            self.ears.on_left(
                Mistake(
                    path=str(self.order.file),
                    line=arrival.line,
                    column=1,
                    message=mark("“{address}” left: they stay as they are"),
                    facts={"address": arrival.address},
                )
            )


_UPDATE: Final = (
    update(subscriber)
    .where(subscriber.c.id == bindparam("number"))
    .values(
        first_name=bindparam("first"),
        last_name=bindparam("last"),
        language=bindparam("spoken"),
        attributes=bindparam("free"),
    )
)


def _values(change: Change) -> dict[str, Any]:
    return {
        "number": change.id,
        "first": change.first_name,
        "last": change.last_name,
        "spoken": change.language,
        "free": dict(change.attributes),
    }


def known_people(connection: Connection, keys: list[str], *, hold: bool) -> dict[str, Known]:
    """Return what is known of the people with these keys; ``hold`` keeps it from changing."""
    query = select(subscriber).where(subscriber.c.address_key.in_(keys)).order_by(subscriber.c.id)
    rows = connection.execute(query.with_for_update() if hold else query).all()
    tags = segments_of(connection, [row.id for row in rows])
    return {
        row.address_key: Known(
            id=row.id,
            state=State(row.state),
            first_name=row.first_name,
            last_name=row.last_name,
            language=row.language,
            attributes=row.attributes,
            segments=frozenset(tags.get(row.id, ())),
        )
        for row in rows
    }
