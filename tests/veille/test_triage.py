"""What curators do at the desk, on both databases; two of them at once, and undo."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select

from pipeline.errors import InputError
from pipeline.store.engine import reading
from pipeline.store.entries import entry, entry_event
from pipeline.veille.card import Card, Filter, words_of
from pipeline.veille.changes import hold_cards, write_changes
from pipeline.veille.decisions import Action, change
from pipeline.veille.entries import count_cards, find_cards, put_page
from pipeline.veille.states import State
from pipeline.veille.triage import (
    Done,
    assign,
    discard,
    history,
    keep,
    put_back,
    tag,
    undo,
    write_note,
)
from tests.veille.builders import NOW, an_entry

PARIS = ZoneInfo("Europe/Paris")


def put(engine: Engine, count: int = 1) -> list[str]:
    """Put pages on the desk and return their ids."""
    pages = [an_entry(f"https://revue.example/{number}") for number in range(count)]
    return [put_page(engine, page, by="", now=NOW).entry.id for page in pages]


def card(engine: Engine, ref: str) -> Card:
    (found,) = find_cards(engine, [ref])
    return found


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def told(done: Done) -> list[str]:
    return [notice.say("en") for notice in done.notices]


def test_a_kept_card_says_who_kept_it_and_when(engine: Engine) -> None:
    (ref,) = put(engine)

    done = keep(engine, [ref[:5]], by="Claire", now=at(1))

    (one,) = done.cards
    assert (one.state, one.state_by, one.state_at) == (State.KEPT, "Claire", at(1))
    assert (done.changed, len(done.event_ids), done.notices) == ((ref,), 1, ())
    assert card(engine, ref) == one


def test_what_changes_nothing_is_no_event_and_nothing_bad_is_said(engine: Engine) -> None:
    (ref,) = put(engine)
    keep(engine, [ref], by="Claire", now=at(1))

    again = keep(engine, [ref], by="Marc", now=at(2))
    same_note = write_note(engine, ref, "", by="Marc", now=at(2))

    assert (again.notices, again.event_ids, again.changed) == ((), (), ())
    assert same_note.event_ids == ()
    assert card(engine, ref).state_by == "Claire"
    assert [event.by for event in history(engine, ref)] == ["Claire"]


def test_a_name_of_no_card_is_refused_before_anything_changes(engine: Engine) -> None:
    (ref,) = put(engine)

    with pytest.raises(InputError, match="no entry “zz”"):
        keep(engine, [ref, "zz"], by="Claire", now=at(1))

    assert card(engine, ref).state is State.NEW


def test_one_action_over_several_cards_is_undone_as_one(engine: Engine) -> None:
    refs = put(engine, 3)
    before = find_cards(engine, refs)
    discard(engine, refs, by="Claire", now=at(1))
    tag(engine, refs[:1], add=["communs"], by="Claire", now=at(2))

    first = undo(engine, by="Claire", now=at(3))
    assert card(engine, refs[0]).tags == ()
    assert [one.state for one in find_cards(engine, refs)] == [State.DISCARDED] * 3
    second = undo(engine, by="Claire", now=at(4))
    third = undo(engine, by="Claire", now=at(5))

    assert (first.changed, set(second.changed)) == ((refs[0],), set(refs))
    assert find_cards(engine, refs) == before
    assert told(third) == ["there is nothing that Claire could undo"]
    assert [(event.action, event.is_undone) for event in history(engine, refs[0])] == [
        ("discard", True),
        ("tag", True),
    ]


def test_undo_takes_back_ones_own_action_and_nobody_elses(engine: Engine) -> None:
    mine, theirs = put(engine, 2)
    keep(engine, [mine], by="Claire", now=at(1))
    keep(engine, [theirs], by="Marc", now=at(2))

    undo(engine, by="Claire", now=at(3))

    assert card(engine, mine).state is State.NEW
    assert card(engine, theirs).state is State.KEPT


def test_what_another_changed_since_is_left_and_told_with_name_and_hour(engine: Engine) -> None:
    one, other = put(engine, 2)
    keep(engine, [one, other], by="Claire", now=at(1))
    discard(engine, [one], by="Marc", now=at(2))

    done = undo(engine, by="Claire", now=at(3).astimezone(PARIS))

    assert told(done) == [
        "“Des communs à l’école” was discarded by Marc at 10:32\u00a0am: nothing was changed"
    ]
    assert done.changed == (other,)
    assert [found.state for found in find_cards(engine, [one, other])] == [
        State.DISCARDED,
        State.NEW,
    ]


def test_a_note_that_another_wrote_since_is_left_and_told(engine: Engine) -> None:
    (ref,) = put(engine)
    write_note(engine, ref, "la mienne", by="Claire", now=at(1))
    write_note(engine, ref, "la sienne", by="Marc", now=at(2))

    done = undo(engine, by="Claire", now=at(60 * 24))

    (sentence,) = told(done)
    assert sentence.endswith("was changed by Marc on 24/11/2026 at 9:32\u00a0am: it stays as it is")
    assert card(engine, ref).note == "la sienne"


def test_undo_goes_one_further_back_even_behind_what_it_had_to_leave(engine: Engine) -> None:
    one, other = put(engine, 2)
    keep(engine, [other], by="Claire", now=at(1))
    keep(engine, [one], by="Claire", now=at(2))
    discard(engine, [one], by="Marc", now=at(3))

    undo(engine, by="Claire", now=at(4))
    undo(engine, by="Claire", now=at(5))

    assert card(engine, other).state is State.NEW
    assert card(engine, one).state is State.DISCARDED


def test_a_state_that_another_changed_meanwhile_is_left_and_told(engine: Engine) -> None:
    one, other = put(engine, 2)
    seen = dict.fromkeys((one, other), State.NEW)
    discard(engine, [one], by="Claire", now=at(1))

    done = keep(engine, [one, other], by="Marc", now=at(2), seen=seen)

    assert told(done) == [
        "“Des communs à l’école” was discarded by Claire at 9:31\u00a0am: nothing was changed"
    ]
    assert done.changed == (other,)
    assert [found.state for found in done.cards] == [State.DISCARDED, State.KEPT]


def test_what_one_changed_oneself_in_another_window_is_no_conflict(engine: Engine) -> None:
    (ref,) = put(engine)
    keep(engine, [ref], by="Claire", now=at(1))

    done = discard(engine, [ref], by="Claire", now=at(2), seen={ref: State.NEW})

    assert (done.changed, done.notices) == ((ref,), ())


def test_notes_and_tags_are_found_by_search_and_not_any_more_once_undone(engine: Engine) -> None:
    (ref,) = put(engine)

    write_note(engine, ref, "# Éclairant\r\n\r\nÀ *lire*.\x00", by="Claire", now=at(1))
    tag(engine, [ref], add=["Gouvernance, #eau"], by="Claire", now=at(2))

    found = card(engine, ref)
    assert found.note == "# Éclairant\n\nÀ *lire*."
    assert set(found.tags) == {"Gouvernance", "eau"}
    assert count_cards(engine, Filter(text="eclairant gouvern")) == 1
    with reading(engine) as connection:
        words = connection.scalars(select(entry.c.words)).one()
    assert set(words.split()) == set(
        words_of(found.entry, note=found.note, tags=found.tags).split()
    )
    undo(engine, by="Claire", now=at(3))
    undo(engine, by="Claire", now=at(4))
    assert count_cards(engine, Filter(text="eclairant")) == 0
    assert count_cards(engine, Filter(text="gouvern")) == 0


def test_tags_that_differ_in_case_or_accents_are_one(engine: Engine) -> None:
    (ref,) = put(engine)
    tag(engine, [ref], add=["Écoles"], by="Claire", now=at(1))

    again = tag(engine, [ref], add=["ecoles"], by="Claire", now=at(2))
    gone = tag(engine, [ref], remove=["ECOLES"], by="Claire", now=at(3))

    assert again.event_ids == ()
    assert gone.cards[0].tags == ()


def test_a_tag_or_a_note_that_is_too_long_is_refused(engine: Engine) -> None:
    (ref,) = put(engine)

    with pytest.raises(InputError, match="has 81 characters: 80 at most"):
        tag(engine, [ref], add=["x" * 81], by="Claire", now=at(1))
    with pytest.raises(InputError, match="has 20001 characters"):
        write_note(engine, ref, "x" * 20_001, by="Claire", now=at(1))
    assert write_note(engine, ref, "x" * 20_000, by="Claire", now=at(1)).changed == (ref,)


def test_what_is_meant_for_a_letter_is_kept_and_let_go_with_it(engine: Engine) -> None:
    (ref,) = put(engine)

    (one,) = assign(engine, [ref], "2026-11-30-cafes", by="Claire", now=at(1)).cards
    assert (one.state, one.issue) == (State.KEPT, "2026-11-30-cafes")
    (one,) = assign(engine, [ref], "", by="Claire", now=at(2)).cards
    assert (one.state, one.issue) == (State.KEPT, "")
    undo(engine, by="Claire", now=at(3))
    (one,) = discard(engine, [ref], by="Claire", now=at(4)).cards
    assert (one.state, one.issue) == (State.DISCARDED, "")
    undo(engine, by="Claire", now=at(5))
    assert card(engine, ref).issue == "2026-11-30-cafes"


def test_put_back_makes_it_new_again_for_all(engine: Engine) -> None:
    (ref,) = put(engine)
    discard(engine, [ref], by="Claire", now=at(1))

    (one,) = put_back(engine, [ref], by="Marc", now=at(2)).cards

    assert (one.state, one.state_by) == (State.NEW, "Marc")


def force(engine: Engine, ref: str, action: Action, now: datetime, **fields: object) -> None:
    """Change a card as another part of the house does."""
    from pipeline.store.engine import writing

    number = card(engine, ref).id
    with writing(engine) as connection:
        (held,) = hold_cards(connection, [number])
        found = change(held, **fields)
        assert found is not None
        by = "Claire" if action is Action.RULE else ""
        write_changes(connection, [found], action=action, by=by, now=now)


@pytest.mark.parametrize("act", [keep, discard, put_back])
def test_what_is_published_is_changed_by_nobody(engine: Engine, act: Callable[..., Done]) -> None:
    (ref,) = put(engine)
    keep(engine, [ref], by="Claire", now=at(1))
    fields = {"state": "published", "state_by": "", "issue": "2026-11-30-cafes"}
    force(engine, ref, Action.PUBLISH, at(2), **fields, state_at=at(2).isoformat())

    done = act(engine, [ref], by="Claire", now=at(3))
    left = undo(engine, by="Claire", now=at(4))

    sentence = (
        "“Des communs à l’école” was published with 2026-11-30-cafes at 9:32\u00a0am: it stays so"
    )
    assert told(done) == told(left) == [sentence]
    assert card(engine, ref).state is State.PUBLISHED
    assert undo(engine, by="", now=at(5)).changed == ()


def test_what_rules_did_again_is_undone_by_who_asked_for_it(engine: Engine) -> None:
    (ref,) = put(engine)
    before = card(engine, ref)
    fields = {"state": "discarded", "state_by": "", "rule": "sport", "tags": ["jeux"]}
    force(engine, ref, Action.RULE, at(1), **fields)

    undo(engine, by="Claire", now=at(2))

    assert card(engine, ref) == before


def test_two_events_of_one_moment_on_one_card_are_taken_back_in_turn(engine: Engine) -> None:
    (ref,) = put(engine)
    before = card(engine, ref)
    keep(engine, [ref], by="Claire", now=at(1))
    tag(engine, [ref], add=["a"], by="Claire", now=at(1))
    tag(engine, [ref], add=["b"], by="Claire", now=at(1))

    undo(engine, by="Claire", now=at(2))
    undo(engine, by="Claire", now=at(3))

    assert card(engine, ref) == before


def at_once(*acts: Callable[[], Done]) -> list[Done]:
    """Let threads act at the same moment and return what each was told."""
    barrier = threading.Barrier(len(acts))
    found: dict[int, Done | BaseException] = {}

    def run(number: int, act: Callable[[], Done]) -> None:
        barrier.wait(10)
        try:
            found[number] = act()
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    results = [found[number] for number in range(len(acts))]
    for one in results:
        if isinstance(one, BaseException):
            raise one
    return [one for one in results if isinstance(one, Done)]


def test_two_curators_at_once_one_decides_and_the_other_is_told(engine: Engine) -> None:
    refs = put(engine, 20)
    seen = dict.fromkeys(refs, State.NEW)

    kept, discarded = at_once(
        lambda: keep(engine, refs, by="Claire", now=at(1), seen=seen),
        lambda: discard(engine, list(reversed(refs)), by="Marc", now=at(1), seen=seen),
    )

    assert {*kept.changed, *discarded.changed} == set(refs)
    assert set(kept.changed).isdisjoint(discarded.changed)
    assert len(kept.notices) == len(discarded.changed)
    assert len(discarded.notices) == len(kept.changed)
    for one in find_cards(engine, refs):
        (event,) = history(engine, one.entry.id)
        assert (event.by, event.after["state"]) == (one.state_by, one.state.value)


def test_two_tags_at_once_are_both_there(engine: Engine) -> None:
    (ref,) = put(engine)

    at_once(
        *(lambda name=name: tag(engine, [ref], add=[name], by=name, now=at(1)) for name in "abcd")
    )

    found = card(engine, ref)
    assert found.tags == ("a", "b", "c", "d")
    with reading(engine) as connection:
        assert connection.scalars(select(entry.c.words)).one() == words_of(
            found.entry, tags=found.tags
        )
        assert len(connection.execute(select(entry_event.c.id)).all()) == 4


def test_two_undos_at_once_take_back_two_actions_each_once(engine: Engine) -> None:
    (ref,) = put(engine)
    before = card(engine, ref)
    keep(engine, [ref], by="Claire", now=at(1))
    tag(engine, [ref], add=["a"], by="Claire", now=at(2))

    found = at_once(*(lambda: undo(engine, by="Claire", now=at(3)) for _ in range(2)))

    events = [number for one in found for number in one.event_ids]
    assert len(events) == len(set(events)) == 2
    assert card(engine, ref) == before
