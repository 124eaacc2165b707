"""Infolettre: write a newsletter from blocks, check it, send it, archive it.

The rooms and the arrows between them are drawn in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
