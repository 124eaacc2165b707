"""The statements that write what feeds bring, each for many rows at a time, on both databases.

Each takes its rows as JSON in ``:rows``; ``arrivals.py`` says what stands in them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import text

from pipeline.store.rowsets import table_of

#: The columns that an entry fills, with their kinds.
ENTRY: Final = {
    "ref": "text",
    "canonical_url": "text",
    "url": "text",
    "title": "text",
    "source": "text",
    "watchlist": "text",
    "site": "text",
    "authors": "json",
    "published_at": "time",
    "seen_at": "time",
    "dated_at": "time",
    "language": "text",
    "excerpt": "text",
    "image": "text",
    "minutes": "int",
    "origins": "json",
    "words": "text",
}
STATE: Final = {
    "etag": "text",
    "last_modified": "text",
    "sha256": "text",
    "checked_at": "time",
    "next_at": "time",
    "not_before": "time",
    "answered_at": "time",
    "parsed_at": "time",
    "brought_at": "time",
    "failing_since": "time",
    "failures": "int",
    "error": "json",
    "moved_to": "text",
    "moved_since": "time",
}
_FIXED: Final = ("ref", "canonical_url", "url", "seen_at")  # of an entry that changes
_CHANGING: Final = [name for name in ENTRY if name not in _FIXED]


def _statements(template: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        dialect: text(template.format(rows=table_of(dialect, columns)))
        for dialect in ("sqlite", "postgresql")
    }


def _set(names: Iterable[str]) -> str:
    return ", ".join(f"{name} = v.{name}" for name in names)


INSERT: Final = _statements(
    f"""
    INSERT INTO entry ({", ".join(ENTRY)}, feed_id, state, rule,
        state_at, state_by, issue, note)
    SELECT {", ".join(ENTRY)}, feed_id, state, rule, seen_at, '', '', ''
    FROM ({{rows}}) AS v WHERE true
    ON CONFLICT DO NOTHING RETURNING id, canonical_url
    """,  # noqa: S608 - the names are those above
    {**ENTRY, "feed_id": "int", "state": "text", "rule": "text"},
)
CHANGE: Final = _statements(
    f"UPDATE entry SET {_set(_CHANGING)} FROM ({{rows}}) AS v WHERE entry.id = v.id",  # noqa: S608
    {"id": "int", **{name: ENTRY[name] for name in _CHANGING}},
)
TAG: Final = _statements(
    """
    INSERT INTO entry_tag (entry_id, tag) SELECT entry_id, tag FROM ({rows}) AS v WHERE true
    ON CONFLICT DO NOTHING
    """,
    {"entry_id": "int", "tag": "text"},
)
BRING: Final = _statements(
    """
    INSERT INTO entry_feed (entry_id, feed_id, first_at, last_at)
    SELECT v.entry_id, v.feed_id, v.at, v.at FROM ({rows}) AS v WHERE true
    ON CONFLICT (entry_id, feed_id) DO UPDATE SET last_at = excluded.last_at
    """,
    {"entry_id": "int", "feed_id": "int", "at": "time"},
)
REMEMBER: Final = _statements(
    f"""
    UPDATE feed SET {_set(STATE)}, title = v.title, site = v.site,
        claimed_by = '', claimed_until = NULL
    FROM ({{rows}}) AS v WHERE feed.id = v.id AND feed.claimed_by = :worker
    """,  # noqa: S608
    {"id": "int", **STATE, "title": "text", "site": "text"},
)
