"""A database is copied whole: every row of every table, and numbers go on after them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from pipeline.errors import InputError
from pipeline.store.campaigns import delivery, pace
from pipeline.store.copying import copy_store
from pipeline.store.engine import reading, writing
from pipeline.store.people import subscriber
from pipeline.store.tables import metadata
from pipeline.store.upgrade import open_store, upgrade
from tests.delivery.mailings import a_campaign, add_people

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Engine:
    """Return a SQLite database with people, a campaign with its editions, and deliveries."""
    engine = open_store("sqlite:///source.db", tmp_path)
    add_people(engine, 12, segment="benevoles")
    found = a_campaign(engine)
    with writing(engine) as connection:
        row = {"campaign_id": found.id, "batch": 1, "variant": 0, "attempts": 1}
        connection.execute(
            insert(delivery).values(**row, subscriber_id=3, state="accepted", at=NOW)
        )
        connection.execute(insert(pace).values(name="provider:smtp", next_at=NOW))
    return engine


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with reading(engine) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def test_every_row_of_every_table_comes_along(source: Engine, new_engine: Engine) -> None:
    upgrade(new_engine)
    copied = copy_store(source, new_engine)

    assert contents(new_engine) == contents(source)
    assert (copied["subscriber"], copied["delivery"], copied["campaign_edition"]) == (12, 1, 1)


def test_the_next_person_gets_a_number_of_their_own(source: Engine, new_engine: Engine) -> None:
    upgrade(new_engine)
    copy_store(source, new_engine)
    add_people(new_engine, 1, first=100)

    with reading(new_engine) as connection:
        assert connection.scalar(select(func.max(subscriber.c.id))) == 13


def test_a_database_that_holds_rows_is_left_alone(source: Engine, new_engine: Engine) -> None:
    upgrade(new_engine)
    add_people(new_engine, 1)
    before = contents(new_engine)

    with pytest.raises(InputError, match="not empty"):
        copy_store(source, new_engine)
    assert contents(new_engine) == before
