"""A letter that is sent publishes what it links to, once; on both databases."""

import threading
from dataclasses import replace
from datetime import timedelta
from random import Random

from sqlalchemy import Engine, select

from pipeline.delivery.campaigns import open_campaign
from pipeline.delivery.roll import start_campaign
from pipeline.store.engine import reading
from pipeline.store.entries import publication
from pipeline.veille.card import Card
from pipeline.veille.entries import find_cards, put_page
from pipeline.veille.publication import publish_sent
from pipeline.veille.states import State
from pipeline.veille.triage import discard, history, keep
from tests.delivery.mailings import START, a_frozen, add_people
from tests.veille.builders import NOW, an_entry

SLUG = "2026-11-27-essai"
LATER = START + timedelta(hours=1)


def put(engine: Engine, *urls: str) -> list[str]:
    return [put_page(engine, an_entry(url), by="", now=NOW).entry.id for url in urls]


def card(engine: Engine, ref: str) -> Card:
    (found,) = find_cards(engine, [ref])
    return found


def open_letter(
    engine: Engine,
    *variants: str,
    segment: str = "all",
    text: str = "",
    provider: str = "scripted",
) -> int:
    """Open a campaign whose letter has these variants (their HTML); it has not started yet."""
    frozen = a_frozen(slug=SLUG)
    editions = {
        number: replace(frozen.editions[0], html=html, text=text)
        for number, html in enumerate(variants)
    }
    segments = tuple(f"s{number}" for number in range(len(variants).bit_length() - 1))
    return open_campaign(
        engine,
        replace(frozen, editions=editions, segments=segments),
        segment=segment,
        provider=provider,
        now=START,
        by="test",
    ).campaign.id


def send(engine: Engine, *variants: str, text: str = "") -> int:
    """Start such a campaign."""
    number = open_letter(engine, *variants, text=text)
    add_people(engine, 1)
    start_campaign(engine, number, now=START, size=10)
    return number


def link(url: str) -> str:
    return f'<p><a class="x" href="{url}">t</a></p>'


def test_what_the_letter_links_to_is_published_and_nothing_else(engine: Engine) -> None:
    linked, other = put(engine, "https://revue.example/a?b=1&c=é", "https://revue.example/b")
    keep(engine, [linked, other], by="Claire", now=NOW)
    number = send(
        engine,
        "<!-- <a href='https://revue.example/b'> --><img src='https://revue.example/b'>"
        + link("http://www.revue.example/a?b=1&amp;c=%C3%A9#xtor=RSS-1")
        + link("mailto:a@b.example")
        + "<a>rien</a>",
    )

    assert publish_sent(engine, now=LATER) == 1

    found = card(engine, linked)
    assert (found.state, found.state_by, found.state_at) == (State.PUBLISHED, "", LATER)
    assert found.issue == SLUG
    assert [(one.action, one.by) for one in history(engine, linked)][-1] == ("publish", "")
    assert card(engine, other).state is State.KEPT
    with reading(engine) as connection:
        assert connection.execute(select(publication)).all() == [(number, LATER)]


def test_a_letter_is_looked_at_once(engine: Engine) -> None:
    send(engine, link("https://revue.example/a"))

    assert publish_sent(engine, now=LATER) == 0
    (late,) = put(engine, "https://revue.example/a")
    assert publish_sent(engine, now=LATER) == 0
    assert card(engine, late).state is State.NEW


def test_a_campaign_that_has_not_started_publishes_nothing(engine: Engine) -> None:
    (ref,) = put(engine, "https://revue.example/a")
    number = open_letter(engine, link("https://revue.example/a"))
    add_people(engine, 1)

    assert publish_sent(engine, now=LATER) == 0
    start_campaign(engine, number, now=START, size=10)
    assert publish_sent(engine, now=LATER) == 1
    assert card(engine, ref).state is State.PUBLISHED


def test_a_rehearsal_publishes_nothing(engine: Engine) -> None:
    (ref,) = put(engine, "https://revue.example/a")
    number = open_letter(engine, link("https://revue.example/a"), provider="outbox")
    add_people(engine, 1)
    start_campaign(engine, number, now=START, size=10)

    assert publish_sent(engine, now=LATER) == 0
    assert card(engine, ref).state is State.NEW


def test_every_variant_counts_and_the_plain_text_as_well(engine: Engine) -> None:
    refs = put(engine, *(f"https://revue.example/{name}" for name in "abcd"))

    send(
        engine,
        link("https://revue.example/a"),
        link("https://revue.example/b"),
        text="Un texte (https://revue.example/c).\n[1] https://revue.example/d\n",
    )

    assert publish_sent(engine, now=LATER) == 4
    assert {one.state for one in find_cards(engine, refs)} == {State.PUBLISHED}


def test_what_was_discarded_is_published_when_the_letter_has_it_all_the_same(
    engine: Engine,
) -> None:
    (ref,) = put(engine, "https://revue.example/a")
    discard(engine, [ref], by="Marc", now=NOW)
    send(engine, link("https://revue.example/a"))

    assert publish_sent(engine, now=LATER) == 1
    assert card(engine, ref).state is State.PUBLISHED


def test_what_is_published_stays_with_the_letter_that_was_first(engine: Engine) -> None:
    (ref,) = put(engine, "https://revue.example/a")
    send(engine, link("https://revue.example/a"))
    publish_sent(engine, now=LATER)
    before = card(engine, ref)
    number = open_campaign(
        engine,
        replace(
            a_frozen(slug="2026-12-04-suite"),
            editions={0: replace(a_frozen().editions[0], html=link("https://revue.example/a"))},
        ),
        segment="all",
        provider="scripted",
        now=START,
        by="test",
    ).campaign.id
    start_campaign(engine, number, now=START, size=10)

    assert publish_sent(engine, now=LATER + timedelta(days=7)) == 0
    assert card(engine, ref) == before


def test_two_who_publish_at_once_do_it_once(engine: Engine) -> None:
    urls = [f"https://revue.example/{number}" for number in range(40)]
    refs = put(engine, *urls)
    shuffled = urls.copy()
    Random(4).shuffle(shuffled)
    send(engine, "".join(map(link, shuffled)))
    barrier = threading.Barrier(2)
    counts: list[int] = []

    def run() -> None:
        barrier.wait(10)
        counts.append(publish_sent(engine, now=LATER))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(counts) == [0, 40]
    assert [len(history(engine, ref)) for ref in refs] == [1] * 40
