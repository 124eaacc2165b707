"""Parsers that do what a hostile feed might have a parser do; run in processes of the pool."""

import os
import signal
from typing import Any

from pipeline.veille.feeds import ParsedFeed, parse_feed


def forever(body: bytes, **options: Any) -> ParsedFeed:
    """Never come back from what is marked so; parse all else."""
    while b"forever" in body:
        pass
    return parse_feed(body, **options)


def gluttonous(body: bytes, **options: Any) -> ParsedFeed:
    """Ask for four gigabytes."""
    return ParsedFeed(
        title=str(len(bytearray(4 << 30))), site="", language="", entries=(), dropped=0
    )


def dying(body: bytes, **options: Any) -> ParsedFeed:
    """Break off as a crash in C does."""
    if b"dying" in body:
        os.kill(os.getpid(), signal.SIGSEGV)
    return parse_feed(body, **options)


def telling_peak(body: bytes, **options: Any) -> ParsedFeed:
    """Parse, and count the process's peak memory (KB) as the entries that were dropped."""
    parsed = parse_feed(body, **options)
    with open("/proc/self/status", encoding="ascii") as file:
        peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
    return ParsedFeed(
        title=parsed.title, site="", language="", entries=parsed.entries, dropped=int(peak)
    )
