"""Why a campaign should wait for a person instead of starting."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.campaigns import approve_campaign
from pipeline.delivery.objections import Facts, Judge, object_to
from tests.delivery.mailings import START, a_campaign, settings_with

FACTS = Facts(now=START, grace=timedelta(hours=1), needs_approval=False, source="as it was")


@pytest.fixture
def found(engine: Engine) -> Campaign:
    return replace(a_campaign(engine), source="as it was")


def test_against_a_campaign_that_is_as_it_should_be_there_is_nothing(found: Campaign) -> None:
    assert object_to(found, FACTS) is None


def test_what_nobody_approved_waits_where_it_is_asked_for(found: Campaign) -> None:
    facts = replace(FACTS, needs_approval=True)
    assert object_to(found, facts) is Pause.UNAPPROVED
    assert object_to(replace(found, is_approved=True), facts) is None


def test_a_time_missed_by_more_than_its_grace_waits(found: Campaign) -> None:
    at = replace(found, scheduled_at=START - timedelta(minutes=59))
    assert object_to(at, FACTS) is None
    late = replace(found, scheduled_at=START - timedelta(minutes=61))
    assert object_to(late, FACTS) is Pause.MISSED


def test_a_scheduled_letter_that_was_edited_waits_until_a_person_saw_it(found: Campaign) -> None:
    edited = replace(found, scheduled_at=START, source="another")
    assert object_to(edited, FACTS) is Pause.EDITED
    assert object_to(edited, replace(FACTS, source="")) is None  # not on this machine
    assert object_to(replace(edited, reviewed_at=START), FACTS) is None
    assert object_to(replace(edited, scheduled_at=None), FACTS) is None


def test_too_many_complaints_keep_letters_here_but_no_rehearsal(found: Campaign) -> None:
    facts = replace(FACTS, complaints=30, handed=5_000)
    assert object_to(found, facts) is Pause.COMPLAINTS
    assert object_to(replace(found, provider="outbox"), facts) is None
    assert object_to(found, replace(facts, complaints=2)) is None


def test_a_judge_reads_what_it_needs(engine: Engine) -> None:
    found = a_campaign(engine)
    judge = Judge(engine=engine, settings=settings_with(require_approval=True))
    assert judge(found, START) is Pause.UNAPPROVED
    approved = approve_campaign(engine, found.id, by="Zoé", now=START)
    assert judge(approved, START) is None
    asked: list[str] = []

    def source_of(slug: str) -> str:
        asked.append(slug)
        return "another"

    judge = Judge(engine=engine, settings=settings_with(), source_of=source_of)
    assert judge(found, START) is None
    assert judge(replace(found, scheduled_at=START), START) is Pause.EDITED
    assert asked == [found.slug]
