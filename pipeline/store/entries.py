"""The tables of the veille: feeds, what they brought, and what curators made of it."""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    event,
)

from pipeline.store.campaigns import campaign
from pipeline.store.columns import Key, UtcDateTime, metadata

#: The states of an entry, as they are stored; ``veille.states`` says what leads where.
STATES: Final = ("new", "kept", "written", "published", "discarded")

#: What is remembered of a feed between two pulls. ``watchlists.opml`` says which are followed.
#: It is due at ``next_at``, or not before ``not_before`` where its server says so. ``answered_at``
#: is that of its last good answer, ``parsed_at`` of the last that was not the same again,
#: ``brought_at`` of the last that held something new. ``error`` is {"message", "facts"}.
feed: Final = Table(
    "feed",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("url", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False, default=""),
    Column("watchlist", Text, nullable=False, default=""),
    Column("site", Text, nullable=False, default=""),
    Column("etag", Text, nullable=False, default=""),
    Column("last_modified", Text, nullable=False, default=""),
    Column("sha256", String(64), nullable=False, default=""),
    Column("checked_at", UtcDateTime),
    Column("next_at", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("parsed_at", UtcDateTime),
    Column("brought_at", UtcDateTime),
    Column("failing_since", UtcDateTime),
    Column("failures", Integer, nullable=False, default=0),
    Column("error", JSON),
    Column("moved_to", Text, nullable=False, default=""),
    Column("moved_since", UtcDateTime),
    Column("claimed_by", Text, nullable=False, default=""),
    Column("claimed_until", UtcDateTime),
    sqlite_autoincrement=True,
)

#: One row a page, whatever the number of feeds that bring it. ``ref`` is its short name, ``words``
#: what search reads: all its texts, its note and its tags without case and accents. ``minutes`` is
#: the time to read it, ``origins`` say whence the fields of a page that was added are, ``rule``
#: which rule decided, ``issue`` names the letter (its folder) that it is meant for or stands in.
entry: Final = Table(
    "entry",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("ref", String(12), nullable=False, unique=True),
    Column("canonical_url", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("watchlist", Text, nullable=False),
    Column("feed_id", ForeignKey(feed.c.id)),
    Column("site", Text, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("published_at", UtcDateTime),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("dated_at", UtcDateTime, nullable=False),
    Column("language", String(35), nullable=False),
    Column("excerpt", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("minutes", SmallInteger, nullable=False),
    Column("origins", JSON, nullable=False),
    Column("state", String(9), nullable=False),
    Column("state_at", UtcDateTime, nullable=False),
    Column("state_by", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("issue", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("words", Text, nullable=False),
    CheckConstraint(f"state IN {STATES}", name="state"),
    Index("ix_entry_desk", "dated_at", "id", "state", "watchlist", "source", "language", "issue"),
    Index("ix_entry_facets", "source", "watchlist", "language", "state", "dated_at", "id", "issue"),
    Index("ix_entry_feed_id", "feed_id"),
    Index("ix_entry_issue", "issue"),
    sqlite_autoincrement=True,
)

#: Which feeds bring an entry, and when each last did: what stands in a feed still is not erased.
entry_feed: Final = Table(
    "entry_feed",
    metadata,
    Column("entry_id", ForeignKey(entry.c.id, ondelete="CASCADE"), primary_key=True),
    Column("feed_id", ForeignKey(feed.c.id, ondelete="CASCADE"), primary_key=True),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Index("ix_entry_feed_feed_id", "feed_id"),
)

entry_tag: Final = Table(
    "entry_tag",
    metadata,
    Column("entry_id", ForeignKey(entry.c.id, ondelete="CASCADE"), primary_key=True),
    Column("tag", String(80), primary_key=True),
    Index("ix_entry_tag_tag_entry_id", "tag", "entry_id"),
)

#: Who did what to an entry: ``before`` and ``after`` hold the fields that changed. What was undone
#: is marked so, and stays.
entry_event: Final = Table(
    "entry_event",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("entry_id", ForeignKey(entry.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", String(16), nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("undone_at", UtcDateTime),
    Index("ix_entry_event_by_id", "by", "id"),
    Index("ix_entry_event_at", "at"),
    sqlite_autoincrement=True,
)

#: What the letters of ``issues/`` link to, read again when a letter's file has another ``stamp``.
cited_letter: Final = Table(
    "cited_letter",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("stamp", Text, nullable=False),
    Column("number", Text, nullable=False),
)
citation: Final = Table(
    "citation",
    metadata,
    Column("slug", ForeignKey(cited_letter.c.slug, ondelete="CASCADE"), primary_key=True),
    Column("canonical_url", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Index("ix_citation_canonical_url", "canonical_url"),
)

#: The campaigns whose letters' items were called published.
publication: Final = Table(
    "publication",
    metadata,
    Column("campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

#: Full-text search of ``entry.words``, which are folded already. SQLite: an FTS5 table kept by
#: triggers. PostgreSQL: a column of its own making, of French stems and of the words as they are.
SEARCH_SQLITE: Final = (
    "CREATE VIRTUAL TABLE entry_search USING fts5(words, content='entry', content_rowid='id',"
    " detail=none, columnsize=0, prefix='1 2 3', tokenize='ascii')",
    "CREATE TRIGGER entry_search_insert AFTER INSERT ON entry BEGIN"
    " INSERT INTO entry_search(rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER entry_search_delete AFTER DELETE ON entry BEGIN"
    " INSERT INTO entry_search(entry_search, rowid, words)"
    " VALUES ('delete', old.id, old.words); END",
    "CREATE TRIGGER entry_search_update AFTER UPDATE OF words ON entry BEGIN"
    " INSERT INTO entry_search(entry_search, rowid, words)"
    " VALUES ('delete', old.id, old.words);"
    " INSERT INTO entry_search(rowid, words) VALUES (new.id, new.words); END",
)
SEARCH_POSTGRESQL: Final = (
    "ALTER TABLE entry ADD COLUMN search tsvector GENERATED ALWAYS AS"
    " (strip(to_tsvector('french', words) || to_tsvector('simple', words))) STORED",
    "CREATE INDEX ix_entry_search ON entry USING gin (search)",
)


def _search(target: Table, connection: Any, **options: Any) -> None:
    for statement in SEARCH_SQLITE if connection.dialect.name == "sqlite" else SEARCH_POSTGRESQL:
        connection.exec_driver_sql(statement)


def _no_search(target: Table, connection: Any, **options: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TABLE IF EXISTS entry_search")


event.listen(entry, "after_create", _search)
event.listen(entry, "after_drop", _no_search)
