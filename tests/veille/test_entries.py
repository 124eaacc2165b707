"""The desk as a curator reads it, on both databases."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, insert, select, update

from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from pipeline.store.entries import (
    citation,
    cited_letter,
    entry,
    entry_event,
    entry_feed,
    entry_tag,
    feed,
)
from pipeline.veille import matching
from pipeline.veille.card import Card, Cited, Filter, Page
from pipeline.veille.entries import (
    Facets,
    count_cards,
    count_states,
    find_cards,
    list_cards,
    list_facets,
    match_watchlist,
    purge_entries,
    put_page,
)
from pipeline.veille.item import Entry
from pipeline.veille.rows import row_of
from pipeline.veille.states import State
from tests.veille.builders import NOW, an_entry

#: One page's worth of entries or less is found by the window, more by what is behind it.
Putter = Callable[..., list[int]]


@pytest.fixture
def put(engine: Engine) -> Putter:
    """Return what writes entries as feeds bring them, and returns their rows."""

    def write(*entries: Entry, tags: Iterable[str] = (), **columns: Any) -> list[int]:
        plain = {"state": "new", "state_at": NOW, "state_by": "", "rule": "", "issue": ""}
        tags = tuple(tags)
        rows = [
            row_of(one, note=columns.get("note", ""), tags=tags) | plain | {"note": ""} | columns
            for one in entries
        ]
        with writing(engine) as connection:
            connection.execute(insert(entry), rows)
            refs = select(entry.c.ref, entry.c.id)
            ids = {row.ref: row.id for row in connection.execute(refs)}
            found = [ids[one.id] for one in entries]
            if labels := [{"entry_id": one, "tag": tag} for one in found for tag in tags]:
                connection.execute(insert(entry_tag), labels)
        return found

    return write


def a_feed(engine: Engine, url: str = "https://revue.example/flux.xml", **columns: Any) -> int:
    with writing(engine) as connection:
        new = insert(feed).values({"url": url, "title": "La Revue"} | columns)
        number: int = connection.scalars(new.returning(feed.c.id)).one()
    return number


def bring(engine: Engine, entry_id: int, feed_id: int, *, at: datetime = NOW) -> None:
    with writing(engine) as connection:
        values = {"entry_id": entry_id, "feed_id": feed_id, "first_at": at, "last_at": at}
        connection.execute(insert(entry_feed).values(values))


def cite(engine: Engine, slug: str, number: str, *entries: Entry) -> None:
    with writing(engine) as connection:
        connection.execute(insert(cited_letter).values(slug=slug, stamp="", number=number))
        rows = [
            {"slug": slug, "canonical_url": one.canonical_url, "title": "Là"} for one in entries
        ]
        connection.execute(insert(citation), rows)


def many(count: int, **changes: Any) -> list[Entry]:
    """Return entries, the newest first; always two are of one moment."""
    return [
        an_entry(
            f"https://revue.example/{number}",
            published_at=NOW - timedelta(minutes=number // 2),
            title=f"Titre {number}",
            **changes,
        )
        for number in range(count)
    ]


def titles(page: Page) -> list[str]:
    return [card.entry.title for card in page.cards]


def found(engine: Engine, **wanted: Any) -> list[str]:
    return titles(list_cards(engine, Filter(**wanted)))


# --- listing ----------------------------------------------------------------------------------


def test_cards_come_newest_first_with_the_day_they_were_seen_where_they_have_no_date(
    engine: Engine, put: Putter
) -> None:
    old = an_entry("https://a.example/", published_at=NOW - timedelta(days=9), title="Vieux")
    new = an_entry("https://b.example/", published_at=NOW, title="Neuf")
    undated = an_entry(
        "https://c.example/", published_at=None, seen_at=NOW - timedelta(days=1), title="Sans date"
    )
    put(old, new, undated)

    assert found(engine) == ["Neuf", "Sans date", "Vieux"]


def test_a_card_holds_all_that_is_known_of_it(engine: Engine, put: Putter) -> None:
    one = an_entry(image="https://revue.example/i.png", minutes=4, origins={"title": "json-ld"})
    first, second = a_feed(engine), a_feed(engine, "https://autre.example/", title="L’Autre")
    third = a_feed(engine, "https://sans-titre.example/", title="")
    (number,) = put(
        one, tags=["wiki", "école"], feed_id=first, state="kept", state_by="Gwenola", rule="wikis",
        issue="2026-11-30-cafes", note="À lire",
    )  # fmt: skip
    bring(engine, number, first)
    bring(engine, number, second)
    bring(engine, number, third, at=NOW + timedelta(hours=1))
    cite(engine, "2026-10-01-a", "41", one)
    cite(engine, "2026-11-01-b", "42", one)

    (card,) = list_cards(engine, Filter()).cards

    assert card == Card(
        id=number,
        entry=one,
        state=State.KEPT,
        state_at=NOW,
        state_by="Gwenola",
        rule="wikis",
        issue="2026-11-30-cafes",
        note="À lire",
        tags=("école", "wiki"),
        also_in=("L’Autre", "https://sans-titre.example/"),
        cited_in=(
            Cited(slug="2026-11-01-b", number="42", title="Là"),
            Cited(slug="2026-10-01-a", number="41", title="Là"),
        ),
    )


@pytest.mark.parametrize("text", ["", "titre"])
def test_pages_follow_each_other_and_miss_nothing_at_equal_times(
    engine: Engine, put: Putter, text: str
) -> None:
    put(*many(23))
    seen: list[str] = []
    after, pages = None, 0
    while after or not pages:
        page = list_cards(engine, Filter(text=text), limit=5, after=after)
        seen += titles(page)
        after, pages = page.next, pages + 1

    assert pages == 5
    assert len(seen) == len(set(seen)) == 23
    dates = [int(title.split()[1]) // 2 for title in seen]
    assert dates == sorted(dates)


def test_a_page_that_is_just_full_is_the_last(engine: Engine, put: Putter) -> None:
    put(*many(4))

    page = list_cards(engine, Filter(), limit=4)

    assert (len(page.cards), page.next) == (4, None)
    assert list_cards(engine, Filter(), limit=3).next is not None


def test_a_page_asks_the_same_number_of_questions_whatever_its_length(
    engine: Engine, put: Putter
) -> None:
    put(*many(60), tags=["a", "b"])
    asked: list[str] = []
    event.listen(engine, "after_cursor_execute", lambda *told: asked.append(told[2]))

    list_cards(engine, Filter(), limit=2)
    few = len(asked)
    asked.clear()
    list_cards(engine, Filter(), limit=60)

    assert len(asked) == few <= 7


# --- filters ------------------------------------------------------------------------------------


@pytest.fixture
def desk(engine: Engine, put: Putter) -> Engine:
    """A desk of six cards, A to F, the newest first."""

    def one(name: str, days: int, **changes: Any) -> Entry:
        url = f"https://revue.example/{name}"
        return an_entry(url, title=name, published_at=NOW - timedelta(days=days), **changes)

    put(one("A", 0), tags=["wiki"])
    put(one("B", 1, watchlist="Écoles", language="en"), state="kept", issue="l-44", tags=["wiki"])
    put(one("C", 2, source="L’Autre"), state="kept")
    put(one("D", 3, watchlist="Écoles", authors=("Zoë Le Gall",)), state="discarded")
    put(one("E", 4, excerpt="Une bibliothèque, des élèves."), state="published", issue="l-43")
    put(one("F", 5, language="de"), state="written", issue="l-44", note="Avec les communautés")
    cite(engine, "l-43", "43", one("E", 4), one("B", 1))
    return engine


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "ABCDEF"),
        ({"states": (State.NEW,)}, "A"),
        ({"states": (State.KEPT, State.WRITTEN)}, "BCF"),
        ({"watchlist": "Écoles"}, "BD"),
        ({"watchlist": "Éco"}, ""),
        ({"source": "L’Autre"}, "C"),
        ({"language": "de"}, "F"),
        ({"tag": "wiki"}, "AB"),
        ({"tag": "wik"}, ""),
        ({"issue": "l-44"}, "BF"),
        ({"since": NOW - timedelta(days=2)}, "ABC"),
        ({"until": NOW - timedelta(days=2)}, "DEF"),
        ({"since": NOW - timedelta(days=4), "until": NOW - timedelta(days=2)}, "DE"),
        ({"is_cited": True}, "BE"),
        ({"is_cited": False}, "ACDF"),
        ({"text": "ELEVE"}, "E"),
        ({"text": "bibliothèque élèves"}, "E"),
        ({"text": "bibliothèque zoe"}, ""),
        ({"text": "le gall"}, "D"),
        ({"text": "communaut"}, "F"),
        ({"text": "wiki"}, "ABCDF"),
        ({"text": "autre"}, "C"),
        ({"text": "wiki", "states": (State.KEPT,), "tag": "wiki"}, "B"),
        ({"tag": "wiki", "is_cited": True, "language": "en", "watchlist": "Écoles"}, "B"),
        ({"tag": "wiki", "is_cited": False, "text": "revue"}, "A"),
    ],
)
def test_each_filter_finds_what_it_says(desk: Engine, wanted: Any, expected: str) -> None:
    assert "".join(found(desk, **wanted)) == expected
    assert count_cards(desk, Filter(**wanted)) == len(expected)


@pytest.mark.parametrize(
    "wanted",
    [
        {"text": "rare"},
        {"text": "titre rare", "states": (State.NEW,)},
        {"tag": "rare"},
        {"is_cited": True},
        {"text": "rare", "tag": "rare", "is_cited": True, "language": "fr"},
    ],
)
@pytest.mark.parametrize("few", [1, 100])
def test_what_is_rare_is_found_behind_the_window(
    engine: Engine, put: Putter, monkeypatch: pytest.MonkeyPatch, wanted: Any, few: int
) -> None:
    monkeypatch.setattr(matching, "WINDOW", 8)
    monkeypatch.setattr(matching, "_FEW", few)
    entries = many(60)
    rare = [41, 50, 59]
    put(*(one for number, one in enumerate(entries) if number not in rare), tags=["souvent"])
    marked = [an_entry(entries[i].url, published_at=entries[i].published_at,
                       title=f"{entries[i].title} rare") for i in rare]  # fmt: skip
    put(*marked, tags=["rare"])
    cite(engine, "l-43", "43", *marked)

    page = list_cards(engine, Filter(**wanted), limit=2)
    rest = list_cards(engine, Filter(**wanted), limit=2, after=page.next)

    assert titles(page) + titles(rest) == ["Titre 41 rare", "Titre 50 rare", "Titre 59 rare"]
    assert rest.next is None


# --- search -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "continu", "continuelle", "continuellem", "continuellement", "CONTINUELLEMENT.",
        "artificielle", "l'école", "l’école", "ecole.example", "covid 19", "covid-19", "les",
        "chevau", "0,5", "(chevaux* -les", '"chevaux"', "straße", "strasse", "日本",
    ],
)  # fmt: skip
def test_a_word_is_found_by_its_beginning_whatever_stands_around_it(
    engine: Engine, put: Putter, text: str
) -> None:
    excerpt = (
        "Continuellement : les chevaux, l’intelligence/artificielle, l’École (covid-19) 0,5 %,"
        " www.ecole.example ; Straße, 日本語"
    )
    put(an_entry(excerpt=excerpt), an_entry("https://b.example/", title="Rien", excerpt=""))

    assert found(engine, text=text) == ["Des communs à l’école"]


def test_postgresql_knows_french_endings_and_both_leave_other_words_alone(
    engine: Engine, put: Putter
) -> None:
    put(an_entry(title="Une écologie nationale", excerpt=""))

    expected = ["Une écologie nationale"] if engine.dialect.name == "postgresql" else []
    assert found(engine, text="nationaux") == expected
    assert found(engine, text="écologues") == []
    assert found(engine, text="écoles") == []


@pytest.mark.parametrize("text", ["", " ", "…", '"', "*", "-", "()", "'", "&|!<->:*", "\\", "_"])
def test_a_question_without_a_word_asks_nothing(engine: Engine, put: Putter, text: str) -> None:
    put(an_entry())

    assert len(found(engine, text=text)) == count_cards(engine, Filter(text=text)) == 1


@pytest.mark.parametrize(
    "text",
    ["mot " * 2_500, "m" * 10_000, "(" * 10_000, '" OR 1', "a NEAR(b, 3)", "a:b", "^a", "a-*",
     "NOT", "AND OR", "{a b}: c", "a\x00b", "a\ud800b", "𞤀𞤁", "a𞤀b", "''); DROP", "%s :x", "½ ²"],
)  # fmt: skip
def test_no_question_is_an_error(engine: Engine, put: Putter, text: str) -> None:
    put(an_entry())

    assert isinstance(found(engine, text=text), list)
    assert count_cards(engine, Filter(text=text, tag=text[:50].replace("\x00", ""))) == 0


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60))
def test_what_a_title_says_is_found_by_it(engine: Engine, text: str) -> None:
    with writing(engine) as connection:
        connection.execute(entry.delete())
    title = "".join(one for one in text if one.isprintable())
    put_page(engine, an_entry(title=title), by="", now=NOW)

    assert found(engine, text=title) == [title]


def test_a_note_and_tags_are_searched_and_what_is_erased_is_not(
    engine: Engine, put: Putter
) -> None:
    (number,) = put(an_entry(), note="Une pépite", tags=["désobéissance"])
    assert len(found(engine, text="pepite desob")) == 1
    with writing(engine) as connection:
        connection.execute(update(entry).where(entry.c.id == number).values(words="autre chose"))

    assert found(engine, text="pepite") == []
    assert len(found(engine, text="chose")) == 1
    with writing(engine) as connection:
        connection.execute(entry.delete())
    assert found(engine, text="chose") == []


# --- counts -------------------------------------------------------------------------------------


def test_states_are_counted_all_of_them_within_the_rest_of_the_filter(desk: Engine) -> None:
    wanted = Filter(states=(State.NEW,), watchlist="Écoles")

    assert count_states(desk, Filter()) == {
        State.NEW: 1, State.KEPT: 2, State.WRITTEN: 1, State.PUBLISHED: 1, State.DISCARDED: 1,
    }  # fmt: skip
    assert count_states(desk, wanted) == {
        State.NEW: 0, State.KEPT: 1, State.WRITTEN: 0, State.PUBLISHED: 0, State.DISCARDED: 1,
    }  # fmt: skip


def test_facets_are_counted_within_the_filter_the_most_frequent_first(desk: Engine) -> None:
    assert list_facets(desk, Filter()) == Facets(
        watchlists=(("Numérique et société", 4), ("Écoles", 2)),
        sources=(("La Revue", 5), ("L’Autre", 1)),
        languages=(("fr", 4), ("de", 1), ("en", 1)),
        tags=(("wiki", 2),),
    )
    assert list_facets(desk, Filter(states=(State.KEPT,), text="wiki")) == Facets(
        watchlists=(("Écoles", 1), ("Numérique et société", 1)),
        sources=(("La Revue", 1), ("L’Autre", 1)),
        languages=(("en", 1), ("fr", 1)),
        tags=(("wiki", 1),),
    )
    assert list_facets(desk, Filter(text="introuvable")) == Facets()


# --- by name ------------------------------------------------------------------------------------


def test_an_id_may_be_shortened_as_long_as_it_says_one_card(engine: Engine, put: Putter) -> None:
    put(*(an_entry(f"https://{name}.example/", id=f"{name:0<12}") for name in ("aa1", "aa2", "bb")))

    cards = find_cards(engine, ["BB", " aa2 ", "bb0000000000"])
    assert [card.entry.id for card in cards] == ["bb0000000000", "aa2000000000"]
    with pytest.raises(InputError, match=r"“aa” begins several ids \(aa1000000000, aa2000000000\)"):
        find_cards(engine, ["bb", "aa"])
    for nothing in ("zz", "", " ", "%", "aa_", "bb00000000000", "١"):
        with pytest.raises(InputError, match="no entry"):
            find_cards(engine, [nothing])


def test_many_cards_are_found_at_once_in_the_order_given(engine: Engine, put: Putter) -> None:
    entries = many(600)
    put(*entries)

    cards = find_cards(engine, [one.id for one in reversed(entries)])

    assert [card.entry.id for card in cards] == [one.id for one in reversed(entries)]


def test_a_watchlist_is_named_by_a_part_of_its_title(engine: Engine, put: Putter) -> None:
    put(an_entry(), an_entry("https://b.example/", watchlist="Écoles"))
    a_feed(engine, watchlist="Écoles et tiers-lieux")

    assert match_watchlist(engine, "numerique") == "Numérique et société"
    assert match_watchlist(engine, "ÉCOLES") == "Écoles"
    assert match_watchlist(engine, "tiers") == "Écoles et tiers-lieux"
    with pytest.raises(InputError, match="“ecole” stands in the titles of several watchlists"):
        match_watchlist(engine, "ecole")
    for nothing in ("Sport", "", " "):
        with pytest.raises(InputError, match="there are: Numérique et société, "):
            match_watchlist(engine, nothing)


# --- pages added by hand ------------------------------------------------------------------------


def a_page(**changes: Any) -> Entry:
    return an_entry(**({"feed_url": "", "watchlist": ""} | changes))


def test_a_page_is_kept_to_sort_with_who_added_it(engine: Engine) -> None:
    card = put_page(engine, a_page(), by="Gwenola", now=NOW, note=" À voir ", tags=("b", " a ", ""))

    assert card.entry == a_page()
    assert (card.state, card.state_by, card.state_at) == (State.NEW, "Gwenola", NOW)
    assert (card.note, card.tags) == ("À voir", ("a", "b"))
    assert list_cards(engine, Filter(text="voir")).cards == (card,)


def test_a_page_added_again_says_what_it_says_now_and_was_seen_when_it_was(engine: Engine) -> None:
    put_page(engine, a_page(), by="Gwenola", now=NOW, note="Un", tags=("a",))
    later = NOW + timedelta(days=1)
    new = a_page(title="Autrement", seen_at=later, published_at=None)

    card = put_page(engine, new, by="Ada", now=later, note="Deux", tags=("b", "a"))
    same = put_page(engine, new, by="Ada", now=later, note="Deux")

    assert (card.entry.title, card.entry.seen_at, card.entry.dated_at) == ("Autrement", NOW, NOW)
    assert (card.note, card.tags, card.state_by) == ("Un\n\nDeux", ("a", "b"), "Gwenola")
    assert same == card
    assert found(engine, text="autrement un deux b") == ["Autrement"]


def test_a_page_that_a_feed_brought_stays_the_feeds(engine: Engine, put: Putter) -> None:
    put(an_entry(), feed_id=a_feed(engine), state="kept", state_by="Ada")

    card = put_page(engine, a_page(title="Autrement"), by="Gwenola", now=NOW, note="!", tags=("a",))

    assert card.entry == an_entry()
    assert (card.state, card.state_by, card.note, card.tags) == (State.KEPT, "Ada", "!", ("a",))


def test_a_page_that_two_add_at_once_is_one_card_with_both_notes(engine: Engine) -> None:
    names = [f"nom{number}" for number in range(8)]

    with ThreadPoolExecutor(4) as pool:
        add = partial(put_page, engine, a_page(), now=NOW)
        list(pool.map(lambda name: add(by=name, note=name, tags=(name, "tous")), names))

    (card,) = list_cards(engine, Filter()).cards
    assert sorted(card.note.split("\n\n")) == names
    assert card.tags == (*names, "tous")
    assert found(engine, text=" ".join(names)) == [card.entry.title]


# --- what is old ----------------------------------------------------------------------------------


def an_old(name: str) -> Entry:
    return an_entry(f"https://{name}.example/", title=name, seen_at=NOW - timedelta(days=91))


def test_what_is_old_and_nobody_wants_is_purged_and_nothing_else(
    engine: Engine, put: Putter
) -> None:
    asked = NOW - timedelta(days=5)
    here = a_feed(engine, parsed_at=asked)
    never = a_feed(engine, "https://b.example/flux", parsed_at=None)
    put(an_old("sans flux"), an_old("ajouté"))
    put(an_old("écarté"), state="discarded", state_by="Ada", feed_id=here)
    (left, stands, unknown) = put(an_old("sorti"), an_old("présent"), an_old("jamais lu"))
    bring(engine, left, here, at=asked - timedelta(hours=1))
    bring(engine, stands, here, at=asked)
    bring(engine, unknown, never)
    for state in ("kept", "written", "published"):
        put(an_old(state), state=state)
    put(an_old("noté"), note="!")
    put(an_old("étiqueté"), tags=["a"])
    put(an_old("pour la lettre"), issue="l-44")
    put(an_entry(seen_at=NOW - timedelta(days=89), title="récent"))
    with writing(engine) as connection:
        event_of = {"entry_id": left, "at": NOW, "by": "Ada", "action": "discard"}
        connection.execute(insert(entry_event).values(event_of | {"before": {}, "after": {}}))

    erased = purge_entries(engine, now=NOW, keep_days=90)

    assert erased == 4
    assert sorted(found(engine)) == sorted(
        ["présent", "jamais lu", "kept", "written", "published", "noté", "étiqueté",
         "pour la lettre", "récent"]
    )  # fmt: skip
    assert purge_entries(engine, now=NOW, keep_days=90) == 0
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(entry_event)) == 0
    assert found(engine, text="sorti") == []


def test_a_great_purge_is_done_in_bites(
    engine: Engine, put: Putter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.veille.entries._PURGE", 7)
    put(*(an_old(f"n{number}") for number in range(21)))

    assert purge_entries(engine, now=NOW, keep_days=90) == 21
    assert count_cards(engine, Filter()) == 0
