"""The veille: feeds, their entries, what curators made of them, and what the letters cite."""

import sqlalchemy as sa
from alembic import op

from pipeline.store.columns import Key, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEARCH = {
    "sqlite": (
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
    ),
    "postgresql": (
        "ALTER TABLE entry ADD COLUMN search tsvector GENERATED ALWAYS AS"
        " (strip(to_tsvector('french', words) || to_tsvector('simple', words))) STORED",
        "CREATE INDEX ix_entry_search ON entry USING gin (search)",
    ),
}


def upgrade() -> None:
    _feeds()
    _entries()
    _letters()
    for statement in _SEARCH[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)


def _feeds() -> None:
    op.create_table(
        "feed",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("watchlist", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("checked_at", UtcDateTime, nullable=True),
        sa.Column("next_at", UtcDateTime, nullable=True),
        sa.Column("not_before", UtcDateTime, nullable=True),
        sa.Column("answered_at", UtcDateTime, nullable=True),
        sa.Column("parsed_at", UtcDateTime, nullable=True),
        sa.Column("brought_at", UtcDateTime, nullable=True),
        sa.Column("failing_since", UtcDateTime, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("moved_to", sa.Text(), nullable=False),
        sa.Column("moved_since", UtcDateTime, nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("claimed_until", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("url", name=op.f("uq_feed_url")),
        sqlite_autoincrement=True,
    )


def _entries() -> None:
    op.create_table(
        "entry",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("ref", sa.String(length=12), nullable=False),
        sa.Column("canonical_url", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("watchlist", sa.Text(), nullable=False),
        sa.Column("feed_id", Key, nullable=True),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=True),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("dated_at", UtcDateTime, nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("minutes", sa.SmallInteger(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("state_at", UtcDateTime, nullable=False),
        sa.Column("state_by", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('new', 'kept', 'written', 'published', 'discarded')",
            name=op.f("ck_entry_state"),
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_entry_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint("canonical_url", name=op.f("uq_entry_canonical_url")),
        sa.UniqueConstraint("ref", name=op.f("uq_entry_ref")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_entry_desk",
        "entry",
        ["dated_at", "id", "state", "watchlist", "source", "language", "issue"],
    )
    op.create_index(
        "ix_entry_facets",
        "entry",
        ["source", "watchlist", "language", "state", "dated_at", "id", "issue"],
    )
    op.create_index("ix_entry_feed_id", "entry", ["feed_id"], unique=False)
    op.create_index("ix_entry_issue", "entry", ["issue"], unique=False)
    op.create_table(
        "entry_feed",
        sa.Column("entry_id", Key, nullable=False),
        sa.Column("feed_id", Key, nullable=False),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entry.id"], name=op.f("fk_entry_feed_entry_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feed.id"], name=op.f("fk_entry_feed_feed_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", "feed_id", name=op.f("pk_entry_feed")),
    )
    op.create_index("ix_entry_feed_feed_id", "entry_feed", ["feed_id"], unique=False)
    op.create_table(
        "entry_tag",
        sa.Column("entry_id", Key, nullable=False),
        sa.Column("tag", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entry.id"], name=op.f("fk_entry_tag_entry_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", "tag", name=op.f("pk_entry_tag")),
    )
    op.create_index("ix_entry_tag_tag_entry_id", "entry_tag", ["tag", "entry_id"], unique=False)
    op.create_table(
        "entry_event",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("entry_id", Key, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("undone_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entry.id"], name=op.f("fk_entry_event_entry_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entry_event_at", "entry_event", ["at"], unique=False)
    op.create_index("ix_entry_event_by_id", "entry_event", ["by", "id"], unique=False)
    op.create_index(op.f("ix_entry_event_entry_id"), "entry_event", ["entry_id"], unique=False)


def _letters() -> None:
    op.create_table(
        "cited_letter",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_cited_letter")),
    )
    op.create_table(
        "citation",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("canonical_url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["slug"], ["cited_letter.slug"], name=op.f("fk_citation_slug"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slug", "canonical_url", name=op.f("pk_citation")),
    )
    op.create_index("ix_citation_canonical_url", "citation", ["canonical_url"], unique=False)
    op.create_table(
        "publication",
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_publication_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_publication")),
    )
