"""The tables of the audience: who is written to, what they agreed to, and who is left alone."""

from typing import Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from pipeline.store.columns import Key, UtcDateTime, metadata

#: The states of a subscriber, as they are stored; ``audience.states`` says what leads where.
STATES: Final = ("pending", "active", "unsubscribed", "bounced", "complained", "forgotten")

#: One row a mailbox. A forgotten one keeps its row, for the counts, and nothing of the person.
subscriber: Final = Table(
    "subscriber",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("address", Text),
    Column("address_key", Text, unique=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("first_name", Text, nullable=False, default=""),
    Column("last_name", Text, nullable=False, default=""),
    Column("language", String(35), nullable=False, default=""),
    Column("state", String(16), nullable=False),
    Column("state_at", UtcDateTime, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("soft_bounces", Integer, nullable=False, server_default="0"),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("(address IS NULL) = (state = 'forgotten')", name="forgotten"),
    Index("ix_subscriber_state_id", "state", "id"),
    sqlite_autoincrement=True,  # the number of a row is never given again
)

subscriber_segment: Final = Table(
    "subscriber_segment",
    metadata,
    Column("subscriber_id", ForeignKey(subscriber.c.id, ondelete="CASCADE"), primary_key=True),
    Column("segment", String(200), primary_key=True),
    Index("ix_subscriber_segment_segment_subscriber_id", "segment", "subscriber_id"),
)

#: A segment that is a rule instead of a tag.
segment_filter: Final = Table(
    "segment_filter",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("rule", JSON, nullable=False),
)

#: The log: what happened, when, from where, and the very text that was agreed to. Only grows.
consent: Final = Table(
    "consent",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column(
        "subscriber_id",
        ForeignKey(subscriber.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("kind", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("wording", Text, nullable=False, default=""),
    Column("wording_version", String(40), nullable=False, default=""),
    Column("proof", JSON, nullable=False),
)

#: Those who asked to be forgotten: a keyed hash of the address is all that is left (T16).
suppression: Final = Table(
    "suppression",
    metadata,
    Column("address_hash", String(32), primary_key=True),
    Column("reason", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
