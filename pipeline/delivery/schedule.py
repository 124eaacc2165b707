"""When a campaign is to start: read as an editor types it, said as a reader expects it.

The hours are those of the workspace's time zone. What does not live here: the clock (``now`` comes
in), and what is done about a schedule that was missed.
"""

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from pipeline.errors import InputError
from pipeline.text.dates import clock, long_date
from pipeline.text.zones import read_zone
from pipeline.words import mark

_TYPED: Final = re.compile(
    r"(?:(?P<day>.+?) )?"
    r"(?P<hour>[0-9]{1,2})"
    r"(?: ?h(?:eures?)?(?: ?(?P<minute>[0-9]{2}))?"
    r"| ?: ?(?P<minutes>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"|(?= ?[ap]m))"  # an hour that says nothing else
    r"(?: ?(?P<half>[ap]m))?"
    r"(?: ?(?P<offset>z|[+-][0-9]{2}:?[0-9]{2}))?"
)
_ISO: Final = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_FIGURES: Final = re.compile(r"(?P<day>[0-9]{1,2})/(?P<month>[0-9]{1,2})(?:/(?P<year>[0-9]{4}))?")
_NAMED: Final = re.compile(
    r"(?P<day>[0-9]{1,2})(?:er|st|nd|rd|th)? (?P<name>[a-z]+)(?: (?P<year>[0-9]{4}))?"
)
_RELATIVE: Final = {
    "aujourd'hui": 0,
    "today": 0,
    "demain": 1,
    "tomorrow": 1,
    "apres-demain": 2,
}
_FILLERS: Final = frozenset(("le", "a", "on", "at"))
_LEAP: Final = 9  # years until 29 February is sure to come again, 1900 and the like in between


def parse_when(text: str, *, now: datetime, timezone: str) -> datetime:
    """Return the moment, aware and in UTC, that an editor types.

    A day in French or in English, then an hour: ``2026-11-27T08:00``, with an offset or ``Z`` too,
    ``27/11/2026 8h30``, ``27/11 8h``, ``vendredi à 8 h 30``, ``vendredi 27 novembre 8h``,
    ``demain 8h``, ``today 18:00``, ``friday 8 am``. Case, accents and no-break spaces do not
    matter. An hour alone is today's, or tomorrow's once it is past; a day of the week the next one
    whose hour is to come; a date without its year the next such date, today among them. ``now`` is
    aware, ``timezone`` is of the IANA database, as in Europe/Paris.

    An hour that comes twice, when clocks go back, is the first of both. One that clocks skip, a
    moment that is not after ``now``, and a text that is no moment raise InputError.
    """
    zone = read_zone(timezone)
    try:
        typed = _read(_plain(text), today=now.astimezone(zone).date())
        moments = [datetime.combine(day, typed.at, typed.offset or zone) for day in typed.days]
        for moment in moments:
            if moment.astimezone(UTC) > now:
                _refuse_gap(moment)
                return moment.astimezone(UTC)
        understood = f"{moments[-1].astimezone(zone):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):  # no such day or hour; beyond the year 9999
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        raise InputError(
            mark(
                "“{text}” is no day with an hour: write for example “{iso} 08:00”,"
                " “{figures} 8:30”, “friday 8:00”, “tomorrow 18:00” or “18:30”"
            ),
            text=text,
            iso=f"{tomorrow:%Y-%m-%d}",
            figures=f"{tomorrow:%d/%m/%Y}",
        ) from None
    raise InputError(
        mark("“{text}” means {moment} ({zone}), which is past: write a moment to come"),
        text=text,
        moment=understood,
        zone=timezone,
    )


def say_when(moment: datetime, *, timezone: str, language: str) -> str:
    """Say an aware moment in full, by the hour of ``timezone``; seconds are left out.

    « vendredi 27 novembre 2026 à 8 h (heure de Paris) », "Friday 27 November 2026 at 8 am (Paris
    time)". Raises InputError where there is no such time zone.
    """
    local = moment.astimezone(read_zone(timezone))
    at = "à" if _is_french(language) else "at"
    day, hour = long_date(local.date(), language), clock(local.time(), language)
    return f"{day} {at} {hour} ({_zone_words(timezone, language)})"


def is_missed(scheduled_at: datetime, *, now: datetime, grace: timedelta) -> bool:
    """Return whether a start is so late that a person has to decide; all moments are aware."""
    # in UTC: two moments of one zone would be subtracted by the clock on the wall
    return now.astimezone(UTC) - scheduled_at.astimezone(UTC) > grace


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """What was typed: the days that it may be, nearest first, an hour, and an offset of its own."""

    days: list[date]
    at: time
    offset: tzinfo | None


def _plain(text: str) -> str:
    """Return ``text`` without case, accents and commas; spaces are single, apostrophes plain."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("’", "'").replace(",", " ")
    letters = "".join(one for one in decomposed if not unicodedata.combining(one))
    return re.sub(r"(?<=[0-9])t(?=[0-9])", " ", " ".join(letters.split()))


def _read(plain: str, *, today: date) -> _Typed:
    """Read a text that was made plain. Raises ValueError where it is none of our forms."""
    if (found := _TYPED.fullmatch(plain)) is None:
        raise ValueError(plain)
    hour = int(found["hour"])
    if half := found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(plain)
        hour = hour % 12 + (12 if half == "pm" else 0)
    at = time(hour, int(found["minute"] or found["minutes"] or 0), int(found["second"] or 0))
    words = [one.strip(".") for one in (found["day"] or "").split() if one not in _FILLERS]
    offset = None
    if found["offset"]:
        if len(words) != 1 or not _ISO.fullmatch(words[0]):
            raise ValueError(plain)  # an offset stands after a date of its own style alone
        offset = datetime.strptime(found["offset"].upper(), "%z").tzinfo
    return _Typed(days=_days(words, today=today), at=at, offset=offset)


def _days(words: list[str], *, today: date) -> list[date]:
    """Return the days that ``words`` may mean, nearest first."""
    if not words:
        return [today, today + timedelta(days=1)]
    weekday = _names()[0].get(words[0])
    if weekday is None:
        return [_day(" ".join(words), today=today)]
    if len(words) == 1:
        nearest = today + timedelta(days=(weekday - today.weekday()) % 7)
        return [nearest, nearest + timedelta(weeks=1)]
    day = _day(" ".join(words[1:]), today=today)
    if day.weekday() != weekday:
        raise InputError(
            mark("{date} is another day of the week than “{word}”: write only one of them"),
            date=day.isoformat(),
            word=words[0],
        )
    return [day]


def _day(text: str, *, today: date) -> date:
    if (days := _RELATIVE.get(text)) is not None:
        return today + timedelta(days=days)
    if found := _ISO.fullmatch(text) or _FIGURES.fullmatch(text):
        return _date(int(found["day"]), int(found["month"]), found["year"], today=today)
    if (found := _NAMED.fullmatch(text)) and (month := _names()[1].get(found["name"])):
        return _date(int(found["day"]), month, found["year"], today=today)
    raise ValueError(text)


def _date(day: int, month: int, year: str | None, *, today: date) -> date:
    if year:
        return date(int(year), month, day)
    for one in range(today.year, today.year + _LEAP):
        try:
            found = date(one, month, day)
        except ValueError:  # 29 February of another year
            continue
        if found >= today:
            return found
    raise ValueError(day, month)


@lru_cache(maxsize=1)
def _names() -> tuple[dict[str, int], dict[str, int]]:
    """Return the days of the week (Monday is 0) and the months, by their plain names."""
    from babel.dates import get_day_names, get_month_names  # lazily, as in text.dates

    days: dict[str, int] = {}
    months: dict[str, int] = {}
    for locale in ("fr", "en"):
        for found, names in ((days, get_day_names), (months, get_month_names)):
            for all_names in (names("wide", locale=locale), names("abbreviated", locale=locale)):
                found |= {_plain(str(name)).strip("."): at for at, name in all_names.items()}
    return days, months


# --- zones ------------------------------------------------------------------------------------


def _refuse_gap(local: datetime) -> None:
    """Refuse an hour that clocks skip: going to UTC and back does not lead to it (PEP 495)."""
    zone = local.tzinfo
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return
    before, after = _offset(local), _offset(local.replace(fold=1))
    start = local.replace(fold=1).astimezone(UTC)
    change = bisect_left(
        range(int((after - before).total_seconds())),
        True,
        key=lambda seconds: _offset((start + timedelta(seconds=seconds)).astimezone(zone)) == after,
    )
    first = (start + timedelta(seconds=change)).astimezone(zone)
    last = first - (after - before)
    raise InputError(
        mark(
            "on {date}, {hour} does not exist ({zone}): clocks go from {last} to {first}, so write"
            " an hour before {last}, or {first} and later"
        ),
        date=f"{local:%Y-%m-%d}",
        hour=f"{local:%H:%M}",
        zone=str(zone),
        last=f"{last:%H:%M}",
        first=f"{first:%H:%M}",
    )


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


@lru_cache(maxsize=16)
def _zone_words(name: str, language: str) -> str:
    """Name a zone by its city, as CLDR has it: « heure de Paris »; UTC and the like as they are."""
    if "/" not in name or name.startswith("Etc/"):
        return name
    from babel.dates import get_timezone_location

    locale = "fr" if _is_french(language) else "en_GB"
    city = get_timezone_location(name, locale=locale, return_city=True).rpartition("/")[2]
    return f"heure {_of(city)}" if locale == "fr" else f"{city} time"


def _of(city: str) -> str:
    """Say « de » before a city: « d’Amsterdam », « du Caire », « de La Réunion »."""
    if city.startswith("Le "):
        return f"du {city[3:]}"
    first = unicodedata.normalize("NFKD", city)[0].lower()
    return f"d’{city}" if first in "aeiouœ" else f"de {city}"


def _is_french(language: str) -> bool:
    return language.lower().startswith("fr")
