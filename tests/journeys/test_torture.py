"""What is broken on purpose, at a small size: ``make torture`` does the same with 20,000."""

from collections.abc import Callable
from random import Random

import pytest

from tests.torture.scenes import SCENES, SMALL, Size
from tests.torture.stage import Ended


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_nobody_is_lost_and_nobody_served_twice(
    scene: Callable[[Size, Random], Ended], request: pytest.FixtureRequest
) -> None:
    if "three" in scene.__name__ or "restarted" in scene.__name__:
        request.getfixturevalue("postgres")  # skips where it is missing
    ended = scene(SMALL, Random(2))
    assert not ended.broken
    assert (ended.lost, ended.twice) == (0, 0)
