"""Delivery: campaigns and what they froze, batches, one row a recipient, what came back."""

import sqlalchemy as sa
from alembic import op

from pipeline.store.columns import Key, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATES = (
    "'queued', 'deferred', 'accepted', 'delivered', 'bounced', 'complained', 'failed', 'skipped',"
    " 'uncertain'"
)


def upgrade() -> None:
    _campaigns()
    _deliveries()


def _campaigns() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("segment", sa.String(200), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("segments", sa.JSON(), nullable=False),
        sa.Column("frame", sa.JSON(), nullable=False),
        sa.Column("scheduled_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("reviewed_at", UtcDateTime()),
        sa.Column("pause_reason", sa.String(16), nullable=False),
        sa.Column("pause_detail", sa.Text(), nullable=False),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'running', 'paused', 'cancelled', 'done')",
            name=op.f("ck_campaign_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("name", name=op.f("uq_campaign_name")),
        sa.UniqueConstraint("slug", "segment", "provider", "round", name="uq_campaign_slug"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "campaign_edition",
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("variant", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("edition", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_edition_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "variant", name=op.f("pk_campaign_edition")),
    )
    op.create_table(
        "campaign_picture",
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_campaign_picture_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "name", name=op.f("pk_campaign_picture")),
    )
    op.create_table(
        "approval",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_approval_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(op.f("ix_approval_campaign_id"), "approval", ["campaign_id"])


def _deliveries() -> None:
    op.create_table(
        "batch",
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("low", Key, nullable=False),
        sa.Column("high", Key, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", UtcDateTime()),
        sa.CheckConstraint("state IN ('open', 'claimed', 'done')", name=op.f("ck_batch_state")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_batch_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "number", name=op.f("pk_batch")),
    )
    op.create_index(
        "ix_batch_campaign_id_state_number", "batch", ["campaign_id", "state", "number"]
    )
    op.create_table(
        "delivery",
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", Key, autoincrement=False, nullable=False),
        sa.Column("variant", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("at", UtcDateTime()),
        sa.Column("code", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_delivery_state")),
        sa.PrimaryKeyConstraint("campaign_id", "subscriber_id", name=op.f("pk_delivery")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_delivery_campaign_id_due_at",
        "delivery",
        ["campaign_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "delivery_event",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("campaign_id", Key),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
            name=op.f("fk_delivery_event_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_event_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_event")),
    )
    op.create_index("ix_delivery_event_campaign_id_kind", "delivery_event", ["campaign_id", "kind"])
    op.create_index(op.f("ix_delivery_event_subscriber_id"), "delivery_event", ["subscriber_id"])
    op.create_table(
        "pace",
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pace")),
    )


def downgrade() -> None:
    for table in (
        "pace", "delivery_event", "delivery", "batch",
        "approval", "campaign_picture", "campaign_edition", "campaign",
    ):  # fmt: skip
        op.drop_table(table)
