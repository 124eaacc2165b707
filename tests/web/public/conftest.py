"""A site of its own for each test of the public pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.public.house import House, serving


@pytest.fixture
def house(tmp_path: Path, sqlite_file: Path) -> Iterator[House]:
    with serving(tmp_path, sqlite_file) as found:
        yield found
