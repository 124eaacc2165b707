"""The Atom feed: what RFC 4287 requires, and what a feed reader makes of it."""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import feedparser
import pytest
from lxml import etree

from pipeline.archive.feed import MAX_ENTRIES, feed_xml, letter_body
from pipeline.archive.past import PastLetter
from pipeline.settings import Settings
from tests.archive.letters import NO_SITE, SETTINGS, TODAY, a_past_letter

ATOM = "{http://www.w3.org/2005/Atom}"
PARIS = ZoneInfo("Europe/Paris")


def a_feed(
    *letters: PastLetter, settings: Settings = SETTINGS, bodies: dict[str, str] | None = None
) -> bytes:
    return feed_xml(letters, bodies or {}, settings=settings, zone=PARIS, today=TODAY)


def weekly(count: int) -> list[PastLetter]:
    return [a_past_letter(f"{2026 - n}-11-20-des-cafes", number=99 - n) for n in range(count)]


@pytest.mark.parametrize("settings", [SETTINGS, NO_SITE], ids=["site", "no site"])
def test_feed_and_entries_have_what_the_rfc_requires(settings: Settings) -> None:
    root = etree.fromstring(a_feed(*weekly(3), settings=settings))
    assert root.tag == f"{ATOM}feed"
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "Le Cercle"
    for node in (root, *root.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(node.findall(f"{ATOM}{name}")) == 1
            assert node.findtext(f"{ATOM}{name}")
        assert node.find(f"{ATOM}link[@rel='alternate']") is not None


def test_a_reader_finds_no_fault_in_it() -> None:
    read = feedparser.parse(a_feed(*weekly(2)))
    assert not read.bozo
    assert read.version == "atom10"
    assert [one.title for one in read.entries] == ["Des cafés partout\u202f!"] * 2
    assert read.feed.links[0].href == "https://lettres.example/cercle/feed.xml"
    assert read.entries[0].link == "https://lettres.example/cercle/2026-11-20-des-cafes/"


def test_ids_are_unique_and_survive_a_move_of_the_site() -> None:
    moved = replace(SETTINGS, site=replace(SETTINGS.site, url="https://ailleurs.example"))
    before = etree.fromstring(a_feed(*weekly(5))).findall(f".//{ATOM}id")
    after = etree.fromstring(a_feed(*weekly(5), settings=moved)).findall(f".//{ATOM}id")
    assert len({one.text for one in before}) == 6
    assert [one.text for one in before] == [one.text for one in after]


def test_dates_carry_the_offset_of_their_own_season() -> None:
    feed = a_feed(a_past_letter("2026-11-20-hiver"), a_past_letter("2026-07-03-ete"))
    found = [one.text for one in etree.fromstring(feed).findall(f".//{ATOM}updated")]
    assert found == [
        "2026-11-20T00:00:00+01:00",
        "2026-11-20T00:00:00+01:00",
        "2026-07-03T00:00:00+02:00",
    ]


def test_the_feed_stops_at_twenty_letters() -> None:
    root = etree.fromstring(a_feed(*weekly(25)))
    assert len(root.findall(f"{ATOM}entry")) == MAX_ENTRIES == 20


def test_without_a_site_links_are_relative_to_the_feed() -> None:
    root = etree.fromstring(a_feed(a_past_letter(), settings=NO_SITE))
    assert [one.get("href") for one in root.iter(f"{ATOM}link")] == [
        "index.html",
        "2026-11-20-des-cafes/index.html",
    ]


def test_an_archive_without_letters_still_has_a_feed() -> None:
    read = feedparser.parse(a_feed())
    assert not read.bozo
    assert read.feed.updated == "2026-11-24T00:00:00+01:00"


def test_a_control_character_in_a_title_does_not_spoil_the_feed() -> None:
    read = feedparser.parse(a_feed(a_past_letter(title="Des\x07 ca\x00fés\ufffe <b>&amp;")))
    assert not read.bozo
    assert read.entries[0].title == "Des cafés <b>&amp;"


def test_each_entry_says_its_language() -> None:
    root = etree.fromstring(a_feed(a_past_letter(language="en")))
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    entry = root.find(f"{ATOM}entry")
    assert root.get(lang) == "fr"
    assert entry is not None
    assert entry.get(lang) == "en"


def test_the_body_is_the_letter_without_its_title_and_its_links_lead_to_the_site() -> None:
    page = (
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body><p>x</p>'
        '<article class="letter"><header><h1>Titre</h1></header>\n<p>Été <a href="#b">b</a>'
        '<img src="images/a.png"><a href="mailto:a@b.example">m</a></p></article></body></html>'
    )
    assert letter_body(page, "https://l.example/46/") == (
        '<p>Été <a href="https://l.example/46/#b">b</a>'
        '<img src="https://l.example/46/images/a.png"><a href="mailto:a@b.example">m</a></p>'
    )
    assert 'src="46/images/a.png"' in letter_body(page, "46/index.html")
    assert 'href="46/index.html#b"' in letter_body(page, "46/index.html")


def test_a_frame_of_ones_own_may_have_no_letter_to_quote() -> None:
    assert letter_body("<html><body><main>Rien</main></body></html>", "46/") == ""


def test_the_body_goes_in_as_html() -> None:
    letter = a_past_letter()
    body = "<p>Été &amp; <em>thé</em></p>"
    read = feedparser.parse(a_feed(letter, bodies={letter.slug: body}))
    assert read.entries[0].content[0].type == "text/html"
    assert read.entries[0].content[0].value == body
    assert date(2026, 11, 20).isoformat() in read.entries[0].published
