"""What feeds bring, in the database: entries once, rules on what is new, what changes and stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from pipeline.settings import Rule
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, entry_feed, entry_tag
from pipeline.veille.arrivals import Arrival, Brought, Judge, write_arrivals
from pipeline.veille.claims import Claim, claim_feeds, feeds_once
from pipeline.veille.feeds import ParsedFeed
from pipeline.veille.item import Entry
from pipeline.veille.rules import Rulebook, read_rules
from tests.veille.builders import NOW, an_entry
from tests.veille.pulling import brought, entries, feed_row, feeds, tags

LATER = NOW + timedelta(hours=1)
URL = "https://revue.example/flux.xml"


def claim(engine: Engine, *urls: str, **more: Any) -> list[Claim]:
    listed = feeds_once([feeds(*(urls or (URL,)), **more)])
    return claim_feeds(engine, listed, worker="essai", now=NOW, is_due_only=False)


def arrive(
    engine: Engine,
    *found: Entry,
    claim_of: Claim | None = None,
    at: datetime = NOW,
    book: Rulebook | None = None,
) -> Brought:
    """Write one feed's entries as a pull would."""
    (held,) = (claim_of,) if claim_of else claim(engine)
    parsed = ParsedFeed(title="La Revue", site="", language="fr", entries=found)
    state = replace(held.state, checked_at=at, parsed_at=at, sha256="a" * 64)
    arrival = Arrival(claim=held, at=at, state=state, parsed=parsed)
    (one,) = write_arrivals(engine, [arrival], judge=Judge(book or Rulebook()), worker="essai")
    return one


def found(engine: Engine, words: str) -> list[str]:
    """Return the titles that full-text search finds."""
    query = (
        "SELECT title FROM entry JOIN entry_search ON entry_search.rowid = entry.id"
        " WHERE entry_search MATCH :words"
        if engine.dialect.name == "sqlite"
        else "SELECT title FROM entry WHERE to_tsvector('french', words)"
        " @@ plainto_tsquery('french', :words)"
    )
    with reading(engine) as connection:
        return list(connection.scalars(text(query), {"words": words}))


def test_every_field_of_an_entry_is_stored_and_found(engine: Engine) -> None:
    one = an_entry(
        title='L’été « libre » \\ "100 %"',
        authors=("Ada Martin", "Bo O’Neil"),
        image="https://revue.example/a.jpg",
        minutes=4,
    )

    assert arrive(engine, one) == Brought(new=1)

    (row,) = entries(engine)
    assert {
        name: getattr(row, name)
        for name in ("ref", "url", "canonical_url", "title", "source", "watchlist", "site")
    } == {
        "ref": one.id,
        "url": one.url,
        "canonical_url": one.canonical_url,
        "title": one.title,
        "source": one.source,
        "watchlist": one.watchlist,
        "site": one.site,
    }
    assert (row.authors, row.origins) == (["Ada Martin", "Bo O’Neil"], {})
    assert (row.published_at, row.seen_at, row.dated_at) == (one.published_at, NOW, one.dated_at)
    assert (row.language, row.excerpt, row.image, row.minutes) == (
        "fr",
        one.excerpt,
        "https://revue.example/a.jpg",
        4,
    )
    assert (row.state, row.state_at, row.state_by, row.rule) == ("new", NOW, "", "")
    assert found(engine, "ete") == [one.title]


def test_an_entry_without_a_date_is_dated_when_it_was_seen(engine: Engine) -> None:
    arrive(engine, an_entry(published_at=None))

    (row,) = entries(engine)
    assert (row.published_at, row.dated_at) == (None, NOW)


def test_what_stands_in_a_body_still_is_noted_and_what_left_it_keeps_its_time(
    engine: Engine,
) -> None:
    gone, stays = an_entry("https://revue.example/a"), an_entry("https://revue.example/b")
    arrive(engine, gone, stays)

    arrive(engine, stays, at=LATER)

    with reading(engine) as connection:
        times = {row.entry_id: row for row in connection.execute(select(entry_feed))}
    seen = [(times[row.id].first_at, times[row.id].last_at) for row in entries(engine)]
    assert seen == [(NOW, NOW), (NOW, LATER)]
    assert feed_row(engine).parsed_at == LATER


def test_the_same_page_twice_in_a_feed_is_one_entry(engine: Engine) -> None:
    same = an_entry("http://www.revue.example/a?utm_source=x", title="Autre")

    assert arrive(engine, an_entry(), same).new == 1
    assert [row.title for row in entries(engine)] == ["Des communs à l’école"]


def test_a_new_title_changes_the_entry_and_what_search_finds(engine: Engine) -> None:
    arrive(engine, an_entry())
    (row,) = entries(engine)
    with writing(engine) as connection:  # as a curator leaves it
        connection.execute(update(entry).values(note="pour Gwenola", state="kept", state_by="Ada"))
        connection.execute(insert(entry_tag).values(entry_id=row.id, tag="écoles"))

    result = arrive(engine, an_entry(title="Un wiki"), at=LATER)

    (row,) = entries(engine)
    assert result == Brought(changed=1)
    assert (row.title, row.seen_at, row.state, row.note) == ("Un wiki", NOW, "kept", "pour Gwenola")
    assert [found(engine, one) for one in ("wiki", "gwenola", "ecoles", "communs")] == [
        ["Un wiki"],
        ["Un wiki"],
        ["Un wiki"],
        [],
    ]


@pytest.mark.parametrize(
    "fresh",
    [
        an_entry(published_at=LATER),
        an_entry(authors=(), excerpt="", language="", published_at=None, image=""),
        an_entry("https://revue.example/a?utm_campaign=mardi"),
    ],
    ids=["stamped each time", "says less", "tracked anew"],
)
def test_what_a_feed_stamps_or_leaves_out_changes_nothing(engine: Engine, fresh: Entry) -> None:
    arrive(engine, an_entry())
    before = entries(engine)

    assert arrive(engine, fresh, at=LATER) == Brought()
    assert entries(engine) == before


def test_only_its_own_feed_changes_an_entry(engine: Engine) -> None:
    first, second = claim(engine, URL, "https://autre.example/flux")
    arrive(engine, an_entry(), claim_of=first)

    other = an_entry(title="Autre", feed_url=second.feed.url)
    result = arrive(engine, other, claim_of=second, at=LATER)

    (row,) = entries(engine)
    assert (result, row.title, row.feed_id) == (Brought(), "Des communs à l’école", first.id)
    assert brought(engine) == {(row.id, first.id), (row.id, second.id)}


def test_a_page_that_was_added_by_hand_stays_as_it_is(engine: Engine) -> None:
    arrive(engine, an_entry())
    with writing(engine) as connection:
        connection.execute(update(entry).values(feed_id=None, title="À la main"))

    assert arrive(engine, an_entry(title="Autre"), at=LATER) == Brought()
    assert [row.title for row in entries(engine)] == ["À la main"]


def test_rules_decide_over_what_is_new_and_never_again(engine: Engine) -> None:
    rules = {
        "sponsor": Rule(do="discard", words=("sponsorisé",)),
        "ecole": Rule(do="tag", words=("école",), tag="éducation"),
        "ada": Rule(do="keep", words=("Ada Martin",), where="author"),
    }
    book = read_rules(rules)
    ad = an_entry("https://revue.example/p", title="Sponsorisé", authors=())
    arrive(engine, an_entry(), ad, book=book)

    kept, discarded = sorted(entries(engine), key=lambda row: row.state, reverse=True)
    assert (kept.state, kept.rule, kept.state_by) == ("kept", "ada", "")
    assert (discarded.state, discarded.rule) == ("discarded", "sponsor")
    assert tags(engine) == {(kept.id, "éducation")}
    assert found(engine, "education") == [kept.title]

    with writing(engine) as connection:
        connection.execute(update(entry).values(state="new", rule=""))
    arrive(engine, an_entry(title="L’école, encore"), ad, book=book, at=LATER)
    assert {row.state for row in entries(engine)} == {"new"}


def test_of_a_whitelisted_feed_only_what_a_rule_wants_is_there_to_sort(engine: Engine) -> None:
    book = read_rules({"ecole": Rule(do="tag", words=("école",), tag="éducation")})
    (held,) = claim(engine, is_whitelisted=True)
    other = an_entry("https://revue.example/b", title="Le marché", excerpt="")

    arrive(engine, an_entry(), other, claim_of=held, book=book)

    assert {row.title: row.state for row in entries(engine)} == {
        "Des communs à l’école": "new",
        "Le marché": "discarded",
    }


def test_a_rule_that_takes_for_ever_is_told_and_given_up(engine: Engine) -> None:
    book = read_rules({"lent": Rule(do="discard", pattern="(a|aa)+$", where="title")})
    slow = [an_entry(f"https://revue.example/{one}", title="a" * 200 + "!") for one in range(12)]
    judge = Judge(book)
    (held,) = claim(engine)
    state = replace(held.state, checked_at=NOW, parsed_at=NOW)
    parsed = ParsedFeed(title="", site="", language="", entries=tuple(slow))
    arrival = Arrival(claim=held, at=NOW, state=state, parsed=parsed)

    (one,) = write_arrivals(engine, [arrival], judge=judge, worker="essai")

    assert one == Brought(new=12, trouble=("lent",))
    assert judge.book.given_up == {"lent"}
    assert {row.state for row in entries(engine)} == {"new"}


def test_a_short_name_that_is_forged_to_meet_another_does_no_harm(engine: Engine) -> None:
    """The 12 digits of ``ref`` can be met on purpose with some effort."""
    forged = replace(an_entry("https://mal.example/x"), id=an_entry().id)
    arrive(engine, an_entry())

    assert arrive(engine, forged, an_entry(), at=LATER).new == 0
    assert [row.canonical_url for row in entries(engine)] == ["https://revue.example/a"]


def test_many_rows_are_one_statement_each(engine: Engine) -> None:
    many = [an_entry(f"https://revue.example/{one}", authors=()) for one in range(2_000)]

    assert arrive(engine, *many).new == 2_000
    assert len(brought(engine)) == 2_000
    with reading(engine) as connection:
        assert connection.scalar(select(entry.c.authors).limit(1)) == []
