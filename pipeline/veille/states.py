"""What becomes of an entry: to sort → kept → written → published, or discarded.

Who may do what is decided in ``triage``; this file knows the states and their words.
"""

from enum import StrEnum
from typing import Final

from pipeline.words import mark


class State(StrEnum):
    """Where an entry stands on its way into a letter."""

    NEW = "new"
    KEPT = "kept"
    WRITTEN = "written"  # it stands in a letter that is being made
    PUBLISHED = "published"
    DISCARDED = "discarded"


#: In the order of the way.
STATE_WORDS: Final = {
    State.NEW: mark("to sort"),
    State.KEPT: mark("kept"),
    State.WRITTEN: mark("written"),
    State.PUBLISHED: mark("published"),
    State.DISCARDED: mark("discarded"),
}
