"""The events that a letter announces: what becomes an .ics file and a link to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.issues.issue import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; ``name`` is its file's name, hours are local text such as ``13:30``."""

    name: str
    title: str
    date: date
    time: str = ""
    end: str = ""
    place: str = ""
    url: str = ""


def events_of(part: Part) -> Iterator[Event]:
    """Yield the events of a part, in the order in which the letter gives them."""
    where = part.block.calendar
    if where == ".":
        yield _event(f"{part.id}.ics", part.fields, part.heading)
    elif where:
        for index, fields in enumerate(part.fields.get(where) or (), 1):
            yield _event(f"{part.id}-{index}.ics", fields, part.heading)


def _event(name: str, fields: Mapping[str, Any], heading: str) -> Event:
    places = [fields.get("place"), fields.get("city")]
    return Event(
        name=name,
        title=str(fields.get("title") or heading or fields.get("city") or ""),
        date=date.fromisoformat(fields["date"].strip()),
        time=str(fields.get("time") or "").strip(),
        end=str(fields.get("end") or "").strip(),
        place=", ".join(str(one) for one in places if one),
        url=str(fields.get("url") or ""),
    )
