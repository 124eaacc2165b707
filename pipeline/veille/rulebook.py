"""Rules and what is stored: what they would do to it, and doing it.

Edge: entries are read page by page and judged without a lock; those that change are then held,
looked at again and written (``changes.py``). What people decided is left: see :func:`_move`. What
rules say of an entry is ``rules.py``'s concern.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, entry_event
from pipeline.veille.card import Card
from pipeline.veille.changes import hold_cards, write_changes
from pipeline.veille.decisions import Action, Change, facts_of, stamp
from pipeline.veille.notice import Notice
from pipeline.veille.plain import fold
from pipeline.veille.rows import CHUNK, cards_of, select_entries
from pipeline.veille.rules import WHITELIST_RULE, Rulebook, Verdict, tell_trouble
from pipeline.veille.states import State
from pipeline.veille.watchlists import Feed, Watchlist
from pipeline.words import mark

LIMIT: Final = 10  # cards that a preview shows of each rule
#: A rule that ran out of time so often is tried no more: 15,000 entries would take minutes.
PATIENCE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one rule does: the number of entries that it fits, and of those that it changes.

    ``rule`` is its name, or WHITELIST_RULE for what whitelist mode discards. ``cards`` are the
    newest of those that a preview would change, as they are now.
    """

    rule: str
    fitting: int = 0
    changed: int = 0
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What applying rules would do to the ``read`` entries that are stored.

    ``effects`` are in the order of the file. ``put_back`` counts what a rule had decided and none
    does any more, so that it is to be sorted again; ``changed`` all entries that change.
    ``notices`` tell of rules that took too long.
    """

    read: int
    changed: int
    effects: tuple[Effect, ...]
    put_back: Effect
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Preview):
    """What applying rules did; no cards are in it."""


def preview_rules(
    engine: Engine,
    book: Rulebook,
    watchlists: Iterable[Watchlist],
    *,
    only: Collection[str] = (),
    limit: int = LIMIT,
) -> Preview:
    """Return what :func:`apply_rules` would do, with up to ``limit`` cards a rule.

    Nothing is changed. Raises as :func:`apply_rules` does.
    """
    sitting = _Sitting(book, watchlists, only, limit=limit)
    for cards in _pages(engine):
        verdicts = sitting.judge(cards)
        with reading(engine) as connection:
            sitting.count(_plan(connection, cards, verdicts, sitting))
    return Preview(**sitting.told())


def apply_rules(
    engine: Engine,
    book: Rulebook,
    watchlists: Iterable[Watchlist],
    *,
    by: str,
    now: datetime,
    only: Collection[str] = (),
) -> Applied:
    """Apply the rules to all that is stored, or of them ``only`` those named.

    Every rule of ``book`` has its say, so that what one keeps no other discards; with ``only``
    nothing changes but by these. All events have the moment ``now`` (aware): they are one action
    of ``by``, and undone together. Done again it changes nothing more; one that was broken off
    goes on. Raises InputError for a name in ``only`` that is no rule's, WorldError for a database
    that cannot be used.
    """
    sitting = _Sitting(book, watchlists, only)
    for cards in _pages(engine):
        verdicts = sitting.judge(cards)
        with reading(engine) as connection:
            plans = _plan(connection, cards, verdicts, sitting)
        if not plans:
            continue
        with writing(engine) as connection:
            held = hold_cards(connection, (plan.card.id for plan in plans))
            plans = _plan(connection, held, verdicts, sitting)  # somebody may have been faster
            changes = [_change(plan, now=now) for plan in plans]
            write_changes(connection, changes, action=Action.RULE, by=by, now=now)
        sitting.count(plans)
    return Applied(**sitting.told())


def _pages(engine: Engine) -> Iterator[tuple[Card, ...]]:
    """Read all cards, the newest rows first; what comes meanwhile is judged as it arrives."""
    last: int | None = None
    while True:
        query = select_entries().order_by(entry.c.id.desc()).limit(CHUNK)
        with reading(engine) as connection:
            rows = connection.execute(query if last is None else query.where(entry.c.id < last))
            cards = cards_of(connection, rows.all())
        if not cards:
            return
        yield cards
        last = cards[-1].id


class _Sitting:
    """One application or preview: the rules, the feeds, and what was counted so far."""

    def __init__(
        self,
        book: Rulebook,
        watchlists: Iterable[Watchlist],
        only: Collection[str],
        *,
        limit: int = 0,
    ) -> None:
        self.book, self.rules, self.only = book, book.rules, frozenset(only)
        for name in only:
            if name not in self.rules:
                message = mark("no rule “{name}” in infolettre.toml; there are: {known}")
                raise InputError(message, name=name, known=", ".join(self.rules) or "—")
        feeds = (feed for watchlist in watchlists for feed in watchlist.feeds)
        self._feeds: dict[str, Feed] = {}
        for feed in feeds:
            self._feeds.setdefault(feed.url, feed)
        self._limit = limit
        self._late = Counter[str]()
        self._read = 0
        self._fitting = Counter[str]()
        self._changed = Counter[str]()
        self._total = 0
        self._shown: dict[str, list[Card]] = {}

    def judge(self, cards: Iterable[Card]) -> dict[int, Verdict]:
        """Return the verdicts by row; a rule that is late too often is given up."""
        found = {}
        for card in cards:
            feed = self._feeds.get(card.entry.feed_url)
            verdict = found[card.id] = self.book.judge(card.entry, feed=feed)
            self._read += 1
            self._fitting.update(verdict.matched)
            self._fitting[WHITELIST_RULE] += verdict.is_whitelist
            if verdict.trouble:
                self._late.update(verdict.trouble)
                tired = {name for name in verdict.trouble if self._late[name] >= PATIENCE}
                self.book = self.book.without(tired)
        return found

    def is_followed(self, card: Card) -> bool:
        """Say whether the card's feed is followed still, or it has none."""
        return not card.entry.feed_url or card.entry.feed_url in self._feeds

    def is_asked(self, names: Iterable[str]) -> bool:
        """Say whether one of these rules is among those that are applied."""
        return not self.only or not self.only.isdisjoint(names)

    def count(self, plans: Iterable["_Plan"]) -> None:
        """Count what changes, for each rule."""
        for plan in plans:
            self._total += 1
            names = [*plan.tags] if plan.state is None else [*plan.tags, plan.rule]
            for name in names:
                self._changed[name] += 1
                shown = self._shown.setdefault(name, [])
                if len(shown) < self._limit:
                    shown.append(plan.card)

    def told(self) -> dict[str, Any]:
        """Return the fields of a Preview."""
        names = [name for name in self.rules if self.is_asked([name])]
        if self._fitting[WHITELIST_RULE] and not self.only:
            names.append(WHITELIST_RULE)
        return {
            "read": self._read,
            "changed": self._total,
            "effects": tuple(map(self._effect, names)),
            "put_back": self._effect(""),
            "notices": tell_trouble(self._late),
        }

    def _effect(self, name: str) -> Effect:
        return Effect(
            rule=name,
            fitting=self._fitting[name],
            changed=self._changed[name],
            cards=tuple(self._shown.get(name, ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What becomes of a card: a state and the rule that decides (none: to sort again), tags.

    ``state`` is None where it stays; ``tags`` are new to the card, by the rule that gives them.
    """

    card: Card
    state: State | None
    rule: str
    tags: Mapping[str, str]


def _plan(
    connection: Connection,
    cards: Sequence[Card],
    verdicts: Mapping[int, Verdict],
    sitting: _Sitting,
) -> list[_Plan]:
    """Return the plans of the cards that change."""
    moves = [_move(card, verdicts[card.id], sitting) for card in cards]
    tags = [_fresh_tags(card, verdicts[card.id], sitting) for card in cards]
    tagged = [card.id for card, some in zip(cards, tags, strict=True) if some]
    taken_off = _taken_off(connection, tagged)
    plans = []
    for card, (state, rule), some in zip(cards, moves, tags, strict=True):
        gone = taken_off.get(card.id, set())
        left = {name: tag for name, tag in some.items() if fold(tag) not in gone}
        if state is not None or left:
            plans.append(_Plan(card=card, state=state, rule=rule, tags=left))
    return plans


def _move(card: Card, verdict: Verdict, sitting: _Sitting) -> tuple[State | None, str]:
    """Return the new state of a card and the rule that decides; None: it stays as it is.

    What a person decided stays: a state that somebody gave it (to be sorted again, too), a page
    that somebody added, a card with a note or a letter. What a rule decided is put back where no
    rule decides any more, unless that cannot be known: a rule was late, the feed is not followed.
    """
    states = (State.NEW, State.KEPT, State.DISCARDED)
    is_free = card.state in states and not (card.state_by or card.note or card.issue)
    is_free = is_free and (card.state is State.NEW or bool(card.rule))
    state = verdict.state or State.NEW
    if not is_free or state is card.state or card.rule in verdict.trouble:
        return None, ""
    if state is State.NEW and (verdict.trouble or not sitting.is_followed(card)):
        return None, ""
    rule = _deciding(verdict, sitting)
    involved = {rule, card.rule}
    if card.rule == WHITELIST_RULE:  # whatever speaks for the card takes it out of there
        involved |= set(verdict.matched)
    return (state, rule) if sitting.is_asked(involved) else (None, "")


def _deciding(verdict: Verdict, sitting: _Sitting) -> str:
    """Return the rule that decides: of several alike the first of those that are applied."""
    if verdict.rule not in sitting.rules:
        return verdict.rule
    do = sitting.rules[verdict.rule].do
    alike = (one for one in verdict.matched if sitting.rules[one].do == do)
    return next((one for one in alike if one in sitting.only), verdict.rule)


def _fresh_tags(card: Card, verdict: Verdict, sitting: _Sitting) -> dict[str, str]:
    """Return the tags that the card has not, in any spelling, by the rule that gives each."""
    present = set(map(fold, card.tags))
    found = {}
    for name in verdict.matched:
        tag = sitting.rules[name].tag
        if tag and fold(tag) not in present and sitting.is_asked([name]):
            found[name] = tag
            present.add(fold(tag))
    return found


def _taken_off(connection: Connection, ids: Sequence[int]) -> dict[int, set[str]]:
    """Return the folded tags that somebody took off each card: no rule puts them on again."""
    events = entry_event.c
    query = select(events.entry_id, events.before, events.after).where(
        events.entry_id.in_(ids),
        events.action == Action.TAG.value,
        events.undone_at.is_(None),
    )
    found: dict[int, set[str]] = {}
    for row in connection.execute(query) if ids else ():
        gone = set(row.before.get("tags", ())) - set(row.after.get("tags", ()))
        found.setdefault(row.entry_id, set()).update(map(fold, gone))
    return found


def _change(plan: _Plan, *, now: datetime) -> Change:
    """Return a plan as the change that is written."""
    fields: dict[str, Any] = {}
    if plan.state is not None:
        fields |= {"state": plan.state.value, "rule": plan.rule, "state_at": stamp(now)}
    if plan.tags:
        fields["tags"] = sorted((*plan.card.tags, *plan.tags.values()))
    present = facts_of(plan.card)
    return Change(card=plan.card, before={name: present[name] for name in fields}, after=fields)
