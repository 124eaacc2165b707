"""Which action leads where, what is refused, and what is left of it in a history."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.veille.card import Card
from pipeline.veille.decisions import (
    Action,
    Change,
    assign_card,
    can_undo,
    change,
    changed_notice,
    facts_of,
    merge_tags,
    move,
    next_state,
    tidy_note,
)
from pipeline.veille.notice import Notice
from pipeline.veille.plain import fold
from pipeline.veille.states import State
from tests.veille.builders import NOW, an_entry

N, K, W, P, D = State.NEW, State.KEPT, State.WRITTEN, State.PUBLISHED, State.DISCARDED
SLUG = "2026-11-30-cafes"


def a_card(state: State = State.NEW, **changes: Any) -> Card:
    card = Card(id=1, entry=an_entry(), state=state, state_at=NOW, state_by="Claire")
    return dataclasses.replace(card, **changes)


@pytest.mark.parametrize(
    ("action", "ends"),
    [
        #                     new   kept  written published discarded
        (Action.KEEP, (K, K, None, None, K)),
        (Action.DISCARD, (D, D, None, None, D)),
        (Action.PUT_BACK, (N, N, None, None, N)),
        (Action.ASSIGN, (K, K, None, None, K)),
        (Action.WRITE, (W, W, W, None, W)),
        (Action.FIND, (W, W, W, None, W)),
        (Action.TAKE_OUT, (None, K, K, None, None)),
        (Action.PUBLISH, (P, P, P, P, P)),
    ],
)
def test_each_action_leads_from_each_state_to_one_or_nowhere(
    action: Action, ends: tuple[State | None, ...]
) -> None:
    assert tuple(next_state(action, state) for state in (N, K, W, P, D)) == ends


@given(st.sampled_from(sorted({*Action} - {Action.TAG, Action.NOTE, Action.RULE})))
def test_nothing_changes_what_is_published(action: Action) -> None:
    decision = move(a_card(P, issue=SLUG), action, by="Marc", now=NOW)

    assert not isinstance(decision, Change)


def test_what_is_written_is_taken_out_of_its_letter_first() -> None:
    decision = move(a_card(W, issue=SLUG), Action.DISCARD, by="Marc", now=NOW)

    assert isinstance(decision, Notice)
    assert decision.say("en") == (
        f"“Des communs à l’école” stands in {SLUG}: take it out of that letter first"
    )


def test_a_change_holds_the_fields_that_changed_and_no_others() -> None:
    later = NOW + timedelta(hours=1)

    found = move(a_card(K, issue=SLUG), Action.DISCARD, by="Claire", now=later)

    assert isinstance(found, Change)
    assert found.before == {"state": "kept", "state_at": NOW.isoformat(), "issue": SLUG}
    assert found.after == {"state": "discarded", "state_at": later.isoformat(), "issue": ""}


def test_what_a_rule_decided_is_the_persons_who_decides_likewise() -> None:
    card = a_card(K, state_by="", rule="communs")

    found = move(card, Action.KEEP, by="Claire", now=NOW + timedelta(hours=1))

    assert isinstance(found, Change)
    assert (found.after["state_by"], found.after["rule"]) == ("Claire", "")
    assert "state" not in found.after
    assert move(a_card(K), Action.KEEP, by="Claire", now=NOW) is None


def test_what_stands_in_a_letter_is_meant_for_no_other() -> None:
    assert isinstance(assign_card(a_card(W, issue=SLUG), "x", by="Marc", now=NOW), Notice)
    assert assign_card(a_card(W, issue=SLUG), SLUG, by="Marc", now=NOW) is None


@pytest.mark.parametrize(
    ("state", "by", "rule", "english"),
    [
        (N, "Marc", "", "“T” was put back by Marc at 2:05\u00a0pm: nothing was changed"),
        (K, "Marc", "", "“T” was kept by Marc at 2:05\u00a0pm: nothing was changed"),
        (D, "", "sport", "“T” was discarded by a rule at 2:05\u00a0pm: nothing was changed"),
        (W, "Marc", "", "“T” was written into i by Marc at 2:05\u00a0pm: nothing was changed"),
        (P, "", "", "“T” was published with i at 2:05\u00a0pm: it stays so"),
    ],
)
def test_who_changed_a_card_and_when_is_told_in_the_readers_zone(
    state: State, by: str, rule: str, english: str
) -> None:
    at = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    card = a_card(state, entry=an_entry(title="T"), state_at=at, state_by=by, rule=rule, issue="i")

    notice = changed_notice(card, now=at.astimezone(ZoneInfo("Europe/Paris")))

    assert notice.say("en") == english


def test_of_another_day_the_date_is_told_as_well() -> None:
    card = a_card(K, state_at=datetime(2026, 11, 23, 23, 30, tzinfo=UTC))
    paris = ZoneInfo("Europe/Paris")

    assert " at 12:30\u00a0am:" in changed_notice(card, now=NOW.astimezone(paris)).say("en")
    assert " on 23/11/2026 at 11:30\u00a0pm:" in changed_notice(card, now=NOW).say("en")


def test_an_event_can_be_undone_while_all_its_fields_are_as_it_left_them() -> None:
    facts = facts_of(a_card(K, tags=("b", "a")))

    assert can_undo(facts, {"state": "kept", "tags": ["b", "a"]})
    assert can_undo(facts, {"state_at": "2026-11-24T10:30:00+01:00"})
    assert not can_undo(facts, {"state": "kept", "note": "x"})
    assert not can_undo(facts, {"unknown": 1})


TAGS = st.lists(st.text(max_size=20) | st.sampled_from(["École", "ecole", "a,b", "## #a", " "]))


@given(present=TAGS, add=TAGS, remove=TAGS)
def test_tags_are_clean_and_each_there_once(
    present: list[str], add: list[str], remove: list[str]
) -> None:
    before = merge_tags((), add=present)

    found = merge_tags(before, add=add, remove=remove)

    assert list(found) == sorted(found)
    assert len({fold(tag) for tag in found}) == len(found)
    assert all(tag == tag.strip() and tag and "," not in tag and len(tag) <= 80 for tag in found)
    assert {fold(tag) for tag in merge_tags((), add=remove)}.isdisjoint(map(fold, found))
    assert merge_tags(found, add=found) == found


def test_a_tag_that_is_too_long_is_refused_by_its_beginning() -> None:
    assert merge_tags((), add=["x" * 80]) == ("x" * 80,)
    with pytest.raises(InputError, match=r"“x{20}…” has 81 characters: 80 at most"):
        merge_tags((), add=["x" * 81])


@given(st.text())
def test_a_note_can_be_stored_and_stays_as_it_is(text: str) -> None:
    note = tidy_note(text)

    assert tidy_note(note) == note
    note.encode()
    assert not set(note) & set("\x00\x0b\r\x85\u2028\ufeff\ufffe")
    printable = "".join(one for one in text if one.isalnum())
    assert "".join(one for one in note if one.isalnum()) == printable


def test_one_field_that_is_the_same_makes_no_change() -> None:
    assert change(a_card(tags=("b", "a")), tags=["a", "b"], note="") is None
