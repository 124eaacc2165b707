"""Feeds that nobody on the project wrote: what feedparser was measured to find is found.

The corpus lies beside the repo and is never part of it (its texts belong to their publishers).
"""

import html
import json
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pipeline.errors import FetchError
from pipeline.veille.discovery import find_feeds
from pipeline.veille.feeds import parse_feed
from pipeline.veille.links import clean_url
from pipeline.veille.watchlists import read_watchlists
from tests.veille.builders import NOW
from tests.veille.pulling import entries, feeds, pull
from tests.veille.server import Site

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
EXPECTED = CORPUS / "expected.json"

# Where this room means to differ from feedparser, and why.
NO_LINK = "an entry without any address cannot be an item: it is counted as dropped"
DIFFERENT = {
    "picoFeed__rss_20_fallback_on_invalid_item_values.xml": "a bare guid is no link",
    "feedparser__illformed_rss_incomplete_cdata.xml": NO_LINK,
    "v2__encoding_testdata_utf8-incorrect-prolog.xml": NO_LINK,
    "feedjira__json_feed.json": "JSON Feed, which feedparser cannot read",
    "simplepie__feed-utf16be.xml": "UTF-16 without a mark, of which feedparser reads nothing",
}
NO_FEED = {
    "feedparser__illformed_rss_empty_document.xml": "no feed",
    "feedvalidator__feedfinder-tests_html4-030.html": "names its feed: .*html4-030.xml",
}

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason="no corpus beside the repo")


@lru_cache
def expected() -> dict[str, dict[str, Any]]:
    found = json.loads(EXPECTED.read_bytes())["files"] if EXPECTED.exists() else {}
    return dict(found)


def of_kind(*kinds: str) -> list[str]:
    return [name for name, facts in expected().items() if facts["kind"] in kinds]


def shown(text: str | None) -> str:
    """Return a title as a person reads it."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"</?b>", "", text or ""))).strip()


def parse(name: str) -> Any:
    body = (CORPUS / name).read_bytes()
    return parse_feed(body, url="https://flux.example/", content_type="application/xml", now=NOW)


@pytest.mark.parametrize("name", [name for name in of_kind("feed", "json") if name not in NO_FEED])
def test_a_feed_loads_with_what_it_is_known_to_hold(name: str) -> None:
    facts, feed = expected()[name], parse(name)
    if name not in ("feedjira__json_feed.json", "simplepie__feed-utf16be.xml"):
        assert len(feed.entries) + feed.dropped == facts["entries"]
        assert shown(feed.title) == shown(facts["feed_title"])
    if name in DIFFERENT or not feed.entries:
        return
    first = feed.entries[0]
    assert first.url == facts["first_link"]
    if facts["first_title"]:
        assert shown(first.title) == shown(facts["first_title"])
    if facts["first_date"]:
        assert first.published_at == datetime.fromisoformat(facts["first_date"])
    if facts["first_author"]:
        assert shown(first.authors[0]) in shown(facts["first_author"])


@pytest.mark.parametrize("name", [name for name in of_kind("feed", "json") if name not in NO_FEED])
def test_no_markup_no_mojibake_and_no_control_character_is_left(name: str) -> None:
    for entry in parse(name).entries:
        text = " ".join((entry.title, entry.excerpt, entry.source, *entry.authors))
        assert not re.search(r"</?(?:p|a|b|i|br|div|img|span|script)\b[^>]*>", text)
        assert not re.search(r"Ã©|â€™|\ufffd|[\x00-\x1f\x7f-\x9f]", text)
        assert len(entry.excerpt) <= 400


@pytest.mark.parametrize(("name", "said"), NO_FEED.items())
def test_what_is_no_feed_is_told(name: str, said: str) -> None:
    with pytest.raises(FetchError, match=said):
        parse(name)


def test_a_json_feed_gives_its_entries() -> None:
    feed = parse("feedjira__json_feed.json")

    assert (feed.title, len(feed.entries), feed.dropped) == ("inessential.com", 20, 0)
    assert feed.entries[0].authors == ("Brent Simmons",)


def test_utf_16_without_a_mark_gives_its_entries() -> None:
    assert [entry.title for entry in parse("simplepie__feed-utf16be.xml").entries] == [
        "Test feed title 1"
    ]


def test_the_bbcs_links_lose_their_tracking_and_nothing_else() -> None:
    for entry in parse("fastfeedparser__1796df62c4a287cc.xml").entries:
        assert "at_campaign" in entry.url
        assert clean_url(entry.url, entry.site) == entry.url.partition("?")[0]


def test_a_planet_with_the_same_page_twice_is_known_to_hold_it() -> None:
    entries = parse("feedjira__DuplicateContentAtomFeed.xml").entries

    assert len({entry.id for entry in entries}) == len(entries) == 10


@pytest.mark.parametrize("name", of_kind("opml"))
def test_an_opml_file_loads_with_what_it_is_known_to_hold(name: str) -> None:
    facts = expected()[name]
    lists = read_watchlists((CORPUS / name).read_bytes(), path=name)

    feeds = [feed for one in lists for feed in one.feeds]
    assert [one.title for one in lists] == facts["folders"]
    assert len({feed.url for feed in feeds}) == len(feeds) == facts["feeds"]
    assert (feeds[0].url, feeds[0].title) == (facts["first_url"], facts["first_title"])


def test_an_html_page_names_its_feed() -> None:
    page = (CORPUS / "feedvalidator__feedfinder-tests_html4-030.html").read_bytes()

    assert [url.rpartition("/")[2] for url in find_feeds(page, url="https://x.example/")] == [
        "html4-030.xml"
    ]


#: Where a pull stores another number of entries than there are ids, and why.
STORED = {
    "feedjira__json_feed.json": 20,  # feedparser reads none
    "simplepie__feed-utf16be.xml": 1,  # feedparser reads none
    "fastfeedparser__87232eca4263cf8c.xml": 8,  # two entries lead to parts of one page
    # entries without any address
    "picoFeed__atom_no_default_namespace.xml": 2,
    "picoFeed__rss_20_fallback_on_invalid_item_values.xml": 1,
    "feedparser__illformed_rss_incomplete_cdata.xml": 0,
    "v2__parser_testdata_no_encoding_ISO-8859-1.xml": 9,
    "v2__encoding_testdata_utf8-incorrect-prolog.xml": 0,
}


def test_the_whole_corpus_goes_through_one_pull_into_the_database(
    engine: Engine, site: Site
) -> None:
    names = [name for name in expected() if expected()[name]["kind"] != "opml"]
    urls = [site.put(f"/{name}", (CORPUS / name).read_bytes()) for name in names]

    report = pull(engine, feeds(*urls))

    outcomes = dict(zip(names, report.outcomes, strict=True))
    assert {name for name, outcome in outcomes.items() if outcome.error} == set(NO_FEED)
    assert {name: outcome.new for name, outcome in outcomes.items()} == {
        name: STORED.get(name, expected()[name]["distinct_guid_or_link"]) for name in names
    }
    assert report.new == len(entries(engine)) == 484
    assert all(
        outcome.is_unchanged or outcome.error for outcome in pull(engine, feeds(*urls)).outcomes
    )
