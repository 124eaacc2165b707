"""Consents that grew old: three years after a person last agreed, whatever they opened since."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.renewal import count_stale, stale_people, years_before
from pipeline.store.engine import reading, writing
from tests.audience.lists import NOW, SECRET, person

LONG_AGO = NOW - timedelta(days=3 * 365 + 2)


def add(engine: Engine, address: str, at: datetime) -> None:
    entry = Consent(kind=Kind.ADDED, at=at, source="stand")
    register.add_subscriber(engine, register.Newcomer(address=address), entry, secret=SECRET)


def log(engine: Engine, address: str, kind: Kind, at: datetime) -> None:
    with writing(engine) as connection:
        entry = Consent(kind=kind, at=at, source="form")
        register.log_consent(connection, person(engine, address).id, entry)


def stale(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        found = [one.address for one in stale_people(connection, now=NOW)]
        assert count_stale(connection, now=NOW) == len(found)
    return found


def test_those_who_agreed_more_than_three_years_ago_are_found(engine: Engine) -> None:
    add(engine, "hier@lettre.example", NOW - timedelta(days=1))
    add(engine, "ancienne@lettre.example", LONG_AGO)
    add(engine, "partie@lettre.example", LONG_AGO)
    register.remove(engine, "partie@lettre.example", now=NOW, source="test")

    assert stale(engine) == ["ancienne@lettre.example"]


def test_to_confirm_anew_is_a_contact_and_to_be_typed_into_a_form_is_none(engine: Engine) -> None:
    add(engine, "zoe@lettre.example", LONG_AGO)
    log(engine, "zoe@lettre.example", Kind.ASKED, NOW)
    assert stale(engine) == ["zoe@lettre.example"]
    log(engine, "zoe@lettre.example", Kind.CONFIRMED, NOW)
    assert stale(engine) == []


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2023, 11, 20, 9, tzinfo=UTC)),
        (datetime(2028, 2, 29, 9, tzinfo=UTC), datetime(2025, 2, 28, 9, tzinfo=UTC)),
    ],
)
def test_three_years_are_those_of_the_calendar(now: datetime, then: datetime) -> None:
    assert years_before(now) == then
