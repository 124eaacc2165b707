"""A card in words: what the list and the reading pane show of it, without colours.

Whatever comes from outside passes :func:`seemly` first, so that no title can move the cursor,
turn the line around or take another width than the terminal thinks.
"""

import re
import unicodedata
from datetime import date, datetime, tzinfo
from typing import Final

from pipeline.cli.speech import language, tell
from pipeline.text.dates import NBSP, clock, month, short_date
from pipeline.veille.card import Card, Cited
from pipeline.veille.states import STATE_WORDS, State

#: One cell each; in the terminal's own signs, none of them a picture.
MARKS: Final = {
    State.NEW: " ",
    State.KEPT: "✓",
    State.WRITTEN: "»",
    State.PUBLISHED: "●",
    State.DISCARDED: "×",
}
# Controls, marks that turn the direction, joiners and selectors that change the width of what
# they join, skin tones, tags, surrogates.
_GONE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200d-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]"
)
_NEAR: Final = 200  # days in which the year needs no telling
_SPACES: Final = re.compile(r"[ \t\n\u2028\u2029]+")  # not the no-break ones
_PILE: Final = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u20d0-\u20f0]{2})[\u0300-\u036f\u0483-\u0489\u20d0-\u20f0]+"
)


def seemly(text: str) -> str:
    """Return ``text`` in one line, of characters that a terminal can be trusted with."""
    return _SPACES.sub(" ", _cleaned(text)).strip()


def seemly_lines(text: str) -> str:
    """Return ``text`` in its lines, of characters that a terminal can be trusted with."""
    return _cleaned(text.replace("\r\n", "\n").replace("\t", "    ")).strip("\n")


def _cleaned(text: str) -> str:
    return _PILE.sub(r"\1", unicodedata.normalize("NFC", _GONE.sub("", text)))


def title_of(card: Card) -> str:
    """Return the title; the address where there is none."""
    return seemly(card.entry.title) or seemly(card.entry.url)


def column_day(moment: datetime, zone: tzinfo, *, today: date) -> str:
    """Say a day in a column: « 20 nov. », or « 11/2024 » of a time ago; 8 cells at most."""
    day = moment.astimezone(zone).date()
    if _is_far(day, today):
        return f"{day.month:02}/{day.year}"
    return f"{day.day:>2}{NBSP}{month(day, language())}"


def _is_far(day: date, today: date) -> bool:
    return abs((today - day).days) > _NEAR


def day_of(moment: datetime, zone: tzinfo, *, today: date) -> str:
    """Say a day: « ven. 20 nov. », with the year where it is another's."""
    day = moment.astimezone(zone).date()
    said = short_date(day, language())
    return f"{said} {day.year}" if _is_far(day, today) else said


def moment_of(moment: datetime, zone: tzinfo) -> str:
    """Say a moment: « ven. 20 nov. 2026 à 10 h 30 »."""
    local = moment.astimezone(zone)
    day = f"{short_date(local.date(), language())} {local.year}"
    return tell("{day} at {hour}", day=day, hour=clock(local.time(), language()))


def state_of(card: Card, zone: tzinfo) -> str:
    """Say the state, and who made it so, and when; a new entry has no more to say."""
    word = tell(STATE_WORDS[card.state])
    if card.state is State.NEW and not card.state_by:
        return word
    when = moment_of(card.state_at, zone)
    if card.rule:
        rule = seemly(card.rule)
        return tell("{state} by the rule “{rule}”, {when}", state=word, rule=rule, when=when)
    if card.state_by:
        return tell("{state} by {by}, {when}", state=word, by=seemly(card.state_by), when=when)
    return tell("{state}, {when}", state=word, when=when)


def cited_in(cited: Cited) -> str:
    """Say which letter cites the page already: « déjà cité dans le n° 42 »."""
    if cited.number:
        return tell("cited already in no. {number}", number=seemly(cited.number))
    return tell("cited already in {slug}", slug=seemly(cited.slug))


def also_in(card: Card) -> str:
    """Say which other feeds bring it."""
    return tell("also in {feeds}", feeds=", ".join(map(seemly, card.also_in)))


def facts_of(card: Card, zone: tzinfo, *, today: date) -> list[str]:
    """Return what stands below the title in the list, the most useful first."""
    day = column_day(card.entry.dated_at, zone, today=today).strip()
    facts = [day, seemly(card.entry.source)]
    facts += [cited_in(one) for one in card.cited_in[:1]]
    facts.append(" ".join(f"#{seemly(tag)}" for tag in card.tags))
    facts.append(tell("with a note") if card.note else "")
    facts.append(also_in(card) if card.also_in else "")
    return [fact for fact in facts if fact]


def reading_of(card: Card) -> list[str]:
    """Say how long it takes to read it, and in which language it is."""
    minutes, found = card.entry.minutes, card.entry.language
    facts = [tell("{minutes} min read", minutes=minutes)] if minutes else []
    return [*facts, language_name(found)] if found else facts


def language_name(code: str) -> str:
    """Return a language's name: « anglais »; its code where it is unknown."""
    from babel import Locale, UnknownLocaleError

    try:
        name = Locale.parse(code.replace("-", "_")).get_language_name(language())
    except (UnknownLocaleError, ValueError, TypeError):
        name = None
    return str(name) if name else seemly(code)
