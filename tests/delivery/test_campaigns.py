"""Campaigns in the database: opened once, taken as the letter is, approved, never revived."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from pipeline.delivery.campaign import Campaign, Pause
from pipeline.delivery.campaigns import (
    Opened,
    all_campaigns,
    approvals_of,
    approve_campaign,
    cancel_campaign,
    find_campaign,
    hold_campaign,
    open_campaign,
    pause_campaign,
    read_variant,
    resume_campaign,
    strike,
)
from pipeline.delivery.roll import start_campaign
from pipeline.errors import InputError
from pipeline.store.campaigns import campaign
from pipeline.store.engine import reading, writing
from tests.delivery.mailings import (
    START,
    a_campaign,
    a_frozen,
    add_people,
    read_campaign,
    rows_of,
    set_campaign,
)
from tests.delivery.test_ledger import at_once


def send(engine: Engine, *, subject: str = "Essai", **more: object) -> Opened:
    facts = {"segment": "all", "provider": "scripted", "now": START} | more
    return open_campaign(engine, a_frozen(slug="essai", subject=subject), **facts)  # type: ignore[arg-type]


def start(engine: Engine, found: Campaign) -> None:
    start_campaign(engine, found.id, now=START, size=10)


def test_opened_twice_it_is_one_campaign_and_again_another(engine: Engine) -> None:
    first, second = send(engine), send(engine)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.campaign == second.campaign
    with pytest.raises(InputError, match="let it end"):
        send(engine, again=True)
    set_campaign(engine, first.campaign.id, state="done")
    third = send(engine, again=True)
    assert third.is_new
    assert (third.campaign.round, third.campaign.name) == (2, "essai/all/scripted/2")


def test_opened_by_many_at_once_it_is_one_campaign(engine: Engine) -> None:
    found: list[Opened] = []
    at_once(*[lambda: found.append(send(engine))] * 4)
    assert len({one.campaign.id for one in found}) == 1
    assert sorted(one.is_new for one in found) == [False, False, False, True]


def test_another_segment_is_another_campaign_another_provider_is_refused(engine: Engine) -> None:
    send(engine)
    assert send(engine, segment="presse").is_new
    assert send(engine, provider="outbox").is_new  # a rehearsal
    with pytest.raises(InputError, match="go on with --provider scripted"):
        send(engine, provider="smtp")


def test_a_letter_edited_before_the_start_is_taken_and_its_approval_is_void(engine: Engine) -> None:
    found = send(engine, needs_approval=True).campaign
    assert found.state == "draft"
    assert approve_campaign(engine, found.id, by="Zoé", now=START).state == "scheduled"
    edited = send(engine, subject="Autre", needs_approval=True)
    assert (edited.campaign.state, edited.campaign.is_approved) == ("draft", False)
    assert edited.campaign.digest != found.digest
    with reading(engine) as connection:
        assert read_variant(connection, found.id, 0).subject == "Autre"
        assert approvals_of(connection, edited.campaign) == [("Zoé", START, False)]
    assert send(engine, needs_approval=True).campaign.is_approved  # the approved one, again


def test_a_letter_edited_after_the_start_is_said_and_the_frozen_one_goes_on(engine: Engine) -> None:
    found = send(engine).campaign
    start(engine, found)
    edited = send(engine, subject="Autre")
    assert edited.is_edited
    assert edited.campaign.digest == found.digest
    assert not send(engine).is_edited


def test_a_start_in_between_is_not_undone_by_who_opens(engine: Engine) -> None:
    add_people(engine, 3)
    found = send(engine).campaign
    opened: list[Opened] = []
    other = threading.Thread(target=lambda: opened.append(send(engine, subject="Autre")))
    with writing(engine) as connection:
        hold_campaign(connection, found.id)
        other.start()
        other.join(0.3)
        values = {"state": "running", "started_at": START}
        connection.execute(campaign.update().values(values))
    other.join()
    assert (opened[0].campaign.state, opened[0].is_edited) == ("running", True)
    assert read_campaign(engine, found.id).digest == found.digest


def test_a_cancelled_campaign_stays_cancelled_whatever_is_asked(engine: Engine) -> None:
    found = send(engine).campaign
    pause_campaign(engine, found.id, reason=Pause.UNAPPROVED)
    cancel_campaign(engine, found.id, now=START)
    assert approve_campaign(engine, found.id, by="Zoé", now=START).state == "cancelled"
    with pytest.raises(InputError, match="can be resumed"):
        resume_campaign(engine, found.id, now=START)
    with pytest.raises(InputError, match="can be paused"):
        pause_campaign(engine, found.id, reason=Pause.PERSON)
    with pytest.raises(InputError, match="nothing left to cancel"):
        cancel_campaign(engine, found.id, now=START)
    with pytest.raises(InputError, match="was cancelled"):
        send(engine)
    assert read_campaign(engine, found.id).state == "cancelled"


def test_what_waits_for_an_approval_goes_on_with_it(engine: Engine) -> None:
    found = send(engine).campaign
    pause_campaign(engine, found.id, reason=Pause.UNAPPROVED)
    assert approve_campaign(engine, found.id, by="Zoé", now=START).state == "scheduled"
    pause_campaign(engine, found.id, reason=Pause.PERSON)
    assert approve_campaign(engine, found.id, by="Zoé", now=START).state == "paused"


def test_resumed_it_goes_on_where_it_was_and_keeps_a_time_to_come(engine: Engine) -> None:
    at = START + timedelta(hours=2)
    found = send(engine, scheduled_at=at).campaign
    pause_campaign(engine, found.id, reason=Pause.PERSON)
    resumed = resume_campaign(engine, found.id, now=START)
    assert (resumed.state, resumed.scheduled_at, resumed.pause) == ("scheduled", at, None)
    pause_campaign(engine, found.id, reason=Pause.MISSED)
    late = resume_campaign(engine, found.id, now=at + timedelta(hours=3))
    assert (late.state, late.scheduled_at) == ("scheduled", None)
    start(engine, late)
    pause_campaign(engine, found.id, reason=Pause.PROVIDER, detail="x" * 900 + "\0")
    assert len(read_campaign(engine, found.id).pause_detail) == 500
    assert resume_campaign(engine, found.id, now=START).state == "running"


def test_what_a_server_says_can_be_stored_whatever_it_is(engine: Engine) -> None:
    found = send(engine).campaign
    start(engine, found)
    assert strike(engine, found.id, detail="non\0!", most=2) == 1
    assert strike(engine, found.id, detail="non\0!", most=2) == 2
    struck = read_campaign(engine, found.id)
    assert (struck.state, struck.pause, struck.pause_detail) == ("paused", Pause.PROVIDER, "non!")
    assert resume_campaign(engine, found.id, now=START).strikes == 0


def test_campaigns_are_found_by_number_and_by_part_of_a_slug(engine: Engine) -> None:
    first = a_campaign(engine, slug="2026-un")
    second = a_campaign(engine, slug="2026-deux")
    with reading(engine) as connection:
        assert find_campaign(connection, str(first.id)) == first
        assert find_campaign(connection, "deux") == second
        assert all_campaigns(connection) == [first, second]
        for name, told in (("2026-", "several"), ("trois", "no campaign"), ("99", "no campaign")):
            with pytest.raises(InputError, match=told):
                find_campaign(connection, name)
    assert rows_of(engine) == []
