"""The tables of delivery: campaigns with what they froze, one row a recipient, what came back."""

from typing import Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pipeline.store.columns import Key, UtcDateTime, metadata
from pipeline.store.people import subscriber

#: The states as they are stored; ``delivery.campaign`` says what leads where.
CAMPAIGN_STATES: Final = ("draft", "scheduled", "running", "paused", "cancelled", "done")
BATCH_STATES: Final = ("open", "claimed", "done")
DELIVERY_STATES: Final = (
    "queued",
    "deferred",
    "accepted",
    "delivered",
    "bounced",
    "complained",
    "failed",
    "skipped",
    "uncertain",
)

#: One letter × one audience × one provider; ``round`` counts those sent on purpose once more.
campaign: Final = Table(
    "campaign",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("slug", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("segment", String(200), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("segments", JSON, nullable=False),
    Column("frame", JSON, nullable=False),
    Column("scheduled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("reviewed_at", UtcDateTime),
    Column("pause_reason", String(16), nullable=False, default=""),
    Column("pause_detail", Text, nullable=False, default=""),
    Column("strikes", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    UniqueConstraint("slug", "segment", "provider", "round", name="uq_campaign_slug"),
    CheckConstraint(f"state IN {CAMPAIGN_STATES}", name="state"),
    sqlite_autoincrement=True,
)

#: What rendering froze, one a variant: bit *n* of ``variant`` is the *n*-th of the segments.
campaign_edition: Final = Table(
    "campaign_edition",
    metadata,
    Column("campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE"), primary_key=True),
    Column("variant", SmallInteger, primary_key=True, autoincrement=False),
    Column("edition", JSON, nullable=False),
)

#: The images that travel in the mail; there are none where they are linked.
campaign_picture: Final = Table(
    "campaign_picture",
    metadata,
    Column("campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

#: Who found which frozen letter good; one that was edited has another digest.
approval: Final = Table(
    "approval",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column(
        "campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("digest", String(64), nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

#: The recipients that are claimed together: rows of one ``number``, all from ``low`` to ``high``.
#: Those up to ``begun_to`` may have been handed over; without it, nobody was.
batch: Final = Table(
    "batch",
    metadata,
    Column("campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("low", Key, nullable=False),
    Column("high", Key, nullable=False),
    Column("state", String(8), nullable=False),
    Column("worker", Text, nullable=False, default=""),
    Column("lease_until", UtcDateTime),
    Column("begun_to", Key),
    CheckConstraint(f"state IN {BATCH_STATES}", name="state"),
    Index("ix_batch_campaign_id_state_number", "campaign_id", "state", "number"),
)

#: One row a recipient, before anything is sent. There are no foreign keys: checking them would take
#: longer than filling a million rows, and neither campaigns nor subscribers are ever deleted.
#: ``due_at`` stands on deferred rows alone, and no other index names what an outcome changes.
delivery: Final = Table(
    "delivery",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch", Integer, nullable=False),
    Column("subscriber_id", Key, primary_key=True, autoincrement=False),
    Column("variant", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("due_at", UtcDateTime),
    Column("at", UtcDateTime),
    Column("code", Text),
    Column("detail", Text),
    CheckConstraint(f"state IN {DELIVERY_STATES}", name="state"),
    Index(
        "ix_delivery_campaign_id_due_at",
        "campaign_id",
        "due_at",
        postgresql_where=text("due_at IS NOT NULL"),
        sqlite_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

#: What came back, each event once, whatever number of times it was heard.
delivery_event: Final = Table(
    "delivery_event",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("subscriber_id", ForeignKey(subscriber.c.id), nullable=False, index=True),
    Column("campaign_id", ForeignKey(campaign.c.id, ondelete="CASCADE")),
    Column("kind", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("heard_at", UtcDateTime, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_delivery_event_campaign_id_kind", "campaign_id", "kind"),
)

#: When the next message may leave, for a provider or a domain that has a rate.
pace: Final = Table(
    "pace",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
)
