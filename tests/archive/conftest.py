"""The workspace that most tests of this room begin with."""

from pathlib import Path

import pytest

from tests.archive.letters import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(root=tmp_path)
