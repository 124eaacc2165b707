"""What doctor finds of a database: each fault is told with what to do, and nothing is changed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, insert, inspect, make_url, text

from pipeline.delivery.findings import Finding, Level
from pipeline.delivery.states import Status
from pipeline.delivery.store_checks import (
    check_store,
    judge_difference,
    judge_encoding,
    judge_journal,
    judge_shape,
    judge_space,
    judge_version,
)
from pipeline.store.campaigns import campaign, delivery
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.people import subscriber
from pipeline.store.upgrade import HEAD, current, upgrade
from tests.servers import LOOPBACK, free_port

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def machine() -> datetime:
    return datetime.now(UTC)


def check(url: str, root: Path, clock: Callable[[], datetime] = machine) -> list[Finding]:
    found = list(check_store(url, root=root, clock=clock))
    for one in found:
        assert one.say_what("en")
        assert bool(one.say_do("en")) is (one.level is not Level.OK)
    return found


def look(engine: Engine, clock: Callable[[], datetime] = machine) -> list[Finding]:
    return check(engine.url.render_as_string(hide_password=False), Path("/nowhere"), clock)


def said(found: list[Finding]) -> str:
    return "\n".join(f"{one.say_what('en')}\n{one.say_do('en')}" for one in found)


def faults(found: list[Finding]) -> dict[str, Level]:
    return {one.about: one.level for one in found if one.level is not Level.OK}


# --- a database in order ----------------------------------------------------------------------


def test_a_database_in_order_has_nothing_to_do(engine: Engine) -> None:
    with writing(engine) as connection:
        for number, state in enumerate(("active", "active", "unsubscribed")):
            connection.execute(
                insert(subscriber).values(
                    address=f"a{number}@cercle.example",
                    address_key=f"a{number}@cercle.example",
                    public_id=f"p{number}",
                    state=state,
                    state_at=NOW,
                    attributes={},
                    created_at=NOW,
                )
            )

    found = look(engine)

    assert faults(found) == {}
    own = {"disk"} if engine.dialect.name == "sqlite" else {"encoding", "clocks"}
    assert {one.about for one in found} == {"database", "shape", "subscribers", *own}
    assert "active subscribers: 2" in said(found)


def test_a_database_that_is_new_is_no_fault_and_stays_as_it_is(new_engine: Engine) -> None:
    found = look(new_engine)

    assert faults(found) == {}
    assert "is new" in said(found)
    if file := new_engine.url.database if new_engine.dialect.name == "sqlite" else None:
        assert not Path(file).exists()
    else:
        with reading(new_engine) as connection:
            assert inspect(connection).get_table_names() == []


def test_not_even_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    found = check("sqlite:///deep/down/x.db", tmp_path)

    assert [one.level for one in found] == [Level.OK]
    assert list(tmp_path.iterdir()) == []


# --- its shape --------------------------------------------------------------------------------


def test_an_older_shape_is_told_with_the_command_and_kept(new_engine: Engine) -> None:
    upgrade(new_engine, target="0001")

    found = look(new_engine)

    assert faults(found) == {"shape": Level.BAD}
    assert "infolettre db upgrade" in said(found)
    assert "subscribers" not in {one.about for one in found}
    with reading(new_engine) as connection:
        assert current(connection) == "0001"


def test_a_shape_of_a_newer_program_is_told(new_engine: Engine) -> None:
    upgrade(new_engine)
    with writing(new_engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    found = look(new_engine)

    assert faults(found) == {"shape": Level.BAD}
    assert "install the newer Infolettre" in said(found)


def test_the_shape_is_compared_with_the_one_that_we_know() -> None:
    levels = [judge_shape(found).level for found in (None, "0001", HEAD, "9999")]

    assert levels == [Level.OK, Level.BAD, Level.OK, Level.BAD]


# --- what waits for a person ------------------------------------------------------------------


def add_campaign(engine: Engine, state: str, *, uncertain: int = 0, **values: object) -> int:
    """Add a campaign with ten recipients, of whom some are uncertain; return its number."""
    with writing(engine) as connection:
        row = {
            "name": uuid4().hex,
            "slug": "lettre",
            "title": "Des cafés",
            "segment": uuid4().hex,
            "provider": "smtp",
            "round": 1,
            "state": state,
            "digest": "",
            "source": "",
            "segments": [],
            "frame": {},
            "created_at": NOW,
            "created_by": "anne",
            "started_at": NOW,
        }
        made = insert(campaign).values(row | values).returning(campaign.c.id)
        number: int = connection.execute(made).scalar_one()
        states = [Status.UNCERTAIN] * uncertain + [Status.ACCEPTED] * (10 - uncertain)
        rows = [
            {
                "campaign_id": number,
                "batch": 1,
                "subscriber_id": at,
                "variant": 0,
                "attempts": 1,
                "state": one.value,
            }
            for at, one in enumerate(states, 1)
        ]
        connection.execute(insert(delivery), rows)
    return number


def test_a_paused_campaign_is_told_with_its_reason_and_number(engine: Engine) -> None:
    add_campaign(engine, "done")
    number = add_campaign(engine, "paused", pause_reason="missed")
    add_campaign(engine, "running", title="En route")

    found = look(engine)

    assert faults(found) == {"campaigns": Level.WARN}
    assert "“Des cafés” is paused: its time passed" in said(found)
    assert f"infolettre campaign show {number}”" in said(found)
    assert "En route" not in said(found)


def test_uncertain_recipients_are_counted_by_campaign(engine: Engine) -> None:
    old = machine() - timedelta(days=200)
    add_campaign(engine, "done", uncertain=7, title="Ancienne", finished_at=old)
    first = add_campaign(engine, "done", uncertain=3, title="Finie", finished_at=machine())
    second = add_campaign(engine, "running", uncertain=1, title="En route")

    told = [said([one]) for one in look(engine) if one.about == "campaigns"]

    assert len(told) == 2
    assert "“Finie”" in told[0]
    assert "uncertain recipients: 3" in told[0]
    assert f"campaign show {first}”" in told[0]
    assert "uncertain recipients: 1" in told[1]
    assert f"campaign show {second}”" in told[1]


# --- a database that cannot be used -----------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["sqlite:///note.txt", "sqlite:///folder", "sqlite:///note.txt/x.db"]
)
def test_a_file_that_is_no_database_is_told(url: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Bonjour " * 1000)
    (tmp_path / "folder").mkdir()

    found = check(url, tmp_path)

    assert faults(found) == {"database": Level.BAD}
    assert len(found) == 1


@pytest.mark.parametrize(
    "url", ["postgresql://anne:hush@{place}/x", "postgresql://{place}/x?password=hush&user=anne"]
)
def test_a_server_that_is_not_there_is_told_without_a_password(url: str, tmp_path: Path) -> None:
    place = f"{LOOPBACK}:{free_port()}"

    found = check(url.format(place=place), tmp_path)

    assert faults(found) == {"database": Level.BAD}
    assert place in said(found)
    assert "check that the server runs" in said(found)
    assert "hush" not in said(found)


def test_a_database_of_another_kind_is_told_without_a_password(tmp_path: Path) -> None:
    found = check("mysql://anne:hush@cercle.example/x", tmp_path)

    assert faults(found) == {"database": Level.BAD}
    assert "hush" not in said(found)


# --- PostgreSQL -------------------------------------------------------------------------------


def test_the_servers_clock_is_compared_with_this_machines(postgres: str, tmp_path: Path) -> None:
    found = check(postgres, tmp_path, lambda: machine() - timedelta(seconds=60))

    assert faults(found)["clocks"] is Level.WARN
    assert "are 60 s apart" in said(found)


def test_an_encoding_that_lacks_letters_is_told(postgres: str, tmp_path: Path) -> None:
    name = f"latin_{uuid4().hex}"
    options = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    admin = open_engine(postgres, tmp_path)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    admin.dispose()
    url = make_url(postgres).set(database=name).render_as_string(hide_password=False)

    found = check(url, tmp_path)

    assert faults(found) == {"encoding": Level.BAD}
    assert "its encoding is LATIN1" in said(found)


# --- judged by value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "level", "words"),
    [
        (judge_journal("wal", file="x.db"), Level.OK, "x.db can be written"),
        (judge_journal("delete", file="x.db"), Level.WARN, "no WAL: delete"),
        (judge_space(81_200_000_000, file="x.db"), Level.OK, "81 GB"),
        (judge_space(500_000_000, file="x.db"), Level.OK, "500 MB"),
        (judge_space(499_999_999, file="x.db"), Level.WARN, "only 499 MB"),
        (judge_version((16, 3), place="x"), Level.OK, "PostgreSQL 16.3"),
        (judge_version((13,), place="x"), Level.OK, "PostgreSQL 13 "),
        (judge_version((12, 19), place="x"), Level.WARN, "version 13 or later"),
        (judge_encoding("UTF8"), Level.OK, "UTF8"),
        (judge_encoding("SQL_ASCII"), Level.BAD, "SQL_ASCII"),
        (judge_difference(timedelta(seconds=-5)), Level.OK, "agrees"),
        (judge_difference(timedelta(seconds=-6)), Level.WARN, "6 s apart"),
        (judge_difference(timedelta(days=1)), Level.WARN, "86400 s apart"),
    ],
)
def test_each_value_is_judged(finding: Finding, level: Level, words: str) -> None:
    assert finding.level is level
    assert words in said([finding])
