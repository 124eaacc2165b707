"""Lists of people for tests: those of ``tests/cases/lists``, and small ones written here."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from pipeline.audience.arrivals import Arrival, read_arrivals
from pipeline.audience.consent import Consent
from pipeline.audience.formats import Format
from pipeline.audience.importing import Ears, Import, Report, import_people
from pipeline.audience.queries import Asked, each_subscriber
from pipeline.audience.register import Subscriber, consents_of, find_subscriber
from pipeline.audience.rows import read_rows
from pipeline.audience.states import State
from pipeline.audience.tokens import Secrets
from pipeline.errors import Mistake
from pipeline.store.engine import reading

LISTS = Path(__file__).parents[1] / "cases" / "lists"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET = b"a key of the tests alone"


def arrivals(text: str, *, assume: State | None = None) -> tuple[str, list[Arrival], list[Mistake]]:
    """Return the format's name, the people and the mistakes of a file's text."""
    lines = iter(text.splitlines(keepends=True))
    found = list(read_arrivals(read_rows(lines, path="liste.csv"), path="liste.csv", assume=assume))
    name = "".join(one.name for one in found if isinstance(one, Format))
    people = [one for one in found if isinstance(one, Arrival)]
    return name, people, [one for one in found if isinstance(one, Mistake)]


def import_text(
    engine: Engine,
    folder: Path,
    text: str | bytes,
    *,
    dry_run: bool = False,
    secret: Secrets = SECRET,
    batch: int = 2,
    assume: State | None = None,
    now: datetime = NOW,
) -> tuple[Report, list[Mistake]]:
    """Import a file with this content; return the report and all that was told."""
    file = folder / "liste.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    order = Import(
        file=file, now=now, secret=secret, dry_run=dry_run, batch=batch, assume=assume,
        wording="J’accepte de recevoir la lettre.", wording_version="2",
    )  # fmt: skip
    told: list[Mistake] = []
    ears = Ears(on_mistake=told.append, on_left=told.append)
    return import_people(engine, order, ears=ears), told


def everybody(engine: Engine) -> list[Subscriber]:
    with reading(engine) as connection:
        return list(each_subscriber(connection, Asked()))


def person(engine: Engine, address: str) -> Subscriber:
    with reading(engine) as connection:
        found = find_subscriber(connection, address)
    assert found is not None, address
    return found


def log(engine: Engine, address: str) -> list[Consent]:
    with reading(engine) as connection:
        found = find_subscriber(connection, address)
        assert found is not None, address
        return consents_of(connection, found)
