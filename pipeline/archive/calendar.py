"""An event as an iCalendar file (RFC 5545): what « Ajouter à mon agenda » leads to.

Hours go out in UTC, so that no VTIMEZONE has to travel along; a day without an hour stays a day.
What does not live here: which events a letter announces (:mod:`pipeline.render.events`), and
what their merge tags stand for.
"""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pipeline.render.events import Event

#: RFC 5545 §3.1: octets of a line, the line break not counted.
MAX_OCTETS: Final = 75
#: How long an event lasts that does not say when it ends.
DEFAULT_LENGTH: Final = datetime.timedelta(hours=1)

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE_BREAK: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_ONE_DAY: Final = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What an event owes to its letter: the day it was announced, its zone, the letter's page."""

    announced: datetime.date
    zone: datetime.tzinfo
    page: str = ""


def calendar_file(event: Event, occasion: Occasion, *, uid: UUID) -> bytes:
    """Return the bytes of an .ics file with ``event`` alone. Same input, same bytes."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Infolettre//Archive//FR",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTAMP:{_utc(_midnight(occasion.announced, occasion.zone))}",
        *_when(event, occasion.zone),
        f"SUMMARY:{escape(event.title)}",
        *_where(event, occasion),
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{fold(line)}\r\n" for line in lines).encode()


def escape(text: str) -> str:
    r"""Write ``text`` as a TEXT value (RFC 5545 §3.3.11); what it may not hold is left out.

    >>> escape("Lire; relire, dit-elle")
    'Lire\\; relire\\, dit-elle'
    """
    text = re.sub(r"([\\;,])", r"\\\1", _LINE_BREAK.sub("\n", text))
    return _CONTROL.sub("", text.replace("\n", r"\n"))


def fold(line: str) -> str:
    """Break a line after 75 octets at most, never inside a character (RFC 5545 §3.1)."""
    pieces, start, size = [], 0, 0
    for index, character in enumerate(line):
        octets = len(character.encode())
        if size + octets > MAX_OCTETS:
            pieces.append(line[start:index])
            start, size = index, 1  # the space that opens a continued line counts
        size += octets
    return "\r\n ".join([*pieces, line[start:]])


def _when(event: Event, zone: datetime.tzinfo) -> Iterator[str]:
    start = _hour(event.time)
    if start is None:
        yield f"DTSTART;VALUE=DATE:{event.date:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{event.date + _ONE_DAY:%Y%m%d}"  # the end is not part of it
        return
    begins = datetime.datetime.combine(event.date, start, zone).astimezone(datetime.UTC)
    ends = begins + DEFAULT_LENGTH
    if (end := _hour(event.end)) is not None and end != start:
        last = event.date if end > start else event.date + _ONE_DAY  # it goes on past midnight
        ends = datetime.datetime.combine(last, end, zone).astimezone(datetime.UTC)
    yield f"DTSTART:{_utc(begins)}"
    yield f"DTEND:{_utc(ends)}"


def _where(event: Event, occasion: Occasion) -> Iterator[str]:
    if event.place:
        yield f"LOCATION:{escape(event.place)}"
    url = _CONTROL.sub("", "".join(event.url.split()))
    if url:
        yield f"URL:{url}"
    if more := url or occasion.page:  # many calendars show the description only
        yield f"DESCRIPTION:{escape(more)}"


def _hour(text: str) -> datetime.time | None:
    """Read 13:30, 9:30 or 13h30; anything else is no hour, and the event lasts all day."""
    try:
        return datetime.time.fromisoformat(text.lower().replace("h", ":").zfill(5))
    except ValueError:
        return None


def _midnight(day: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), zone)


def _utc(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"
