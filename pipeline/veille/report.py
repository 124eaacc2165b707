"""The week of the veille in figures: who brought what, what was kept and why, how diverse it is.

Values only: :mod:`pipeline.veille.week` reads them from the database, the command says them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from pipeline.errors import FetchError, InputError
from pipeline.veille.plain import fold
from pipeline.veille.states import State
from pipeline.words import mark

_WEEK: Final = re.compile(r"(\d{4})-?[wWsS](\d{1,2})")
_NO_WEEK: Final = mark("“{given}” is no week: write its year and its number, as in 2026-W48")
_REVERSED: Final = mark("the days are the wrong way round: {since} comes after {until}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From one moment to before another, both aware."""

    since: datetime
    until: datetime


def span_of_week(given: str, *, zone: tzinfo) -> Span:
    """Return an ISO 8601 week, Monday to Sunday by the clocks of ``zone``.

    Raises InputError for what is no week, such as 2026-W54.
    """
    match = _WEEK.fullmatch(given.strip())
    try:
        if match is None:
            raise ValueError
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        raise InputError(_NO_WEEK, given=given) from None
    return span_of_days(monday, monday + timedelta(days=6), zone=zone)


def span_of_days(since: date, until: date, *, zone: tzinfo) -> Span:
    """Return two days and all between them, both included. Raises InputError."""
    if since > until:
        raise InputError(_REVERSED, since=since, until=until)
    try:
        behind = until + timedelta(days=1)
    except OverflowError:
        behind = until
    return Span(since=_midnight(since, zone), until=_midnight(behind, zone))


def week_around(today: date, *, zone: tzinfo) -> Span:
    """Return the week of a day, Monday to Sunday."""
    monday = today - timedelta(days=today.weekday())
    return span_of_days(monday, monday + timedelta(days=6), zone=zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


# --- figures ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """How many entries of one source in one language arrived; ``language`` may be empty."""

    source: str
    language: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An entry that was kept, and why: the rule or the person, the tags, the note.

    ``at`` is when it was kept; ``written_at`` when it came into the letter ``issue``, None where
    it stands in none.
    """

    ref: str
    title: str
    url: str
    source: str
    language: str
    state: State
    at: datetime
    by: str = ""
    rule: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    issue: str = ""
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTrouble:
    """A feed that fails, or has been silent for long; ``error`` is its last."""

    title: str
    watchlist: str
    failing_since: datetime | None = None
    silent_since: datetime | None = None
    error: FetchError | None = None


# --- what they make ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One source or language: what it brought, what of it was kept, and its share of all kept."""

    name: str
    brought: int
    kept: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """How many sources were kept, which gives most, its share, and the effective number.

    The effective number is exp(H), H the Shannon entropy of the shares: so many sources of the
    same weight would be as diverse (Hill number of order 1; M. O. Hill, Ecology 54, 1973).
    """

    sources: int = 0
    greatest: str = ""
    share: float = 0.0
    effective: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterShare:
    """What went into one letter."""

    issue: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One span of the veille; the sources that were kept most come first."""

    span: Span
    brought: int
    kept: tuple[Choice, ...]
    sources: tuple[Share, ...]
    languages: tuple[Share, ...]
    diversity: Diversity
    letters: tuple[LetterShare, ...]
    feeds: tuple[FeedTrouble, ...]


def make_report(
    span: Span,
    *,
    brought: Iterable[Brought],
    choices: Iterable[Choice],
    feeds: Iterable[FeedTrouble] = (),
) -> Report:
    """Return the report of ``span``; of ``choices`` those count that were kept or written in it."""
    arrivals = tuple(brought)
    known = sorted(choices, key=lambda one: (one.at, one.ref))
    kept = tuple(one for one in known if _is_within(span, one.at))
    sources = share_out(((one.source, one.count) for one in arrivals), [one.source for one in kept])
    return Report(
        span=span,
        brought=sum(one.count for one in arrivals),
        kept=kept,
        sources=sources,
        languages=share_out(
            ((_primary(one.language), one.count) for one in arrivals),
            [_primary(one.language) for one in kept],
        ),
        diversity=measure(sources),
        letters=_letters(one for one in known if _is_within(span, one.written_at)),
        feeds=tuple(feeds),
    )


def share_out(brought: Iterable[tuple[str, int]], kept: Sequence[str]) -> tuple[Share, ...]:
    """Return each name with its share of ``kept``, which sums up to 1 unless nothing was kept."""
    arrived: Counter[str] = Counter()
    for name, count in brought:
        arrived[name] += count
    chosen = Counter(kept)
    found = [
        Share(
            name=name,
            brought=arrived[name],
            kept=chosen[name],
            share=chosen[name] / len(kept) if kept else 0.0,
        )
        for name in arrived.keys() | chosen.keys()
    ]
    return tuple(sorted(found, key=lambda one: (-one.kept, -one.brought, fold(one.name), one.name)))


def measure(sources: Iterable[Share]) -> Diversity:
    """Return how diverse the kept sources are."""
    kept = [one for one in sources if one.kept]
    if not kept:
        return Diversity()
    greatest = max(kept, key=lambda one: one.kept)
    entropy = -sum(one.share * math.log(one.share) for one in kept)
    return Diversity(
        sources=len(kept),
        greatest=greatest.name,
        share=greatest.share,
        effective=math.exp(entropy),
    )


def _letters(choices: Iterable[Choice]) -> tuple[LetterShare, ...]:
    found: dict[str, list[Choice]] = {}
    for one in choices:
        found.setdefault(one.issue, []).append(one)
    return tuple(LetterShare(issue=issue, choices=tuple(found[issue])) for issue in sorted(found))


def _is_within(span: Span, moment: datetime | None) -> bool:
    return moment is not None and span.since <= moment < span.until


def _primary(language: str) -> str:
    """Return the language alone: ``fr`` for fr-CA."""
    return language.partition("-")[0].lower()
