"""Every table at once: importing this fills ``metadata``. A new file of tables is named here."""

from pipeline.store import campaigns, entries, people
from pipeline.store.columns import metadata

__all__ = ["campaigns", "entries", "metadata", "people"]
