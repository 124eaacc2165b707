"""What an HTTP answer says besides its body: why there is none, and when to ask again."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from pipeline.errors import FetchError
from pipeline.words import mark

MAX_WAIT: Final = 86_400.0  # seconds; a feed that asks for a year is asked again tomorrow
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,12})", re.IGNORECASE)

_SENTENCES: Final = {
    401: mark("{url} asks for an account ({status}): look for a public feed"),
    403: mark("{url} refuses programs ({status}): ask its makers, or take another feed"),
    404: mark("{url} does not exist (any more) (404): look for its present address"),
    410: mark("{url} is gone for good (410): remove it, or look for its successor"),
    429: mark("{url} wants to be asked less often (429): try again later"),
}


def status_error(status: int, *, url: str, wait: float | None) -> FetchError:
    """Return the error for a status other than 200 and 304; ``wait`` is in seconds."""
    if status >= 500:
        message = mark("{url} is out of order ({status}): try again later")
    else:
        message = _SENTENCES.get(
            status, mark("{url} answers with status {status}: check the address")
        )
    retryable = status >= 500 or status in (408, 425, 429)
    return FetchError(message, retryable=retryable, retry_after=wait, url=url, status=status)


def retry_after(header: str, *, date: str = "") -> float | None:
    """Return the seconds a ``Retry-After`` header asks for (RFC 9110, 10.2.3), at most MAX_WAIT.

    A moment counts from the answer's own ``Date`` header, so the server's clock may be wrong.

    >>> retry_after("120")
    120.0
    """
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return min(float(header[:20]), MAX_WAIT)
    try:
        wait = parsedate_to_datetime(header) - parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), MAX_WAIT)


def max_age(headers: Mapping[str, str]) -> float:
    """Return for how many seconds an answer holds (RFC 9111, 4.2.1 and 4.2.3), at most MAX_WAIT.

    ``Cache-Control`` counts before ``Expires``, less the ``Age`` that the answer already has.

    >>> max_age({"Cache-Control": "public, max-age=900", "Age": "60"})
    840.0
    """
    control = headers.get("Cache-Control", "")
    if re.search(r"\bno-(?:cache|store)\b", control, re.IGNORECASE):
        return 0.0
    age = headers.get("Age", "").strip()
    if found := _MAX_AGE.search(control):
        spent = float(age) if age.isascii() and age.isdecimal() and len(age) < 13 else 0.0
        return min(max(float(found[1]) - spent, 0.0), MAX_WAIT)
    try:
        expires = parsedate_to_datetime(headers.get("Expires", ""))
        held = expires - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(held.total_seconds(), 0.0), MAX_WAIT)
