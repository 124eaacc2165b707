"""A card: an entry with all that the desk knows of it; and what a curator asks to see.

Values only: ``entries.py`` reads them from the database.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.veille.item import Entry
from pipeline.veille.plain import fold
from pipeline.veille.states import State

WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A letter that links to the page already: its folder's name, its number (may be empty)."""

    slug: str
    number: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One entry on the desk.

    ``id`` is its row; people name it by ``entry.id``. ``state_by`` is a curator's name, a rule's
    or empty; ``rule`` names the rule that decided, ``issue`` the folder of the letter it is meant
    for. ``also_in`` are the titles of the other feeds that bring it.
    """

    id: int
    entry: Entry
    state: State = State.NEW
    state_at: datetime
    state_by: str = ""
    rule: str = ""
    issue: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    also_in: tuple[str, ...] = ()
    cited_in: tuple[Cited, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which cards; what is empty asks nothing. All have to hold; of ``states`` one.

    ``watchlist``, ``source`` and ``tag`` are exact. ``since`` and ``until`` (aware) bound when it
    appeared. ``text`` holds words, each of which has to be there, by its beginning. ``is_cited``
    says whether a letter may cite it already.
    """

    states: tuple[State, ...] = ()
    watchlist: str = ""
    source: str = ""
    language: str = ""
    tag: str = ""
    issue: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    is_cited: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the next page begins: behind this card."""

    dated_at: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some cards, the newest first; ``next`` is None where these are the last."""

    cards: tuple[Card, ...]
    next: Cursor | None = None


def words_of(entry: Entry, *, note: str = "", tags: tuple[str, ...] = ()) -> str:
    """Return what search reads of a card: its words without case, accents and signs."""
    texts = (entry.title, entry.source, *entry.authors, entry.excerpt, note, *tags)
    return " ".join(WORD.findall(fold(" ".join(texts))))
