"""What every test of this room may ask for."""

from collections.abc import Iterator

import pytest

from tests.veille.server import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on loopback."""
    with serving() as one:
        yield one
