"""What a curator's action makes of a card: which state leads where, what changes, what is refused.

Core: cards and values in, changes and notices out. Who writes them down is ``changes.py``; the
actions that people call are in ``triage.py``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from pipeline.errors import InputError
from pipeline.text.dates import clock, numeric
from pipeline.veille.card import Card
from pipeline.veille.notice import Notice
from pipeline.veille.plain import fold, tidy
from pipeline.veille.states import State
from pipeline.words import mark, say

MAX_TAG: Final = 80  # characters, as the column has it
MAX_NOTE: Final = 20_000  # characters
_HASH: Final = re.compile(r"^[#\s]+|\s+$")  # “#eau” is the tag “eau”
MAX_NAME: Final = 120  # characters, of a curator
#: No note may hold these: neither YAML nor PostgreSQL takes them.
_UNWRITABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]"
)


class Action(StrEnum):
    """What happens to an entry; the values are those of the database."""

    KEEP = "keep"
    DISCARD = "discard"
    PUT_BACK = "put_back"
    ASSIGN = "assign"
    TAG = "tag"
    NOTE = "note"
    RULE = "rule"  # rules were applied again to what is stored
    WRITE = "write"
    FIND = "find"  # the letter links to the page: somebody wrote it in by hand
    TAKE_OUT = "take_out"  # the letter does not link to it any more
    PUBLISH = "publish"


#: What its author can undo. What a letter's file says is undone in that file.
UNDOABLE: Final = (
    Action.KEEP,
    Action.DISCARD,
    Action.PUT_BACK,
    Action.ASSIGN,
    Action.TAG,
    Action.NOTE,
    Action.RULE,
    Action.WRITE,
)

#: From which states an action leads to which; it leaves one that is there already as it is.
_LEADS: Final[Mapping[Action, tuple[frozenset[State], State]]] = {
    Action.KEEP: (frozenset({State.NEW, State.DISCARDED}), State.KEPT),
    Action.DISCARD: (frozenset({State.NEW, State.KEPT}), State.DISCARDED),
    Action.PUT_BACK: (frozenset({State.KEPT, State.DISCARDED}), State.NEW),
    Action.ASSIGN: (frozenset({State.NEW, State.KEPT, State.DISCARDED}), State.KEPT),
    Action.WRITE: (frozenset(State) - {State.PUBLISHED}, State.WRITTEN),
    Action.FIND: (frozenset({State.NEW, State.KEPT, State.DISCARDED}), State.WRITTEN),
    Action.TAKE_OUT: (frozenset({State.WRITTEN}), State.KEPT),
    Action.PUBLISH: (frozenset(State), State.PUBLISHED),
}

_CHANGED: Final = {
    State.NEW: mark("“{title}” was put back by {who} {when}: nothing was changed"),
    State.KEPT: mark("“{title}” was kept by {who} {when}: nothing was changed"),
    State.DISCARDED: mark("“{title}” was discarded by {who} {when}: nothing was changed"),
    State.WRITTEN: mark("“{title}” was written into {issue} by {who} {when}: nothing was changed"),
    State.PUBLISHED: mark("“{title}” was published with {issue} {when}: it stays so"),
}
_IN_LETTER: Final = mark("“{title}” stands in {issue}: take it out of that letter first")
_CHANGED_SINCE: Final = mark("“{title}” was changed by {who} {when}: it stays as it is")
_IN_FILE_STILL: Final = mark("“{title}” stands in {issue} still: take its item out of the letter")
_TODAY: Final = mark("at {time}")
_ANOTHER_DAY: Final = mark("on {date} at {time}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated(Notice):
    """A notice about something that happened at a moment, which its ``{when}`` says.

    ``at`` is in the zone in which the reader tells the time.
    """

    at: datetime
    is_today: bool

    def say(self, language: str) -> str:
        """Return the sentence for a reader of ``language``: « à 14 h 05 », "at 2:05 pm"."""
        time = clock(self.at.time(), language)
        date = numeric(self.at.date(), language)
        when = say(_TODAY if self.is_today else _ANOTHER_DAY, language, time=time, date=date)
        return say(self.message, language, **{**self.facts, "when": when})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a card: its fields that change, as they were and as they will be.

    The fields are those of :func:`facts_of`.
    """

    card: Card
    before: Mapping[str, Any]
    after: Mapping[str, Any]


Decision = Change | Notice | None


def facts_of(card: Card) -> dict[str, Any]:
    """Return the fields that actions change, as JSON has them; times are ISO 8601 in UTC."""
    return {
        "state": card.state.value,
        "state_at": stamp(card.state_at),
        "state_by": card.state_by,
        "rule": card.rule,
        "issue": card.issue,
        "note": card.note,
        "tags": sorted(card.tags),
    }


def stamp(moment: datetime) -> str:
    """Return a moment as events hold it."""
    return moment.astimezone(UTC).isoformat()


def change(card: Card, **fields: Any) -> Change | None:
    """Return the change of a card to ``fields`` (of :func:`facts_of`), or None: it has them."""
    present = facts_of(card)
    after = {name: value for name, value in fields.items() if present[name] != value}
    if not after:
        return None
    return Change(card=card, before={name: present[name] for name in after}, after=after)


def next_state(action: Action, state: State) -> State | None:
    """Return where ``action`` leads from ``state``; None: nowhere from there."""
    origins, target = _LEADS[action]
    return target if state in origins or state is target else None


def move(
    card: Card,
    action: Action,
    *,
    by: str,
    now: datetime,
    seen: State | None = None,
    issue: str | None = None,
) -> Decision:
    """Decide what ``action`` makes of a card's state; where it is that already, nothing.

    ``seen`` is the state that the curator saw: where it was changed by another meanwhile, nothing
    happens. ``issue`` is the letter that it is now for; without it, a card that is to sort again,
    discarded or taken out is for none.
    """
    if seen is not None and seen is not card.state and card.state_by != by:
        return changed_notice(card, now=now)
    target = next_state(action, card.state)
    if target is None:
        return refusal(card, now=now)
    is_let_go = action in (Action.DISCARD, Action.PUT_BACK, Action.TAKE_OUT)
    letter = ("" if is_let_go else card.issue) if issue is None else issue
    if target is card.state and not card.rule:
        return change(card, issue=letter) if issue is not None else None
    # what a rule decided, and a person decides likewise, is that person's from now on
    return change(
        card,
        state=target.value,
        state_at=stamp(now),
        state_by=by,
        rule="",
        issue=letter,
    )


def assign_card(card: Card, issue: str, *, by: str, now: datetime) -> Decision:
    """Decide what it means that a card is for the letter ``issue``; an empty one: for none.

    What is meant for a letter is kept.
    """
    if card.issue == issue:
        return None
    if card.state in (State.WRITTEN, State.PUBLISHED):
        return refusal(card, now=now)
    if not issue:
        return change(card, issue="")
    return move(card, Action.ASSIGN, by=by, now=now, issue=issue)


def can_undo(facts: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether a card's ``facts`` are still those that an event left behind in ``after``."""
    return all(
        _comparable(name, facts.get(name)) == _comparable(name, after[name]) for name in after
    )


def _comparable(name: str, value: Any) -> Any:
    if name == "state_at" and value:
        return datetime.fromisoformat(value)
    return sorted(value) if name == "tags" and value else value


def changed_notice(card: Card, *, now: datetime) -> Notice:
    """Tell who brought a card into its state, and when, in the zone of ``now``."""
    facts = {
        "title": card.entry.title,
        "issue": card.issue,
        "who": _who(card.state_by, rule=card.rule),
    }
    return _dated(_CHANGED[card.state], card.state_at, now=now, **facts)


def refusal(card: Card, *, now: datetime) -> Notice:
    """Tell why a card that stands in a letter is not changed by hand."""
    if card.state is State.PUBLISHED:
        return changed_notice(card, now=now)
    return Notice(message=_IN_LETTER, facts={"title": card.entry.title, "issue": card.issue})


def since_notice(card: Card, *, by: str, at: datetime, now: datetime) -> Notice:
    """Tell who changed a card after what was to be undone, and when."""
    return _dated(_CHANGED_SINCE, at, now=now, title=card.entry.title, who=_who(by))


def file_notice(card: Card, issue: str) -> Notice:
    """Tell that the letter's file holds the item still, whatever the desk says."""
    return Notice(message=_IN_FILE_STILL, facts={"title": card.entry.title, "issue": issue})


def _who(by: str, *, rule: str = "") -> str:
    if by:
        return by
    return mark("a rule") if rule else mark("the desk itself")


def _dated(message: str, at: datetime, *, now: datetime, **facts: object) -> Dated:
    local = at.astimezone(now.tzinfo)
    return Dated(message=message, facts=facts, at=local, is_today=local.date() == now.date())


def merge_tags(
    present: Iterable[str], *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the tags of a card after a change, sorted; case and accents make no second tag.

    A text with commas is several tags; the one that is there already keeps its spelling. Raises
    InputError for one of over 80 characters.
    """
    gone = {fold(tag) for tag in _split(remove)}
    found: dict[str, str] = {}
    for tag in [*present, *_split(add)]:
        if (key := fold(tag)) not in gone:
            found.setdefault(key, tag)
    return tuple(sorted(found.values()))


def _split(given: Iterable[str]) -> Iterable[str]:
    for text in given:
        for part in text.split(","):
            tag = _HASH.sub("", tidy(part, limit=MAX_NOTE))
            if len(tag) > MAX_TAG:
                message = mark("the tag “{tag}…” has {length} characters: {most} at most")
                raise InputError(message, tag=tag[:20], length=len(tag), most=MAX_TAG)
            if tag:
                yield tag


def tidy_note(text: str) -> str:
    """Return a note as it is stored: line breaks as ``\\n``, no control characters.

    Raises InputError for one of over 20,000 characters.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n")
    note = _UNWRITABLE.sub("", lines).strip()
    if len(note) > MAX_NOTE:
        message = mark("the note has {length} characters, {most} at most: shorten it")
        raise InputError(message, length=len(note), most=MAX_NOTE)
    return note


def tidy_name(by: str) -> str:
    """Return a curator's name as it is stored, in one line."""
    return tidy(by, limit=MAX_NAME)
