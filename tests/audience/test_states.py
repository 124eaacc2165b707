"""Where a subscriber stands: a table, and what holds whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.states import GONE, LEAVING, Event, State, next_state
from pipeline.store.people import STATES

TABLE = """
                ask           confirm       leave         bounce        complain      forget
pending         pending       active        unsubscribed  bounced       complained    forgotten
active          active        active        unsubscribed  bounced       complained    forgotten
unsubscribed    pending       unsubscribed  unsubscribed  unsubscribed  complained    forgotten
bounced         pending       bounced       unsubscribed  bounced       complained    forgotten
complained      complained    complained    complained    complained    complained    forgotten
forgotten       forgotten     forgotten     forgotten     forgotten     forgotten     forgotten
"""
HEADING, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(row[0], event, to) for row in ROWS for event, to in zip(HEADING, row[1:], strict=True)]
EVENTS = st.lists(st.sampled_from(Event), max_size=12)


@pytest.mark.parametrize(("state", "event", "to"), CASES)
def test_each_event_leads_where_the_table_says(state: str, event: str, to: str) -> None:
    assert next_state(State(state), Event(event)) is State(to)


def test_the_table_is_whole_and_the_database_knows_its_states() -> None:
    assert {(State(state), Event(event)) for state, event, _ in CASES} == {
        (state, event) for state in State for event in Event
    }
    assert tuple(one.value for one in State) == STATES
    assert set(LEAVING) == GONE - {State.FORGOTTEN}


@given(st.sampled_from(State), EVENTS)
def test_the_same_event_twice_is_as_once(state: State, events: list[Event]) -> None:
    for event in events:
        after = next_state(state, event)
        assert next_state(after, event) is after
        state = after


@given(st.sampled_from(sorted(GONE)), EVENTS)
def test_who_left_is_active_again_only_after_asking_and_then_confirming(
    state: State, events: list[Event]
) -> None:
    asked = False
    for event in events:
        asked = (asked or event is Event.ASK) and event not in (Event.LEAVE, Event.BOUNCE)
        state = next_state(state, event)
        if state is State.ACTIVE:
            assert asked


@given(st.lists(st.sampled_from(Event)), st.lists(st.sampled_from(Event)))
def test_who_was_forgotten_or_complained_never_comes_back(
    before: list[Event], after: list[Event]
) -> None:
    for final in (Event.FORGET, Event.COMPLAIN):
        state = State.PENDING
        for event in (*before, final, *after):
            state = next_state(state, event)
        assert state in (State.FORGOTTEN, State.COMPLAINED)
