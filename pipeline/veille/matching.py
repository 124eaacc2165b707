"""Which entries a filter means, in SQL, and the newest of them without looking at all.

Columns of an entry are asked of the indexes ``ix_entry_desk`` and ``ix_entry_facets``, which hold
all of them: at worst one is read from end to end. A tag, words and citations are sets of ids from
elsewhere. With these the newest WINDOW entries are tried first: a set that has many of them is
never built. Where that gives no page the set is sparse, and looked up as a whole.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    column,
    exists,
    func,
    literal,
    literal_column,
    select,
    table,
    tuple_,
)

from pipeline.store.entries import citation, entry, entry_tag
from pipeline.veille.card import WORD, Cursor, Filter
from pipeline.veille.plain import fold

WINDOW: Final = 500  # entries
_FEW: Final = 2_000  # ids; SQLite looks up fewer than these one by one

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MAX_TEXT: Final = 1_000  # characters of a question that are read
_MAX_WORDS: Final = 16
_MAX_WORD: Final = 60  # characters; a word is looked for by its beginning anyway

#: SQLite's table of words; ``MATCH`` takes its name.
_SEARCH: Final = table("entry_search", column("rowid"))
#: PostgreSQL's column of words, which it fills itself.
_SEARCHED: Final[ColumnElement[Any]] = literal_column("entry.search")


def words_in(question: str) -> tuple[str, ...]:
    """Return the words to look for, as ``entry.words`` spells them; signs mean nothing.

    >>> words_in('l’École "libre" -OU* (')
    ('l', 'ecole', 'libre', 'ou')
    """
    found = dict.fromkeys(one[:_MAX_WORD] for one in WORD.findall(fold(question[:_MAX_TEXT])))
    return tuple(found)[:_MAX_WORDS]


def storable(text: str) -> str:
    """Return ``text`` without what no database takes: U+0000 and halves of characters."""
    return _UNSTORABLE.sub("\ufffd", text)


def newest_ids(
    connection: Connection, wanted: Filter, *, limit: int, after: Cursor | None
) -> list[int]:
    """Return the rows of up to ``limit`` entries behind ``after``, the newest first."""
    plain = _plain(wanted)
    if after:
        place = tuple_(literal(after.dated_at, entry.c.dated_at.type), literal(after.id))
        plain.append(tuple_(entry.c.dated_at, entry.c.id) < place)
    if not (words_in(wanted.text) or wanted.tag or wanted.is_cited):
        return list(connection.scalars(_newest(plain, limit)))
    window = list(connection.scalars(_newest(plain, WINDOW)))
    found = _among(connection, window, wanted)
    if len(found) >= limit or len(window) < WINDOW:
        return found[:limit]
    if connection.dialect.name == "sqlite" or not wanted.text:
        return list(connection.scalars(_newest([*plain, *_held(connection, wanted)], limit)))
    # all of them before any order: PostgreSQL takes a word for more frequent than it is
    inside = select(entry.c.id, entry.c.dated_at).where(*plain, *_held(connection, wanted))
    every = inside.cte("every_one").prefix_with("MATERIALIZED")
    order = (every.c.dated_at.desc(), every.c.id.desc())
    return list(connection.scalars(select(every.c.id).order_by(*order).limit(limit)))


def conditions(connection: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    """Return all conditions of a filter on the table of entries."""
    return [*_plain(wanted), *_held(connection, wanted)]


def _aside(connection: Connection, number: ColumnElement[int]) -> ColumnElement[int]:
    """Return a column that SQLite, which has no figures to choose by, begins no look-up with.

    See https://sqlite.org/optoverview.html, 3 ("+"): what is computed uses no index.
    """
    return number + 0 if connection.dialect.name == "sqlite" else number


def _newest(plain: Sequence[ColumnElement[bool]], limit: int) -> Select[Any]:
    order = (entry.c.dated_at.desc(), entry.c.id.desc())
    return select(entry.c.id).where(*plain).order_by(*order).limit(limit)


def _plain(wanted: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions that an entry can be asked by itself."""
    found: list[ColumnElement[bool]] = []
    if wanted.states:
        states = sorted({one.value for one in wanted.states})
        found.append(entry.c.state.in_(states) if states[1:] else entry.c.state == states[0])
    for name in ("watchlist", "source", "language", "issue"):
        if value := getattr(wanted, name):
            found.append(entry.c[name] == storable(value))
    if wanted.since:
        found.append(entry.c.dated_at >= wanted.since)
    if wanted.until:
        found.append(entry.c.dated_at < wanted.until)
    if wanted.is_cited is False:
        found.append(~_is_cited())
    return found


# --- what is not a column of the entry's own -----------------------------------------------------


def _among(connection: Connection, window: Sequence[int], wanted: Filter) -> list[int]:
    """Return those of ``window`` that the rest of a filter means, in their order."""
    if not window:
        return []
    query = select(entry.c.id).where(entry.c.id.in_(window), *_each(wanted))
    if words := words_in(wanted.text):
        if connection.dialect.name == "sqlite":
            near = _SEARCH.c.rowid.between(min(window), max(window))
            query = query.where(_aside(connection, entry.c.id).in_(_search_sqlite(words, near)))
        else:  # "OFFSET 0": these rows first, and no look at the index of all words
            some = query.add_columns(_SEARCHED.label("search")).offset(0).subquery()
            query = select(some.c.id).where(_has_words(words, some.c.search))
    found = set(connection.scalars(query))
    return [one for one in window if one in found]


def _held(connection: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions of the rest of a filter, for whole sets."""
    if connection.dialect.name == "sqlite":
        return [
            (entry.c.id if _is_small(connection, one) else _aside(connection, entry.c.id)).in_(one)
            for one in _sets(wanted)
        ]
    words = words_in(wanted.text)
    return [*_each(wanted), *([_has_words(words, _SEARCHED)] if words else [])]


def _each(wanted: Filter) -> list[ColumnElement[bool]]:
    """Return what is looked up for each entry: its tag, its citation."""
    found: list[ColumnElement[bool]] = []
    if wanted.tag:
        tags = entry_tag.c
        found.append(exists().where(tags.entry_id == entry.c.id, tags.tag == storable(wanted.tag)))
    if wanted.is_cited:
        found.append(_is_cited())
    return found


def _is_cited() -> ColumnElement[bool]:
    return exists().where(citation.c.canonical_url == entry.c.canonical_url)


def _sets(wanted: Filter) -> list[Select[Any]]:
    """Return the same for SQLite as sets of ids, each a query of one column."""
    found: list[Select[Any]] = []
    if words := words_in(wanted.text):
        found.append(_search_sqlite(words))
    if wanted.tag:
        found.append(select(entry_tag.c.entry_id).where(entry_tag.c.tag == storable(wanted.tag)))
    if wanted.is_cited:
        is_it = citation.c.canonical_url == entry.c.canonical_url
        found.append(select(entry.c.id).join_from(citation, entry, is_it))
    return found


def _is_small(connection: Connection, one: Select[Any]) -> bool:
    some = one.limit(_FEW).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) < _FEW


def _search_sqlite(words: Sequence[str], *also: ColumnElement[bool]) -> Select[Any]:
    """Ask FTS5: what is in quotes is no operator (https://sqlite.org/fts5.html, 3.1 and 3.3)."""
    question = " AND ".join(f'"{word}"*' for word in words)
    return select(_SEARCH.c.rowid).where(literal_column("entry_search").match(question), *also)


def _has_words(words: Sequence[str], searched: ColumnElement[Any]) -> ColumnElement[bool]:
    """Ask PostgreSQL for each word as it begins, or as French has it under another ending.

    The beginning is asked of words that no stemmer cut: to it "continuellement" is "continuel",
    which does not begin with "continuelle".
    """
    asked = [
        func.to_tsquery("simple", f"{word}:*").op("||")(func.to_tsquery("french", word))
        for word in words
    ]
    question = asked[0]
    for one in asked[1:]:
        question = question.op("&&")(one)
    return searched.op("@@")(question)
