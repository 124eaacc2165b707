"""When a feed is asked again, and what is remembered of it until then.

Values only: a feed is due after its interval, give or take some of it, so that not all are asked
at the same minute; later where its server says that its answer holds longer; and less and less
often while it fails. Nothing here fetches or waits: ``pull.py`` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import FetchError
from pipeline.veille.answers import MAX_WAIT

JITTER: Final = 0.1  # of the interval, earlier or later
#: A permanent redirect is believed after so long of the same answer: many are mistakes of a day.
MOVE_AFTER: Final = timedelta(days=7)
_LONGEST: Final = 86_400.0  # seconds between two attempts at a feed that fails


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What is remembered of a feed between two pulls, as table ``feed`` has it.

    ``sha256`` is that of its last good body, ``error`` {"message", "facts"} or None while it
    works. It is due at ``next_at``, and never before ``not_before``, which its server asked for.
    """

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    checked_at: datetime | None = None
    next_at: datetime | None = None
    not_before: datetime | None = None
    answered_at: datetime | None = None
    parsed_at: datetime | None = None
    brought_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    error: Mapping[str, object] | None = None
    moved_to: str = ""
    moved_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A good answer: 304, or a body that could be read.

    ``sha256`` is empty for a 304, which says nothing of a body; ``is_parsed`` is False where the
    bytes were the same again. ``max_age`` (seconds) is how long the server holds it for fresh.
    """

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    max_age: float = 0.0
    moved_to: str = ""
    is_parsed: bool = False


def after_answer(
    state: FeedState, answer: Answered, *, now: datetime, interval: float, rng: Random
) -> FeedState:
    """Return the state after a good answer; ``interval`` is in minutes.

    Whether it brought something new is not known yet: see :func:`after_news`.
    """
    works = replace(
        state,
        checked_at=now,
        answered_at=now,
        next_at=now + timedelta(seconds=max(_spread(interval * 60, rng), answer.max_age)),
        not_before=None,
        failing_since=None,
        failures=0,
        error=None,
        moved_to=answer.moved_to,
        moved_since=_moved_since(state, answer, now) if answer.moved_to else None,
    )
    if not answer.sha256:  # a 304 may renew the validators (RFC 9110, 15.4.5)
        return replace(
            works,
            etag=answer.etag or state.etag,
            last_modified=answer.last_modified or state.last_modified,
        )
    works = replace(
        works, etag=answer.etag, last_modified=answer.last_modified, sha256=answer.sha256
    )
    return replace(works, parsed_at=now) if answer.is_parsed else works


def after_news(state: FeedState, *, new: int) -> FeedState:
    """Return the state of a feed that was just read and brought ``new`` entries.

    Its silence is counted from the last of them, at first from the first answer.
    """
    return replace(state, brought_at=state.parsed_at) if new or not state.brought_at else state


def after_failure(
    state: FeedState, error: FetchError, *, now: datetime, interval: float, rng: Random
) -> FeedState:
    """Return the state after an attempt that failed: each pause is twice the one before.

    A day is the longest pause, and what a feed gets at once that is gone for good (410).
    """
    failures = state.failures + 1
    pause = min(interval * 60 * 2.0 ** min(failures, 20), _LONGEST)
    if error.facts.get("status") == 410:
        pause = _LONGEST
    wait = min(error.retry_after or 0.0, MAX_WAIT)
    return replace(
        state,
        checked_at=now,
        next_at=now + timedelta(seconds=max(_spread(pause, rng), wait)),
        not_before=now + timedelta(seconds=wait) if wait else None,
        failing_since=state.failing_since or now,
        failures=failures,
        error={"message": str(error.message), "facts": _plain_facts(error.facts)},
    )


def is_move_due(state: FeedState, *, url: str, now: datetime) -> bool:
    """Say whether a permanent redirect is to be believed: after a week, or to https at once."""
    if not state.moved_to or state.moved_to == url:
        return False
    if is_upgrade(url, state.moved_to):
        return True
    return state.moved_since is not None and now - state.moved_since >= MOVE_AFTER


def is_upgrade(old: str, new: str) -> bool:
    """Say whether ``new`` is the address of ``old`` over https, and nothing else.

    >>> is_upgrade("http://a.example:80/f?x=1", "https://a.example/f?x=1")
    True
    """
    before, after = urlsplit(old), urlsplit(new)
    if (before.scheme, after.scheme) != ("http", "https") or before.hostname != after.hostname:
        return False
    ports = (before.port or 80, after.port or 443)
    rest = before[2:4] == after[2:4]  # path and query
    return rest and ports == (80, 443)


def _moved_since(state: FeedState, answer: Answered, now: datetime) -> datetime:
    is_same = state.moved_to == answer.moved_to
    return state.moved_since if is_same and state.moved_since else now


def _spread(seconds: float, rng: Random) -> float:
    return seconds * rng.uniform(1 - JITTER, 1 + JITTER)


def _plain_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts that JSON can hold; PostgreSQL cannot hold a NUL in it."""
    return {name: _plain_fact(value) for name, value in facts.items()}


def _plain_fact(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).replace("\0", "").encode(errors="replace").decode()[:2000]
