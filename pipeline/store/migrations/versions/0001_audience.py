"""The audience: subscribers, their segments and consents, filters, and who is left alone."""

import sqlalchemy as sa
from alembic import op

from pipeline.store.columns import Key, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATES = "'pending', 'active', 'unsubscribed', 'bounced', 'complained', 'forgotten'"


def upgrade() -> None:
    _people()
    _segments()
    _proofs()


def _people() -> None:
    op.create_table(
        "subscriber",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("address_key", sa.Text()),
        sa.Column("public_id", sa.String(32), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_at", UtcDateTime(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("soft_bounces", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_subscriber_state")),
        sa.CheckConstraint(
            "(address IS NULL) = (state = 'forgotten')", name=op.f("ck_subscriber_forgotten")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("address_key", name=op.f("uq_subscriber_address_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_subscriber_public_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_subscriber_state_id"), "subscriber", ["state", "id"])


def _segments() -> None:
    op.create_table(
        "subscriber_segment",
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("segment", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_subscriber_segment_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "segment", name=op.f("pk_subscriber_segment")),
    )
    op.create_index(
        op.f("ix_subscriber_segment_segment_subscriber_id"),
        "subscriber_segment",
        ["segment", "subscriber_id"],
    )
    op.create_table(
        "segment_filter",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_segment_filter")),
    )


def _proofs() -> None:
    op.create_table(
        "consent",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("wording_version", sa.String(40), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_consent_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_subscriber_id"), "consent", ["subscriber_id"])
    op.create_table(
        "suppression",
        sa.Column("address_hash", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppression")),
    )


def downgrade() -> None:
    for table in ("suppression", "consent", "segment_filter", "subscriber_segment", "subscriber"):
        op.drop_table(table)
