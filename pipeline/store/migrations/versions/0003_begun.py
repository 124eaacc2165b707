"""Of a batch it is known up to whom it may have been handed over."""

import sqlalchemy as sa
from alembic import op

from pipeline.store.columns import Key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch", sa.Column("begun_to", Key))
    # Batches that are under way as the program is upgraded: everybody in them may have been served.
    op.execute("UPDATE batch SET begun_to = high WHERE state = 'claimed'")
