"""Small letters and what renders them, for tests of many rooms."""

from functools import lru_cache

from pipeline.blocks.block import Library
from pipeline.blocks.registry import load_library, shipped_blocks


@lru_cache(maxsize=1)
def a_library() -> Library:
    """Return the blocks that ship, read once."""
    return load_library([shipped_blocks()])
