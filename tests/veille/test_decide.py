"""What is new, what has changed: plain values."""

from dataclasses import replace
from datetime import timedelta

from pipeline.veille.decide import decide
from pipeline.veille.feeds import ParsedFeed
from pipeline.veille.item import Entry
from tests.veille.builders import NOW, an_entry

LATER = NOW + timedelta(hours=1)


def fetched(*entries: Entry) -> ParsedFeed:
    return ParsedFeed(title="La Revue", site="", language="fr", entries=entries)


def test_an_unknown_page_is_new_and_seen_now() -> None:
    changes = decide({}, fetched(an_entry()), LATER)

    assert changes.new == (an_entry(seen_at=LATER),)
    assert changes.changed == ()


def test_a_known_page_that_says_the_same_is_nothing() -> None:
    known = an_entry()

    changes = decide({known.canonical_url: known}, fetched(replace(known, seen_at=LATER)), LATER)

    assert (changes.new, changes.changed) == ((), ())


def test_a_new_title_at_the_same_address_is_the_same_entry_changed() -> None:
    known = an_entry()

    changes = decide(
        {known.canonical_url: known}, fetched(an_entry(title="Autre", seen_at=LATER)), LATER
    )

    assert changes.new == ()
    assert changes.changed == (replace(known, title="Autre"),)
    assert changes.changed[0].seen_at == NOW


def test_one_page_in_two_feeds_belongs_to_the_first() -> None:
    known = an_entry("https://revue.example/a?utm_source=rss")
    again = an_entry(
        "http://www.revue.example/a#x", title="Autre", feed_url="https://autre.example/"
    )

    changes = decide({known.canonical_url: known}, fetched(again), LATER)

    assert (changes.new, changes.changed) == ((), ())


def test_of_two_entries_for_one_page_in_a_feed_the_first_counts() -> None:
    changes = decide({}, fetched(an_entry(title="Un"), an_entry(title="Deux")), NOW)

    assert [entry.title for entry in changes.new] == ["Un"]


def test_what_a_feed_no_longer_says_is_not_forgotten() -> None:
    known = an_entry()
    bare = an_entry(authors=(), excerpt="", language="", published_at=None)

    assert decide({known.canonical_url: known}, fetched(bare), LATER).changed == ()


def test_a_feed_that_stamps_each_answer_does_not_change_its_entries() -> None:
    known = an_entry()

    assert (
        decide({known.canonical_url: known}, fetched(an_entry(published_at=LATER)), LATER).changed
        == ()
    )
