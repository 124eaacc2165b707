"""Every table at once: importing this fills ``metadata``. A new file of tables is named here."""

from pipeline.store import campaigns, people
from pipeline.store.columns import metadata

__all__ = ["campaigns", "metadata", "people"]
