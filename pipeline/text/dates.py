"""Dates and hours as a French or an English reader expects them, by Babel's names.

A language that starts with `fr` reads as French; every other one as English with the day first.
The space between a number and what it counts is a no-break one, so that no line of a letter
starts with a lonely « mars » or « h ».

What does not live here: time zones and "now" (the caller has both), and reading dates out of
feeds.
"""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache

NBSP = "\u00a0"

_CLOCK = re.compile(r"\s*(\d{1,2})\s*(?:[:hH]\s*(\d{2})?(?::\d{2})?)\s*")


class NotATime(ValueError):
    """The text is no hour of the day."""


@lru_cache(maxsize=512)
def long_date(day: date, language: str) -> str:
    """Say the day in full: « vendredi 7 mars 2025 », "Friday 7 March 2025"."""
    return f"{_names(day, 'EEEE', language)} {day_month(day, language)} {day.year}"


@lru_cache(maxsize=512)
def short_date(day: date, language: str) -> str:
    """Say the day in short: « ven. 7 mars », "Fri 7 Mar"."""
    number = _day_number(day, language)
    return f"{_names(day, 'EEE', language)} {number}{NBSP}{_names(day, 'MMM', language)}"


@lru_cache(maxsize=512)
def day_month(day: date, language: str) -> str:
    """Say day and month: « 1er mars », "1 March"."""
    return f"{_day_number(day, language)}{NBSP}{_names(day, 'MMMM', language)}"


@lru_cache(maxsize=512)
def month_year(day: date, language: str) -> str:
    """Say month and year: « mars 2025 », "March 2025"."""
    return f"{_names(day, 'MMMM', language)} {day.year}"


def numeric(day: date, language: str) -> str:
    """Write the day in figures, day first in both languages: 07/03/2025."""
    del language  # kept so that the six functions are called alike
    return f"{day.day:02}/{day.month:02}/{day.year:04}"


def clock(moment: str | time, language: str) -> str:
    """Say an hour: « 13 h 30 » (never « 13 h 00 »), "1:30 pm"; text is read as 13:30 or 13h30."""
    at = _time(moment)
    if _is_french(language):
        return f"{at.hour}{NBSP}h" + (f"{NBSP}{at.minute:02}" if at.minute else "")
    half = "am" if at.hour < 12 else "pm"
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes}{NBSP}{half}"


def time_range(start: str | time, end: str | time | None, language: str) -> str:
    """Say from when to when: « de 13 h 30 à 15 h »; without an end, the start alone."""
    if end is None:
        return clock(start, language)
    words = ("de", "à") if _is_french(language) else ("from", "to")
    return f"{words[0]} {clock(start, language)} {words[1]} {clock(end, language)}"


def _is_french(language: str) -> bool:
    return language.lower().startswith("fr")


def _day_number(day: date, language: str) -> str:
    return "1er" if day.day == 1 and _is_french(language) else str(day.day)


def _names(day: date, pattern: str, language: str) -> str:
    # Babel costs 30 ms for its first date: a command that shows none should not pay for it.
    from babel.dates import format_date

    return format_date(day, pattern, locale="fr" if _is_french(language) else "en_GB")


def _time(moment: str | time) -> time:
    if isinstance(moment, time):
        return moment
    match = _CLOCK.fullmatch(moment)
    try:
        if match is None:
            raise ValueError
        return time(int(match[1]), int(match[2] or 0))
    except ValueError:
        raise NotATime(f"not an hour of the day, as in 13:30: {moment!r}") from None


@lru_cache(maxsize=512)
def weekday(day: date, language: str) -> str:
    """Say the day of the week in short: « ven. », "Fri"."""
    return _names(day, "EEE", language)


@lru_cache(maxsize=512)
def month(day: date, language: str) -> str:
    """Say the month in short: « mars », "Mar"."""
    return _names(day, "MMM", language)
