"""Who is meant: the people of a segment, of a rule, of a search; saved rules; pages of people.

A rule is translated to SQL here and means the same as ``segments.matches`` does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
)

from pipeline.audience.register import Subscriber, read_subscribers
from pipeline.audience.segments import (
    ALL,
    ATTRIBUTE,
    Both,
    Either,
    Is,
    Not,
    Rule,
    domain_of,
    parse_rule,
)
from pipeline.audience.states import State
from pipeline.errors import InputError
from pipeline.store.engine import reading
from pipeline.store.people import segment_filter, subscriber, subscriber_segment, suppression
from pipeline.words import mark

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which people are asked for; what is left out asks for everybody.

    ``also`` are further conditions over the table of subscribers.
    """

    state: State | None = None
    segment: str = ""
    rule: Rule | None = None
    search: str = ""
    also: tuple[ColumnElement[bool], ...] = ()


def rule_condition(rule: Rule) -> ColumnElement[bool]:
    """Return what SQL makes of a rule, over the table of subscribers."""
    match rule:
        case Is():
            return _is(rule.field, rule.value)
        case Not():
            return not_(rule_condition(rule.rule))
        case Both():
            return and_(rule_condition(rule.left), rule_condition(rule.right))
        case Either():
            return or_(rule_condition(rule.left), rule_condition(rule.right))


def _is(field: str, value: str) -> ColumnElement[bool]:
    if field == "segment":
        return tagged(value)
    if field == "domain":
        return subscriber.c.address.endswith("@" + domain_of(value), autoescape=True)
    if field.startswith(ATTRIBUTE):
        told = subscriber.c.attributes[field.removeprefix(ATTRIBUTE)].as_string()
        return func.coalesce(told == value, False)
    column: ColumnElement[str] = subscriber.c[field]
    return column == value


def tagged(segment: str) -> ColumnElement[bool]:
    """Return the condition that a subscriber has a tag."""
    tags = subscriber_segment.c
    return exists().where(tags.subscriber_id == subscriber.c.id, tags.segment == segment)


def segment_condition(connection: Connection, name: str) -> ColumnElement[bool]:
    """Return who is meant by a segment's name: everybody, a saved rule, or else a tag.

    Whether they are active is for the caller to ask, or :func:`audience`.
    """
    if name == ALL:
        return true()
    rule = connection.scalar(select(segment_filter.c.rule).where(segment_filter.c.name == name))
    return rule_condition(parse_rule(rule["rule"])) if rule else tagged(name)


def audience(connection: Connection, name: str) -> Select[tuple[int]]:
    """Return the query of the ids of those to whom a letter for a segment goes: active ones."""
    return select(subscriber.c.id).where(
        subscriber.c.state == State.ACTIVE.value, segment_condition(connection, name)
    )


def save_filter(connection: Connection, name: str, rule: Rule) -> None:
    """Keep a rule as a segment; one of that name is replaced. Raises InputError."""
    if not name.strip() or name == ALL:
        raise InputError(
            mark("a segment cannot be called “{name}”: “all” is every active subscriber"), name=name
        )
    connection.execute(delete(segment_filter).where(segment_filter.c.name == name))
    connection.execute(insert(segment_filter).values(name=name, rule={"rule": str(rule)}))


def drop_filter(connection: Connection, name: str) -> bool:
    """Drop a saved rule; say whether there was one."""
    done = connection.execute(delete(segment_filter).where(segment_filter.c.name == name))
    return done.rowcount > 0


def saved_filters(connection: Connection) -> dict[str, Rule]:
    """Return the saved rules by name."""
    rows = connection.execute(select(segment_filter).order_by(segment_filter.c.name))
    return {row.name: parse_rule(row.rule["rule"]) for row in rows}


def find_people(connection: Connection, asked: Asked) -> ColumnElement[bool]:
    """Return the condition of a question; a forgotten person has no address and is never found."""
    wanted: list[ColumnElement[bool]] = [subscriber.c.address.is_not(None)]
    if asked.state:
        wanted.append(subscriber.c.state == asked.state.value)
    if asked.segment:
        wanted.append(segment_condition(connection, asked.segment))
        if asked.segment == ALL:
            wanted.append(subscriber.c.state == State.ACTIVE.value)
    if asked.rule:
        wanted.append(rule_condition(asked.rule))
    if asked.search:
        columns = (subscriber.c.address, subscriber.c.first_name, subscriber.c.last_name)
        wanted.append(or_(*(one.icontains(asked.search, autoescape=True) for one in columns)))
    return and_(*wanted, *asked.also)


def count_found(connection: Connection, asked: Asked) -> int:
    """Return how many people a question finds."""
    condition = find_people(connection, asked)
    return connection.scalar(select(func.count()).where(condition)) or 0


def each_subscriber(
    connection: Connection, asked: Asked, *, limit: int | None = None
) -> Iterator[Subscriber]:
    """Yield people in the order in which they came, a page at a time, however many they are."""
    condition, last = find_people(connection, asked), 0
    while limit is None or limit > 0:
        size = PAGE if limit is None else min(PAGE, limit)
        page = (
            select(subscriber)
            .where(condition, subscriber.c.id > last)
            .order_by(subscriber.c.id)
            .limit(size)
        )
        people = read_subscribers(connection, connection.execute(page).all())
        yield from people
        if len(people) < size:
            return
        last = people[-1].id
        limit = None if limit is None else limit - size


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How many people: by state, by tag (the active alone), and forgotten ones kept out."""

    states: Mapping[State, int]
    segments: Mapping[str, int]
    suppressed: int


def count_people(engine: Engine) -> Stats:
    """Count the audience."""
    people, tags = subscriber.c, subscriber_segment.c
    with reading(engine) as connection:
        states = connection.execute(select(people.state, func.count()).group_by(people.state))
        segments = connection.execute(
            select(tags.segment, func.count())
            .join_from(subscriber_segment, subscriber)
            .where(people.state == literal(State.ACTIVE.value))
            .group_by(tags.segment)
            .order_by(tags.segment)
        )
        counted = {State(row[0]): row[1] for row in states}
        return Stats(
            states={state: counted.get(state, 0) for state in State},
            segments={row[0]: row[1] for row in segments},
            suppressed=connection.scalar(select(func.count()).select_from(suppression)) or 0,
        )
