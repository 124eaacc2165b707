"""Feeds of every make to entries."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError
from pipeline.veille.feeds import MAX_ENTRIES, ParsedFeed, parse_feed
from pipeline.veille.item import Entry
from tests.veille.builders import NOW, rss, rss_item

URL = "https://flux.example/rss"


def parse(body: bytes, content_type: str = "application/xml", **more: Any) -> ParsedFeed:
    return parse_feed(body, url=URL, content_type=content_type, now=NOW, **more)


def only(body: bytes, **more: Any) -> Entry:
    (entry,) = parse(body, **more).entries
    return entry


ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-GB">
  <title type="html">The &lt;i&gt;Review&lt;/i&gt;</title>
  <link rel="self" href="https://flux.example/rss"/><link href="https://review.example/"/>
  <entry xml:lang="fr"><title type="text">Un &lt;b&gt; littéral</title>
    <link rel="enclosure" href="https://review.example/a.mp3"/>
    <link rel="alternate" href="/a"/><id>tag:review.example,2026:1</id>
    <author><name>Ada Martin</name></author><author><name>Bo</name></author>
    <published>2026-11-20T09:00:00+01:00</published><updated>2026-11-21T00:00:00Z</updated>
    <content type="html">&lt;p&gt;Du &lt;em&gt;texte&lt;/em&gt;.&lt;/p&gt;
      &lt;script&gt;x&lt;/script&gt;</content>
  </entry>
</feed>"""


def test_rss_gives_entries() -> None:
    feed = parse(rss(rss_item(description="<p>Un <b>mot</b></p>")), watchlist="Presse")

    assert (feed.title, feed.site, feed.language, feed.dropped) == (
        "La Revue",
        "https://revue.example/",
        "fr",
        0,
    )
    (entry,) = feed.entries
    assert entry.title == "Des communs"
    assert entry.url == "https://revue.example/a"
    assert entry.excerpt == "Un mot"
    assert entry.published_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert (entry.source, entry.watchlist, entry.language) == ("La Revue", "Presse", "fr")
    assert (entry.feed_url, entry.site, entry.seen_at) == (URL, "https://revue.example/", NOW)


def test_atom_gives_entries() -> None:
    feed = parse(ATOM.encode())
    (entry,) = feed.entries

    assert feed.title == "The Review"
    assert entry.title == "Un <b> littéral"
    assert entry.url == "https://flux.example/a"
    assert entry.authors == ("Ada Martin", "Bo")
    assert entry.published_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert entry.language == "fr"
    assert entry.excerpt == "Du texte."


def test_json_feed_gives_entries() -> None:
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Data &amp; Commons",
        "home_page_url": "https://data.example/",
        "language": "en",
        "authors": [{"name": "The desk"}],
        "items": [
            {
                "id": "1",
                "url": "/a",
                "title": "One",
                "content_html": "<p>Text</p>",
                "date_published": "2026-11-20T09:00:00+01:00",
            },
            {
                "id": "https://data.example/b",
                "title": "Two",
                "authors": [{"name": "Bo"}],
                "summary": "S",
            },
            {"id": "3", "url": "javascript:x", "title": 4},
            "not an item",
        ],
    }

    feed = parse(b"\xef\xbb\xbf\n" + json.dumps(body).encode(), content_type="text/html")

    assert feed.title == "Data & Commons"
    assert [entry.url for entry in feed.entries] == [
        "https://flux.example/a",
        "https://data.example/b",
    ]
    assert feed.entries[0].authors == ("The desk",)
    assert feed.entries[0].published_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert (feed.entries[1].authors, feed.entries[1].excerpt) == (("Bo",), "S")
    assert feed.dropped == 1


def test_the_teams_name_of_a_feed_wins() -> None:
    assert only(rss(rss_item()), source="Notre revue").source == "Notre revue"


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", ""]
)
def test_an_entry_that_leads_nowhere_is_dropped_and_counted(link: str) -> None:
    feed = parse(rss(rss_item(link=link), rss_item()))

    assert [entry.url for entry in feed.entries] == ["https://revue.example/a"]
    assert feed.dropped == 1


def test_a_guid_that_is_no_address_is_no_link() -> None:
    assert parse(rss("<item><title>x</title><guid>b67e7afb</guid></item>")).dropped == 1
    assert (
        only(rss("<item><title>x</title><guid>https://a.example/1</guid></item>")).url
        == "https://a.example/1"
    )


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Un &lt;b&gt;gras&lt;/b&gt; &amp;amp; un <i>maigre</i>", "Un gras & un maigre"),
        ("<![CDATA[<script>x</script>L&rsquo;été]]>", "L’été"),
        ("  Sur\n  deux lignes ", "Sur deux lignes"),
        ("Prix &lt; 3 €", "Prix < 3 €"),
        ("x&#x202E;y&#x200B;", "xy"),
    ],
)
def test_titles_are_plain_text(title: str, shown: str) -> None:
    assert only(rss(rss_item(title=title))).title == shown


def test_an_entry_without_a_title_is_named_by_its_text_or_its_address() -> None:
    assert only(rss(rss_item(title="", description="Une phrase."))).title == "Une phrase."
    assert only(rss(rss_item(title="", description=""))).title == "https://revue.example/a"


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        ("Mon, 01 Jan 1900 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Thu, 31 Dec 2099 00:00:00 GMT", None),
        ("demain", None),
        ("Tue, 24 Nov 2026 15:30:00 GMT", NOW),  # six hours ahead: a wrong time zone
        ("Tue, 24 Nov 2026 09:00:00 GMT", NOW - timedelta(minutes=30)),
    ],
)
def test_a_nonsense_date_is_none_and_one_just_ahead_is_now(
    date: str, kept: datetime | None
) -> None:
    assert only(rss(rss_item(more=f"<pubDate>{date}</pubDate>"))).published_at == kept


def test_a_bare_mail_address_is_no_author_and_a_name_beside_one_is() -> None:
    assert only(rss(rss_item(more="<author>ada@revue.example</author>"))).authors == ()
    named = rss_item(more="<author>ada@revue.example (Ada Martin)</author>")
    assert only(rss(named)).authors == ("Ada Martin",)


def test_at_most_five_hundred_entries_are_taken() -> None:
    items = (rss_item(link=f"https://revue.example/{i}") for i in range(MAX_ENTRIES + 9))

    feed = parse(rss(*items))

    assert len(feed.entries) == MAX_ENTRIES
    assert feed.entries[0].url == "https://revue.example/0"


def test_an_excerpt_has_at_most_four_hundred_characters() -> None:
    assert len(only(rss(rss_item(description="mot " * 1000))).excerpt) <= 400


@pytest.mark.parametrize("body", [b"", b" \n", b"\x00\x00"])
def test_nothing_at_all_is_said_to_be_nothing(body: bytes) -> None:
    with pytest.raises(FetchError, match="answers with nothing"):
        parse(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"Bonjour", "no feed"),
        (b"<truc/>", "no feed"),
        (b'{"a": 1}', "no JSON Feed"),
        (b"{" * 100_000, "no JSON Feed"),
        (b"<!doctype html><title>x</title>", "a web page, not a feed: look"),
        (
            b'<html><head><link rel="alternate" type="application/rss+xml" href="/f.xml">',
            r"names its feed: https://flux\.example/f\.xml",
        ),
    ],
)
def test_what_is_no_feed_is_said_to_be_what_it_is(body: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said):
        parse(body, content_type="text/html")


def test_a_feed_never_opens_a_file(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss(rss_item()))

    for body in (str(file).encode(), file.as_uri().encode()):
        with pytest.raises(FetchError, match="no feed"):
            parse(body)


def test_entities_neither_grow_nor_read_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    uri = (tmp_path / "secret").as_uri()
    grow = "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    doctype = f'<!DOCTYPE rss [<!ENTITY a "xxxxxxxxxx">{grow}<!ENTITY f SYSTEM "{uri}">]>'
    body = rss(rss_item(title="t &i; &f;")).replace(b"<rss", doctype.encode() + b"<rss", 1)

    entry = only(body)

    assert "SECRET" not in entry.title
    assert len(entry.title) <= 300


@pytest.mark.parametrize(
    "body",
    [
        b"<rss>" + b"<a>" * 300_000,
        b"<rss><a " + b" ".join(b'a%d="1"' % i for i in range(20_000)) + b">",
        b"<!---->" * 300_000,
        b"<html>" + b"<div>" * 300_000,
    ],
    ids=["tags", "attributes", "comments", "page"],
)
def test_a_body_of_a_shape_that_no_feed_has_takes_no_time(body: bytes) -> None:
    begun = time.perf_counter()

    with pytest.raises(FetchError):
        parse(body)
    assert time.perf_counter() - begun < 3


def test_a_body_full_of_markup_in_its_texts_is_no_bad_shape() -> None:
    text = "<![CDATA[" + "<b>x</b>" * 150_000 + "]]>"

    assert only(rss(rss_item(title=text))).title.startswith("xxx")


@given(st.data())
def test_whatever_the_bytes_the_only_error_is_that_of_the_feed(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([rss(rss_item()), ATOM.encode()]))
    start = data.draw(st.integers(0, len(base)))
    end = data.draw(st.integers(start, min(len(base), start + 30)))
    junk = data.draw(
        st.binary(max_size=8)
        | st.sampled_from([b"<![CDATA[", b"&#0;", b"\xc3", b"http://[", b"]]>"])
    )
    try:
        feed = parse(base[:start] + junk + base[end:])
    except FetchError:
        return
    assert all(entry.url.startswith("http") for entry in feed.entries)


MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f'<media:thumbnail {MEDIA} url="/t.jpg"/>', "https://revue.example/t.jpg"),
        (
            f'<media:group {MEDIA}><media:content url="/s.jpg" medium="image" width="90"/>'
            '<media:content url="/l.jpg" medium="image" width="900"/></media:group>',
            "https://revue.example/l.jpg",
        ),
        (f'<media:content {MEDIA} url="/film.mp4" type="video/mp4"/>', ""),
        (f'<media:content {MEDIA} url="/p.webp?x=1"/>', "https://revue.example/p.webp?x=1"),
        (
            '<enclosure url="https://img.example/e.png" type="image/png" length="1"/>',
            "https://img.example/e.png",
        ),
        ('<enclosure url="https://img.example/e.mp3" type="audio/mpeg" length="1"/>', ""),
        (
            '<content:encoded xmlns:content="http://purl.org/rss/1.0/modules/content/">'
            "&lt;p&gt;&lt;img src='b.jpg'&gt;&lt;/p&gt;</content:encoded>",
            "https://revue.example/b.jpg",
        ),
        (f'<media:thumbnail {MEDIA} url="javascript:alert(1)"/>', ""),
    ],
)
def test_an_entry_has_the_picture_that_its_feed_names(more: str, expected: str) -> None:
    assert only(rss(rss_item(more=more))).image == expected


def test_the_time_to_read_is_that_of_the_whole_text_and_unknown_without_one() -> None:
    words = "mot " * 500
    content = (
        '<content:encoded xmlns:content="http://purl.org/rss/1.0/modules/content/">'
        f"&lt;p&gt;{words}&lt;/p&gt;</content:encoded>"
    )

    assert only(rss(rss_item(more=content))).minutes == 3
    assert only(rss(rss_item())).minutes == 0


def test_a_json_feed_has_pictures_and_a_time_to_read() -> None:
    item = {"url": "https://a.example/", "content_html": "<img src='/x.jpg'>" + "mot " * 300}
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [item, item | {"image": "y.png"}],
    }

    first, second = parse(json.dumps(body).encode()).entries

    assert (first.image, first.minutes) == ("https://flux.example/x.jpg", 2)
    assert second.image == "https://flux.example/y.png"


def test_feedparser_gets_a_text_in_one_piece_and_corrects_windows_characters() -> None:
    entry = only(rss(rss_item(title="Un\x85 l\x92&#232;re &amp; été\nœuvre")))

    assert entry.title == "Un… l’ère & été œuvre"
