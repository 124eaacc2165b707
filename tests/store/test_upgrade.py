"""The shape of the database: its steps from zero are its tables, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

import pipeline.store
from pipeline.errors import WorkspaceError
from pipeline.store.engine import open_engine, reading, writing
from pipeline.store.tables import metadata
from pipeline.store.upgrade import HEAD, current, open_store, upgrade


def scripts() -> ScriptDirectory:
    config = Config()
    folder = Path(pipeline.store.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def is_compared(name: str | None, kind: str, parents: Any) -> bool:
    """Say whether Alembic can compare it: not what full-text search adds beside the tables."""
    added = ("entry_search", "ix_entry_search")
    return not ((name or "").startswith(added) or (kind, name) == ("column", "search"))


def additions(engine: Engine) -> list[str]:
    """Return the statements of what full-text search adds, as the database has them."""
    sqlite = "SELECT sql FROM sqlite_master WHERE name LIKE 'entry_search%' ORDER BY name"
    postgres = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_entry_search'"
    with engine.connect() as connection:
        query = text(sqlite if engine.dialect.name == "sqlite" else postgres)
        return [str(one) for one in connection.scalars(query)]


def checks(engine: Engine) -> dict[str, set[tuple[str, str]]]:
    """Return the checks of each table: the comparison of Alembic leaves them out."""
    found: dict[str, set[tuple[str, str]]] = {}
    with engine.connect() as connection:
        asked = inspect(connection)
        for table in asked.get_table_names():
            all_of_it: list[Any] = list(asked.get_check_constraints(table))
            found[table] = {(str(one["name"]), one["sqltext"]) for one in all_of_it}
    found.pop("alembic_version", None)
    return found


def test_the_steps_from_zero_make_the_tables(new_engine: Engine) -> None:
    assert upgrade(new_engine) == (None, HEAD)

    with new_engine.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": is_compared,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_the_steps_from_zero_make_the_same_checks_and_search(new_engine: Engine) -> None:
    upgrade(new_engine)
    by_steps, searched = checks(new_engine), additions(new_engine)
    with writing(new_engine) as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)

    assert checks(new_engine) == by_steps
    assert additions(new_engine) == searched != []
    assert len(by_steps["subscriber"]) == 2


def test_a_second_upgrade_changes_nothing(new_engine: Engine) -> None:
    upgrade(new_engine)
    assert upgrade(new_engine) == (HEAD, HEAD)


def test_two_programs_at_their_first_use_make_one_database(new_engine: Engine) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: upgrade(new_engine), range(2)))

    assert sorted(found, key=str) == [(HEAD, HEAD), (None, HEAD)]


def test_the_steps_are_one_chain_and_the_newest_is_known() -> None:
    steps = scripts()
    assert steps.get_heads() == [HEAD]
    for step in steps.walk_revisions():
        assert Path(step.path).name.startswith(f"{step.revision}_")


def test_a_database_is_made_on_first_use(tmp_path: Path) -> None:
    engine = open_store("sqlite:///var/infolettre.db", tmp_path)

    assert (tmp_path / "var" / "infolettre.db").is_file()
    with reading(engine) as connection:
        assert current(connection) == HEAD
    engine.dispose()


@pytest.mark.parametrize(
    ("shape", "said"), [("0000", "infolettre db upgrade"), ("9999", "newer Infolettre")]
)
def test_a_database_of_another_shape_is_told_with_the_way_out(
    tmp_path: Path, shape: str, said: str
) -> None:
    engine = open_store("sqlite:///x.db", tmp_path)
    with writing(engine) as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :shape"), {"shape": shape}
        )
    engine.dispose()

    with pytest.raises(WorkspaceError, match=said):
        open_store("sqlite:///x.db", tmp_path)


def test_a_newer_database_is_not_upgraded(tmp_path: Path) -> None:
    engine = open_store("sqlite:///x.db", tmp_path)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(WorkspaceError, match="newer Infolettre"):
        upgrade(engine)
    engine.dispose()


def test_a_percent_in_the_path_does_no_harm(tmp_path: Path) -> None:
    engine = open_engine("sqlite:///100%25/x.db", tmp_path)
    assert upgrade(engine) == (None, HEAD)
    engine.dispose()
