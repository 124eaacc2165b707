"""Rules applied to what is stored: what they would do, what they do, and taking it back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from pipeline.errors import InputError
from pipeline.settings import Rule
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, entry_event, feed
from pipeline.veille.card import Card, Filter, words_of
from pipeline.veille.entries import count_cards, find_cards, put_page
from pipeline.veille.item import Entry
from pipeline.veille.rows import CHUNK, row_of
from pipeline.veille.rulebook import PATIENCE, Effect, apply_rules, preview_rules
from pipeline.veille.rules import WHITELIST_RULE, Rulebook, read_rules
from pipeline.veille.states import State
from pipeline.veille.triage import assign, discard, keep, put_back, tag, undo, write_note
from pipeline.veille.watchlists import Feed, Watchlist
from tests.veille.builders import NOW, an_entry

LATER = NOW + timedelta(hours=1)
URL = "https://revue.example/flux.xml"
KEEP = Rule(do="keep", words=("communs",))
DISCARD = Rule(do="discard", words=("sponsor*",))
TAG = Rule(do="tag", tag="école", words=("école*",))


def a_list(**feed_fields: Any) -> list[Watchlist]:
    feeds = (Feed(title="La Revue", url=URL, **feed_fields),)
    return [Watchlist(title="Numérique et société", feeds=feeds)]


def bring(engine: Engine, *titles: str, **changes: Any) -> list[str]:
    """Store entries as a feed brings them, with these titles, and return their ids."""
    start = count_cards(engine, Filter())
    entries = [
        an_entry(f"https://revue.example/{number}", title=title, excerpt="Un texte.")
        for number, title in enumerate(titles, start)
    ]
    with writing(engine) as connection:
        number = connection.scalar(select(feed.c.id).where(feed.c.url == URL))
        if number is None:
            query = insert(feed).values(url=URL).returning(feed.c.id)
            number = connection.scalars(query).one()
        connection.execute(insert(entry), [a_row(one, number, **changes) for one in entries])
    return [one.id for one in entries]


def a_row(one: Entry, feed_id: int | None, **changes: Any) -> dict[str, Any]:
    state = {"state": "new", "state_at": NOW, "state_by": "", "rule": "", "issue": "", "note": ""}
    return row_of(one) | state | {"feed_id": feed_id} | changes


def card(engine: Engine, ref: str) -> Card:
    (found,) = find_cards(engine, [ref])
    return found


def state(engine: Engine, ref: str) -> tuple[State, str]:
    found = card(engine, ref)
    return found.state, found.rule


def events(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(entry_event).order_by(entry_event.c.id)))


def a_book(**rules: Rule) -> Rulebook:
    return read_rules(rules)


def apply(engine: Engine, watchlists: Any = None, **rules: Rule) -> Any:
    lists = a_list() if watchlists is None else watchlists
    return apply_rules(engine, a_book(**rules), lists, by="Ada", now=LATER)


# --- doing it -----------------------------------------------------------------------------------


def test_rules_keep_discard_and_tag_what_is_to_sort(engine: Engine) -> None:
    refs = bring(engine, "Des communs à l’école", "Sponsorisé : l’école", "Rien")

    found = apply(engine, keep=KEEP, ads=DISCARD, school=TAG)

    assert [state(engine, ref) for ref in refs] == [
        (State.KEPT, "keep"),
        (State.DISCARDED, "ads"),
        (State.NEW, ""),
    ]
    assert [card(engine, ref).tags for ref in refs] == [("école",), ("école",), ()]
    assert (card(engine, refs[0]).state_by, card(engine, refs[0]).state_at) == ("", LATER)
    assert found.effects == (
        Effect(rule="keep", fitting=1, changed=1),
        Effect(rule="ads", fitting=1, changed=1),
        Effect(rule="school", fitting=2, changed=2),
    )
    assert (found.read, found.changed, found.notices) == (3, 2, ())


def test_search_reads_the_tag_that_a_rule_gave(engine: Engine) -> None:
    (ref,) = bring(engine, "Des communs")

    apply(engine, t=Rule(do="tag", tag="Éducation", words=("communs",)))

    with reading(engine) as connection:
        words = connection.scalar(select(entry.c.words))
    assert words == words_of(card(engine, ref).entry, tags=("Éducation",))


def test_a_second_time_nothing_changes(engine: Engine) -> None:
    bring(engine, "Des communs à l’école", "Sponsorisé : l’école", "Rien")
    apply(engine, keep=KEEP, ads=DISCARD, school=TAG)
    before = events(engine)

    found = apply(engine, keep=KEEP, ads=DISCARD, school=TAG)

    assert found.changed == 0
    assert [one.fitting for one in found.effects] == [1, 1, 2]
    assert events(engine) == before


@pytest.mark.parametrize(
    "act",
    [
        lambda engine, ref: keep(engine, [ref], by="Bo", now=NOW),
        lambda engine, ref: put_back(
            engine, [keep(engine, [ref], by="Bo", now=NOW).cards[0].entry.id], by="Bo", now=NOW
        ),
        lambda engine, ref: assign(engine, [ref], "2026-11-30-lundi", by="Bo", now=NOW),
        lambda engine, ref: write_note(engine, ref, "À lire", by="Bo", now=NOW),
    ],
    ids=["kept", "put back", "assigned", "noted"],
)
def test_what_a_person_decided_stays(engine: Engine, act: Callable[[Engine, str], Any]) -> None:
    (ref,) = bring(engine, "Sponsorisé : l’école")
    act(engine, ref)
    before = card(engine, ref)

    apply(engine, ads=DISCARD)

    assert card(engine, ref) == before


def test_what_a_person_discarded_is_not_kept(engine: Engine) -> None:
    (ref,) = bring(engine, "Des communs")
    discard(engine, [ref], by="Bo", now=NOW)

    apply(engine, keep=KEEP)

    assert card(engine, ref).state_by == "Bo"
    assert card(engine, ref).state is State.DISCARDED


def test_a_page_that_a_person_added_is_not_discarded_one_proposed_is(engine: Engine) -> None:
    pages = [an_entry(f"https://a.example/{n}", title="Sponsorisé", feed_url="") for n in (1, 2)]
    added = put_page(engine, pages[0], by="Bo", now=NOW).entry.id
    proposed = put_page(engine, pages[1], by="", now=NOW).entry.id

    apply(engine, ads=DISCARD)

    assert state(engine, added) == (State.NEW, "")
    assert state(engine, proposed) == (State.DISCARDED, "ads")


@pytest.mark.parametrize("stored", ["written", "published"])
def test_what_stands_in_a_letter_is_tagged_only(engine: Engine, stored: str) -> None:
    (ref,) = bring(engine, "Sponsorisé : l’école", state=stored, issue="2026-11-30-lundi")

    apply(engine, ads=DISCARD, school=TAG)

    assert (card(engine, ref).state.value, card(engine, ref).tags) == (stored, ("école",))


def test_what_a_rule_decided_is_decided_anew(engine: Engine) -> None:
    discarded, kept = bring(engine, "Des communs sponsorisés", "Sponsorisé")
    apply(engine, ads=DISCARD)

    apply(engine, ads=DISCARD, keep=KEEP)

    assert state(engine, discarded) == (State.KEPT, "keep")
    assert state(engine, kept) == (State.DISCARDED, "ads")


def test_what_no_rule_decides_any_more_is_to_be_sorted_again(engine: Engine) -> None:
    (ref,) = bring(engine, "Sponsorisé")
    apply(engine, ads=DISCARD)

    found = apply(engine, keep=KEEP)

    assert state(engine, ref) == (State.NEW, "")
    assert (found.put_back.changed, found.changed) == (1, 1)


def test_a_feed_that_is_not_followed_any_more_brings_nothing_back(engine: Engine) -> None:
    (ref,) = bring(engine, "Rien")
    apply(engine, a_list(is_whitelisted=True), keep=KEEP)

    apply(engine, [], keep=KEEP)

    assert state(engine, ref) == (State.DISCARDED, WHITELIST_RULE)


def test_whitelist_mode_holds_for_what_is_stored_and_ends_with_it(engine: Engine) -> None:
    named, other = bring(engine, "Une école", "Rien")

    found = apply(engine, a_list(is_whitelisted=True), school=TAG)

    assert state(engine, named) == (State.NEW, "")
    assert state(engine, other) == (State.DISCARDED, WHITELIST_RULE)
    assert found.effects[-1] == Effect(rule=WHITELIST_RULE, fitting=1, changed=1)

    apply(engine, a_list(), school=TAG)

    assert state(engine, other) == (State.NEW, "")


def test_a_rule_of_a_feed_holds_for_what_it_brought(engine: Engine) -> None:
    (ref,) = bring(engine, "Des communs")
    rule = Rule(do="keep", words=("communs",), everywhere=False)

    apply(engine, a_list(), here=rule)
    assert state(engine, ref) == (State.NEW, "")
    apply(engine, a_list(rules=("here",)), here=rule)
    assert state(engine, ref) == (State.KEPT, "here")


def test_a_tag_in_another_spelling_is_the_same(engine: Engine) -> None:
    (ref,) = bring(engine, "L’école")
    tag(engine, [ref], add=["Ecole"], by="Bo", now=NOW)

    found = apply(engine, school=TAG)

    assert (card(engine, ref).tags, found.changed) == (("Ecole",), 0)


def test_a_tag_that_a_person_took_off_stays_off(engine: Engine) -> None:
    left, other = bring(engine, "L’école", "L’école encore")
    apply(engine, school=TAG)
    tag(engine, [left], remove=["école"], by="Bo", now=LATER + timedelta(minutes=1))

    apply(engine, school=TAG)

    assert card(engine, left).tags == ()
    assert card(engine, other).tags == ("école",)


# --- only some ----------------------------------------------------------------------------------


def test_only_the_rules_that_are_named_change_something(engine: Engine) -> None:
    ads, common, both = bring(engine, "Sponsorisé", "Les communs de l’école", "Communs sponsorisés")
    book = a_book(keep=KEEP, ads=DISCARD, school=TAG)

    found = apply_rules(engine, book, a_list(), by="Ada", now=LATER, only=["ads"])

    assert state(engine, ads) == (State.DISCARDED, "ads")
    assert state(engine, common) == (State.NEW, "")
    assert state(engine, both) == (State.NEW, "")  # the other rule would keep it
    assert card(engine, common).tags == ()
    assert found.effects == (Effect(rule="ads", fitting=2, changed=1),)


def test_a_named_rule_acts_where_another_would_do_the_same(engine: Engine) -> None:
    (ref,) = bring(engine, "Sponsorisé")
    book = a_book(first=DISCARD, second=DISCARD)

    apply_rules(engine, book, a_list(), by="Ada", now=LATER, only=["second"])

    assert state(engine, ref) == (State.DISCARDED, "second")


def test_a_named_tag_takes_a_card_out_of_whitelist_mode(engine: Engine) -> None:
    (ref,) = bring(engine, "L’école")
    lists = a_list(is_whitelisted=True)
    apply(engine, lists, keep=KEEP)
    book = a_book(keep=KEEP, school=TAG)

    apply_rules(engine, book, lists, by="Ada", now=LATER, only=["school"])

    assert state(engine, ref) == (State.NEW, "")


def test_a_name_of_no_rule_is_refused_before_anything_changes(engine: Engine) -> None:
    bring(engine, "Sponsorisé")

    with pytest.raises(InputError, match=r"no rule “adds” .*there are: ads"):
        apply_rules(engine, a_book(ads=DISCARD), [], by="Ada", now=LATER, only=["ads", "adds"])
    assert events(engine) == []


# --- preview ------------------------------------------------------------------------------------


def test_a_preview_tells_what_applying_does_and_changes_nothing(engine: Engine) -> None:
    refs = bring(engine, "Sponsorisé", "Les communs de l’école", "Rien", "Sponsorisé aussi")
    rules = {"keep": KEEP, "ads": DISCARD, "school": TAG}
    before = [card(engine, ref) for ref in refs]

    would = preview_rules(engine, read_rules(rules), a_list(), limit=1)

    assert [card(engine, ref) for ref in refs] == before
    assert events(engine) == []
    did = apply(engine, **rules)
    for name in ("read", "changed"):
        assert getattr(would, name) == getattr(did, name)
    assert [(one.rule, one.fitting, one.changed) for one in would.effects] == [
        (one.rule, one.fitting, one.changed) for one in did.effects
    ]
    shown = [[one.entry.title for one in effect.cards] for effect in would.effects]
    assert shown == [["Les communs de l’école"], ["Sponsorisé aussi"], ["Les communs de l’école"]]


def test_a_preview_shows_what_would_be_sorted_again(engine: Engine) -> None:
    (ref,) = bring(engine, "Sponsorisé")
    apply(engine, ads=DISCARD)

    would = preview_rules(engine, Rulebook(), a_list())

    assert [one.entry.id for one in would.put_back.cards] == [ref]


# --- undo, interruption, size ---------------------------------------------------------------------


def test_one_application_is_undone_at_once(engine: Engine) -> None:
    refs = bring(engine, *(["Sponsorisé : l’école", "Les communs"] * (CHUNK // 2 + 5)))
    before = [find_cards(engine, refs[:5]), find_cards(engine, refs[-5:])]
    found = apply(engine, keep=KEEP, ads=DISCARD, school=TAG)
    assert found.changed == len(refs) > CHUNK
    assert {(one.by, one.at, one.action) for one in events(engine)} == {("Ada", LATER, "rule")}
    assert len(events(engine)) == len(refs)

    done = undo(engine, by="Ada", now=LATER + timedelta(minutes=1))

    assert len(done.event_ids) == len(refs)
    assert [find_cards(engine, refs[:5]), find_cards(engine, refs[-5:])] == before
    assert count_cards(engine, Filter(states=(State.NEW,))) == len(refs)


def test_an_event_holds_what_changed(engine: Engine) -> None:
    bring(engine, "L’école sponsorisée")

    apply(engine, ads=DISCARD, school=TAG)

    (event,) = events(engine)
    assert event.before == {
        "state": "new",
        "rule": "",
        "state_at": NOW.isoformat(),
        "tags": [],
    }
    assert event.after == {
        "state": "discarded",
        "rule": "ads",
        "state_at": LATER.isoformat(),
        "tags": ["école"],
    }


def test_what_a_curator_does_between_reading_and_writing_stands(engine: Engine) -> None:
    (ref,) = bring(engine, "Sponsorisé")
    book = _Meanwhile(a_book(ads=DISCARD), lambda: keep(engine, [ref], by="Bo", now=NOW))

    found = apply_rules(engine, book, a_list(), by="Ada", now=LATER)  # type: ignore[arg-type]

    assert (card(engine, ref).state, card(engine, ref).state_by) == (State.KEPT, "Bo")
    assert found.changed == 0
    assert [one.action for one in events(engine)] == ["keep"]


class _Meanwhile:
    """A rulebook during whose judgement something happens."""

    def __init__(self, book: Rulebook, act: Callable[[], object]) -> None:
        self.book, self.act, self.rules = book, act, book.rules

    def judge(self, one: Entry, *, feed: Feed | None) -> object:
        self.act()
        return self.book.judge(one, feed=feed)


def test_a_rule_that_is_late_is_given_up_and_named(engine: Engine) -> None:
    bring(engine, *[f"{'a' * 60}! {n}" for n in range(PATIENCE + 15)])
    rules = {f"quick{n}": Rule(do="keep", pattern="rien") for n in range(9)}  # they share the time
    rules["slow"] = Rule(do="discard", pattern=r"^(a|aa)+;", where="title")

    found = apply(engine, **rules)

    (notice,) = found.notices
    assert notice.facts == {"rule": "slow", "count": PATIENCE + 15}
    assert found.changed == 0


def test_a_rule_that_is_late_puts_nothing_back(engine: Engine) -> None:
    (ref,) = bring(engine, "a" * 60 + "!", state="discarded", rule="slow")

    apply(engine, slow=Rule(do="discard", pattern=r"^(a|aa)+[;?]", where="title"))

    assert state(engine, ref) == (State.DISCARDED, "slow")


def test_an_empty_desk_is_no_trouble(engine: Engine) -> None:
    assert apply(engine, ads=DISCARD).read == 0
