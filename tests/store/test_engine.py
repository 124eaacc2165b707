"""How a database is opened, and how its trouble is told."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from pipeline.errors import WorkspaceError, WorldError
from pipeline.store.engine import open_engine, reading, told, writing
from pipeline.store.people import subscriber, subscriber_segment, suppression

NOW = datetime(2026, 11, 20, 9, 30, 15, 250, tzinfo=UTC)


def person(**values: object) -> dict[str, object]:
    return {
        "address": "zoe@lettre.example",
        "address_key": "zoe@lettre.example",
        "public_id": "zoe",
        "state": "active",
        "state_at": NOW,
        "attributes": {"ville": "Amiens"},
        "created_at": NOW,
    } | values


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("busy_timeout", 10_000),
     ("secure_delete", 1)],
)  # fmt: skip
def test_sqlite_is_opened_as_we_need_it(tmp_path: Path, pragma: str, value: object) -> None:
    engine = open_engine("sqlite:///x.db", tmp_path)
    with engine.connect() as connection:
        assert connection.scalar(text(f"PRAGMA {pragma}")) == value
    engine.dispose()


def test_a_relative_file_lies_in_the_workspace_and_an_absolute_one_where_it_says(
    tmp_path: Path,
) -> None:
    for url in ("sqlite:///var/a/x.db", f"sqlite:///{tmp_path}/elsewhere/x.db"):
        engine = open_engine(url, tmp_path / "root")
        with reading(engine):
            pass
        engine.dispose()
    assert (tmp_path / "root" / "var" / "a" / "x.db").is_file()
    assert (tmp_path / "elsewhere" / "x.db").is_file()


@pytest.mark.parametrize(
    "url", ["mysql://moi:secret@hote/base", "", "infolettre.db", "sqlite+aiosqlite:///x.db"]
)
def test_another_database_is_refused_with_what_is_known(tmp_path: Path, url: str) -> None:
    with pytest.raises(WorkspaceError, match="or postgresql://") as told:
        open_engine(url, tmp_path)
    assert "secret" not in str(told.value)


def test_a_server_out_of_reach_is_told_without_its_password(tmp_path: Path) -> None:
    engine = open_engine("postgresql://moi:secret@127.0.0.1:1/base", tmp_path)
    with pytest.raises(WorldError, match="check that the server runs") as told, reading(engine):
        pass
    assert "secret" not in str(told.value)
    engine.dispose()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"Bonjour " * 1000)
    engine = open_engine("sqlite:///x.db", tmp_path)
    with pytest.raises(WorldError, match="not a database"), reading(engine):
        pass
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        open_engine("sqlite:///var/x.db", tmp_path)


def test_a_writer_that_waited_too_long_is_told_to_try_again(tmp_path: Path) -> None:
    engine = open_engine("sqlite:///x.db", tmp_path)

    @event.listens_for(engine, "connect")
    def impatient(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 0")

    with (
        writing(engine),
        pytest.raises(WorldError, match="another program") as heard,
        writing(engine),
    ):
        pass
    assert heard.value.retryable
    engine.dispose()


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    twice = [person(), person(public_id="other")]
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(subscriber), twice)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(subscriber)) == 0


def test_a_segment_belongs_to_somebody_who_is_there(engine: Engine) -> None:
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(subscriber_segment).values(subscriber_id=42, segment="x"))


@pytest.mark.parametrize(
    "wrong", [{"state": "asleep"}, {"state": "forgotten"}, {"address": None, "address_key": None}]
)
def test_a_row_that_contradicts_itself_is_refused(engine: Engine, wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(insert(subscriber).values(person(**wrong)))


def test_a_moment_comes_back_in_utc_and_a_naive_one_is_refused(engine: Engine) -> None:
    paris = NOW.astimezone(timezone(timedelta(hours=1)))
    with writing(engine) as connection:
        row = {"address_hash": "a", "reason": "forgotten", "at": paris}
        connection.execute(insert(suppression).values(row))
        found = connection.scalar(select(suppression.c.at))
    assert found == NOW
    assert found is not None
    assert found.tzinfo is UTC
    naive = {"address_hash": "b", "reason": "forgotten", "at": datetime(2026, 1, 1)}
    with pytest.raises(StatementError, match="no time zone"), writing(engine) as connection:
        connection.execute(insert(suppression).values(naive))


def test_a_mistake_of_our_own_is_not_dressed_up(engine: Engine) -> None:
    with pytest.raises(IntegrityError), told(engine), writing(engine) as connection:
        connection.execute(insert(subscriber).values(person(public_id=None)))
