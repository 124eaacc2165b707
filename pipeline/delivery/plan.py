"""What a sending would do, read before anybody is asked: who is meant, and what there is already.

Nothing is changed here; :func:`pipeline.delivery.campaigns.open_campaign` is what follows.
"""

import difflib
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from pipeline.audience.queries import audience, count_people, saved_filters
from pipeline.audience.segments import ALL
from pipeline.delivery.campaign import Campaign, Counts
from pipeline.delivery.campaigns import check_openable, count_deliveries, next_round
from pipeline.delivery.roll import has_letter
from pipeline.errors import InputError
from pipeline.store.engine import reading
from pipeline.store.people import subscriber
from pipeline.words import mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who would get a letter: ``people`` of the audience, ``already`` of whom have it.

    ``found`` is the campaign that would go on, with its ``counts``; None: a new one is opened.
    """

    people: int
    already: int = 0
    found: Campaign | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def has_started(self) -> bool:
        """Say that the recipients are settled already, whoever the audience is by now."""
        return self.found is not None and self.found.started_at is not None


def plan_sending(engine: Engine, *, slug: str, segment: str, provider: str, again: bool) -> Plan:
    """Return what a sending would do.

    Raises InputError where nobody is meant, or as :func:`campaigns.check_openable` does.
    """
    with reading(engine) as connection:
        found = check_openable(connection, slug, segment=segment, provider=provider, again=again)
        if found is not None and found.started_at is not None and not again:
            counts = count_deliveries(connection, found.id)
            return Plan(people=counts.total, found=found, counts=counts)
        people = _count(connection, segment)
        number = found.round if found else 1
        if again:
            number = next_round(connection, slug, segment=segment, provider=provider)
        has_it = has_letter(
            connection, slug=slug, segment=segment, provider=provider, round_=number
        )
        already = 0
        if has_it is not None:
            chosen = audience(connection, segment).where(has_it).subquery()
            already = connection.scalar(select(func.count()).select_from(chosen)) or 0
    if not people:
        raise _nobody(engine, segment)
    return Plan(people=people, already=already, found=None if again else found)


def _count(connection: Connection, segment: str) -> int:
    chosen = audience(connection, segment).subquery()
    return connection.scalar(select(func.count()).select_from(chosen)) or 0


def _nobody(engine: Engine, segment: str) -> InputError:
    """Return why a letter has no readers, with the way out."""
    with reading(engine) as connection:
        rules = saved_filters(connection)
        if not connection.scalar(select(select(subscriber.c.id).exists())):
            return InputError(
                mark(
                    "there is nobody to send to yet: take in a list with"
                    " “infolettre subscribers import FILE”"
                )
            )
    if segment == ALL:
        return InputError(
            mark(
                "nobody is active: “infolettre subscribers stats” says how many are waiting to"
                " confirm, or left"
            )
        )
    known = [ALL, *rules, *(one for one in count_people(engine).segments if one not in rules)]
    if segment in rules:
        return InputError(
            mark(
                "the segment “{name}” is the rule “{rule}”, and no active person fits it:"
                " “infolettre subscribers segments” shows the rules"
            ),
            name=segment,
            rule=str(rules[segment]),
        )
    near = difflib.get_close_matches(segment, known, n=3)
    if near:
        return InputError(
            mark("no active person is in a segment “{name}”; did you mean: {near}"),
            name=segment,
            near=", ".join(near),
        )
    return InputError(
        mark("no active person is in a segment “{name}”; there are: {known}"),
        name=segment,
        known=", ".join(known[:30]),
    )
