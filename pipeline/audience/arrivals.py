"""Rows of a list become people in our own words, or mistakes; the format is found on the way.

Who is already known, and what becomes of a person, are elsewhere; no file is opened here.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from pipeline.audience.address import normalise_address
from pipeline.audience.cells import (
    attribute_name,
    clean_name,
    clean_segment,
    is_yes,
    json_attributes,
    read_language,
    read_moment,
    state_of,
    unguard_cell,
)
from pipeline.audience.formats import MAILCHIMP, OURS, Format, recognise
from pipeline.audience.people import SEGMENT_BREAK, plain_heading
from pipeline.audience.rows import Row
from pipeline.audience.states import State
from pipeline.errors import InputError, Mistake
from pipeline.words import mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One person as a file tells them; ``key`` is what two spellings of a mailbox share."""

    address: str
    key: str
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    segments: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    state: State = State.ACTIVE
    state_at: datetime | None = None
    consent_at: datetime | None = None
    proof: Mapping[str, object] = field(default_factory=dict)
    line: int = 0


def read_arrivals(
    rows: Iterator[Row | Mistake], *, path: str, assume: State | None = None
) -> Iterator[Format | Arrival | Mistake]:
    """Yield the format first, then an Arrival or a Mistake for each row.

    With ``assume`` everybody in the file is in that state, unless the file says that they left.
    """
    heading = next(rows, None)
    if isinstance(heading, Mistake):
        yield heading
        return
    reader = _Reader(heading.cells if heading else [], path=path, assume=assume)
    if reader.mistake:
        yield reader.mistake
        return
    yield reader.format
    for row in rows:
        yield row if isinstance(row, Mistake) else reader.read(row)


class _Reader:
    """Knows what each column is; reads one row at a time."""

    def __init__(self, headings: list[str], *, path: str, assume: State | None) -> None:
        self.path = path
        self.format = recognise(headings)
        self.mistake: Mistake | None = None
        self.columns: dict[str, int] = {}
        self.attributes: list[tuple[str, int]] = []
        self.left: State | None = None
        self.assume = assume or State.ACTIVE
        for at, heading in enumerate(headings):
            self.learn(heading, at)
        if "address" not in self.columns:
            shown = ", ".join(one.strip() for one in headings)[:200] or "—"
            self.mistake = self.at_fault(InputError(_NO_ADDRESS, found=shown), 1)
        # Mailchimp writes those who left into files of their own.
        if "unsubscribed_at" in self.columns and self.format is MAILCHIMP:
            self.left = State.UNSUBSCRIBED
        if "bounced_at" in self.columns:
            self.left = State.BOUNCED

    def learn(self, heading: str, at: int) -> None:
        plain = plain_heading(heading)
        kind = self.format.columns.get(plain)
        if kind and kind in self.columns:
            message = mark("the column “{name}” says the same as the one before it: keep one")
            self.mistake = self.at_fault(InputError(message, name=heading.strip()), 1)
        elif kind:
            self.columns[kind] = at
        elif plain not in self.format.dropped and (name := attribute_name(heading)):
            self.attributes.append((name, at))

    def read(self, row: Row) -> Arrival | Mistake:
        try:
            return self.arrival(row)
        except InputError as error:
            return self.at_fault(error, row.line)

    def arrival(self, row: Row) -> Arrival:
        cells = row.cells
        if self.format is OURS:
            cells = [unguard_cell(cell) for cell in cells]
        address = normalise_address(self.cell(cells, "address"))
        first, last = self.names(cells)
        language = self.cell(cells, "language")
        attributes = self.free(cells)
        if language and not (language := read_language(spelt := language)):
            attributes.setdefault("language", spelt)
        state, state_at = self.state(cells)
        consent_at = read_moment(self.cell(cells, "consent_at"))
        return Arrival(
            address=str(address),
            key=address.key,
            first_name=first,
            last_name=last,
            language=language,
            segments=self.segments(cells),
            attributes=attributes,
            state=state,
            state_at=state_at,
            consent_at=consent_at,
            proof=self.proof(cells, consent_at),
            line=row.line,
        )

    def cell(self, cells: list[str], kind: str) -> str:
        return cells[self.columns[kind]].strip() if kind in self.columns else ""

    def names(self, cells: list[str]) -> tuple[str, str]:
        first = clean_name(self.cell(cells, "first_name"))
        last = clean_name(self.cell(cells, "last_name"))
        if not (first or last) and (name := clean_name(self.cell(cells, "name"))):
            first, _, last = name.partition(" ")
        return first, last

    def segments(self, cells: list[str]) -> frozenset[str]:
        for kind in ("tags", "our_segments", "segments"):
            if text := self.cell(cells, kind):
                return _segments(kind, text)
        return frozenset()

    def free(self, cells: list[str]) -> dict[str, str]:
        """Return the attributes: the team's own columns, and what a JSON column holds."""
        found = {name: text for name, at in self.attributes if (text := cells[at].strip())}
        return found | json_attributes(self.cell(cells, "attributes"))

    def state(self, cells: list[str]) -> tuple[State, datetime | None]:
        """Return where the row says the person stands, and since when."""
        for kind, state in _GONE_SINCE:
            if (text := self.cell(cells, kind)) or self.left is state:
                if self.cell(cells, "reason").lower() in ("abuse", "spam"):
                    state = State.COMPLAINED
                return state, read_moment(text)
        at = read_moment(self.cell(cells, "state_at"))
        if is_yes(self.cell(cells, "gone")):
            return State.UNSUBSCRIBED, at
        if word := self.cell(cells, "state"):
            state = state_of(word)
            return (self.assume if state is State.ACTIVE else state), at
        return self.assume, at

    def proof(self, cells: list[str], consent_at: datetime | None) -> dict[str, object]:
        found: dict[str, object] = {}
        given = self.cell(cells, "consent_at")
        if given and consent_at is None:
            found["date_as_given"] = given[:80]
        if confirmed := read_moment(self.cell(cells, "confirmed_at")):
            found["confirmed_at"] = confirmed.isoformat()
        if text := self.cell(cells, "double_opt_in"):
            found["double_opt_in"] = is_yes(text)
        return found

    def at_fault(self, error: InputError, line: int) -> Mistake:
        return Mistake(
            path=self.path, line=line, column=1, message=error.message, facts=error.facts
        )


@lru_cache(maxsize=1024)  # a list has few of them, many times
def _segments(kind: str, text: str) -> frozenset[str]:
    if kind == "tags":
        parts = next(csv.reader([text], skipinitialspace=True), [])
    else:
        parts = text.split("|") if kind == "our_segments" else SEGMENT_BREAK.split(text)
    return frozenset(clean for one in parts if (clean := clean_segment(one)))


_GONE_SINCE: Final = (("bounced_at", State.BOUNCED), ("unsubscribed_at", State.UNSUBSCRIBED))
_NO_ADDRESS: Final = mark(
    "no column holds addresses: the first line is “{found}”, expected a column"
    " “email” (or: adresse, courriel), and maybe first_name (prénom), last_name (nom),"
    " segments"
)
