"""People as files: everybody as CSV or JSON, one person with all that is known of them as JSON.

Both are written as they are read, a page at a time. The CSV can be imported again.
"""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from pipeline.audience.cells import guard_cell
from pipeline.audience.consent import Consent
from pipeline.audience.formats import OUR_COLUMNS
from pipeline.audience.queries import PAGE, Asked, each_subscriber
from pipeline.audience.register import Subscriber, consents_of


def export_csv(connection: Connection, asked: Asked) -> Iterator[str]:
    """Yield the lines of a CSV file: a heading, then one line a person."""
    yield _line(list(OUR_COLUMNS))
    for person in each_subscriber(connection, asked):
        facts = subscriber_facts(person)
        facts["segments"] = "|".join(sorted(person.segments))
        told = json.dumps(dict(person.attributes), ensure_ascii=False, sort_keys=True)
        facts["attributes"] = told if person.attributes else ""
        yield _line([guard_cell(str(facts[column])) for column in OUR_COLUMNS])


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def export_json(connection: Connection, asked: Asked) -> Iterator[str]:
    """Yield the pieces of a JSON list of people, each with the log of their consents."""
    before = "[\n"
    for person in each_subscriber(connection, asked):
        yield before + json.dumps(person_facts(connection, person), ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def person_facts(connection: Connection, person: Subscriber) -> dict[str, Any]:
    """Return all that is known of a person, for that person (T16)."""
    log = [consent_facts(one) for one in consents_of(connection, person)]
    return subscriber_facts(person) | {"soft_bounces": person.soft_bounces, "consents": log}


def subscriber_facts(person: Subscriber) -> dict[str, Any]:
    """Return a person as plain values."""
    return {
        "address": person.address,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "language": person.language,
        "state": person.state.value,
        "state_at": _moment(person.state_at),
        "segments": sorted(person.segments),
        "attributes": dict(person.attributes),
        "created_at": _moment(person.created_at),
        "public_id": person.public_id,
    }


def consent_facts(entry: Consent) -> dict[str, Any]:
    """Return a line of the log as plain values."""
    return {
        "kind": entry.kind.value,
        "at": _moment(entry.at),
        "source": entry.source,
        "wording": entry.wording,
        "wording_version": entry.wording_version,
        "proof": dict(entry.proof),
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat()


def each_piece(pieces: Iterator[str], size: int = PAGE) -> Iterator[str]:
    """Join small pieces of text, to be written at once."""
    while some := list(islice(pieces, size)):
        yield "".join(some)
