"""``veille triage``: the full-screen reader, which lives in a folder of its own."""

from pipeline.cli.reader.command import triage_command

__all__ = ["triage_command"]
