"""A campaign as a value: what may be done with it, and what an event makes of a delivery."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from pipeline.delivery.campaign import (
    PAUSE_WORDS,
    STATE_WORDS,
    STATUS_WORDS,
    Counts,
    Pause,
    campaign_name,
    check_cancellable,
    check_pausable,
    first_state,
    state_resumed,
)
from pipeline.delivery.events import Kind
from pipeline.delivery.states import SERVED, CampaignState, Status, after_event
from pipeline.errors import InputError
from tests.delivery.mailings import START, a_campaign, read_campaign, set_campaign


def test_each_state_and_reason_has_its_words() -> None:
    assert STATE_WORDS.keys() == set(CampaignState)
    assert PAUSE_WORDS.keys() == set(Pause)
    assert STATUS_WORDS.keys() == set(Status)


@pytest.mark.parametrize("state", CampaignState)
def test_only_what_can_be_stopped_is_stopped(engine: Engine, state: CampaignState) -> None:
    number = a_campaign(engine).id
    set_campaign(engine, number, state=state.value)
    found = read_campaign(engine, number)
    allowed = {
        check_pausable: state in ("scheduled", "running"),
        check_cancellable: state in ("draft", "scheduled", "running", "paused"),
        state_resumed: state == "paused",
    }
    for check, may in allowed.items():
        if may:
            check(found)
        else:
            with pytest.raises(InputError, match=f"campaign {number} is"):
                check(found)
    assert found.is_over == (state in ("done", "cancelled"))


def test_a_paused_campaign_goes_on_where_it_was(engine: Engine) -> None:
    number = a_campaign(engine).id
    set_campaign(engine, number, state="paused")
    assert state_resumed(read_campaign(engine, number)) is CampaignState.SCHEDULED
    set_campaign(engine, number, started_at=START)
    assert state_resumed(read_campaign(engine, number)) is CampaignState.RUNNING


def test_a_draft_is_what_needs_an_approval_that_it_has_not() -> None:
    states = [
        first_state(needs_approval=needs, is_approved=approved)
        for needs in (True, False)
        for approved in (True, False)
    ]
    assert states == ["scheduled", "draft", "scheduled", "scheduled"]


def test_a_campaigns_name_is_made_of_what_it_is() -> None:
    assert campaign_name("slug", "all", "smtp", 2) == "slug/all/smtp/2"


@given(st.dictionaries(st.sampled_from(Status), st.integers(0, 1000)), st.integers(0, 50))
def test_counts_add_up(by_status: dict[Status, int], claimed: int) -> None:
    counts = Counts(by_status=by_status, claimed=claimed)
    assert counts.total == counts.of(*Status)
    assert counts.sent == counts.of(*SERVED)
    assert counts.waiting + claimed == counts.of(Status.QUEUED)


@given(st.sampled_from(Status), st.lists(st.sampled_from(Kind), max_size=4))
def test_events_in_any_order_mean_the_same_and_settle_only_what_may_have_left(
    status: Status, kinds: list[Kind]
) -> None:
    ends = set()
    for order in permutations(kinds):
        end = status
        for kind in (*order, *order):  # and twice
            end = after_event(end, kind)
        ends.add(end)
    assert len(ends) == 1
    if status in (Status.QUEUED, Status.DEFERRED, Status.FAILED, Status.SKIPPED):
        assert ends == {status}
    elif kinds:
        assert ends <= set(SERVED)
