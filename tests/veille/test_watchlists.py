"""watchlists.opml as people really have it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.errors import MistakesError
from pipeline.veille.links import web_url
from pipeline.veille.plain import tidy
from pipeline.veille.watchlists import (
    MAX_BYTES,
    Feed,
    Watchlist,
    feed_key,
    read_watchlists,
    write_watchlists,
)
from tests.veille.builders import opml, watchlist

REPO = Path(__file__).resolve().parents[2]


def test_the_repos_own_watchlists_read() -> None:
    lists = read_watchlists((REPO / "watchlists.opml").read_bytes(), path="watchlists.opml")

    assert [one.title for one in lists][:2] == [
        "Numérique et société",
        "Bibliothèques et tiers-lieux",
    ]
    feeds = [feed for one in lists for feed in one.feeds]
    assert len(feeds) == 8
    assert {feed.folders for feed in feeds} == {(), ("En anglais",)}
    assert all(".example/" in feed.url and feed.site for feed in feeds)


def test_a_top_level_outline_is_a_watchlist_and_nested_ones_are_folders() -> None:
    text = opml(
        '<outline text="Presse"><outline text="A" xmlUrl="https://a.example/f" htmlUrl="https://a.example/"/>'
        '<outline title="Locale" text="x"><outline text="Nord">'
        '<outline title="B" XMLURL="https://b.example/f"/></outline></outline></outline>'
    )

    assert read_watchlists(text, path="w") == [
        Watchlist(
            title="Presse",
            feeds=(
                Feed(title="A", url="https://a.example/f", site="https://a.example/"),
                Feed(title="B", url="https://b.example/f", folders=("Locale", "Nord")),
            ),
        )
    ]


def test_feeds_outside_of_any_outline_form_a_watchlist() -> None:
    loose = b'<opml><head><title>Mes flux</title></head><body><outline xmlUrl="http://a.example/"/></body></opml>'

    assert read_watchlists(loose, path="w") == [
        Watchlist(
            title="Mes flux", feeds=(Feed(title="http://a.example/", url="http://a.example/"),)
        )
    ]


def test_raw_ampersands_and_names_of_html_are_mended() -> None:
    text = opml(
        '<outline text="L"><outline text="&eacute; &amp;amp; R&D &truc;" xmlUrl="https://a.example/?a=1&b=2"/></outline>'
    )

    feed = read_watchlists(text, path="w")[0].feeds[0]

    assert feed.url == "https://a.example/?a=1&b=2"
    assert feed.title == "é & R&D &truc;"


def test_a_feed_scheme_is_read_as_what_it_means() -> None:
    lists = read_watchlists(
        opml(watchlist("L", "feed://a.example/f", "feed:https://b.example/f")), path="w"
    )

    assert [feed.url for feed in lists[0].feeds] == ["http://a.example/f", "https://b.example/f"]


def test_utf_16_is_read() -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><opml><body><outline text="é"/></body></opml>'

    assert read_watchlists(text.encode("utf-16"), path="w") == [Watchlist(title="é")]


def test_every_address_at_fault_is_named_with_its_line() -> None:
    text = (
        b'<opml><body>\n<outline text="L">\n<outline text="a" xmlUrl="javascript:x"/>\n'
        b'<outline text="b" xmlUrl="https://b.example/"/>\n<outline xmlUrl="/relatif"/>\n'
        b"</outline></body></opml>"
    )

    with pytest.raises(MistakesError) as caught:
        read_watchlists(text, path="watchlists.opml")

    assert [one.where() for one in caught.value.mistakes] == [
        "watchlists.opml:3:1",
        "watchlists.opml:5:1",
    ]
    assert "https://" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"<html><body/></html>", b"<opml/>", b"<rss/>", b"\x00\xff\xfe", b"\xff\xfe"],
)
def test_what_is_no_opml_is_refused_with_an_example(text: bytes) -> None:
    with pytest.raises(MistakesError, match=r"w:1:1: this is no OPML.*<outline>"):
        read_watchlists(text, path="w")


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(MistakesError, match="more than 5 MB"):
        read_watchlists(b" " * (MAX_BYTES + 1), path="w")


def test_no_entity_grows_and_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    text = (
        f'<!DOCTYPE opml [<!ENTITY a "{"x" * 1000}"><!ENTITY f SYSTEM "{secret.as_uri()}">]>'
        '<opml><body><outline text="&f;&a;&a;"/></body></opml>'
    )

    assert read_watchlists(text.encode(), path="w") == [Watchlist(title="&f;&a;&a;")]


def test_settings_are_read_and_handed_down_to_the_feeds_within() -> None:
    text = opml(
        '<outline text="L" interval="2h" rules="a  b" whitelist="TRUE">'
        '<outline text="F" maxBytes="2000000"><outline xmlUrl="https://a.example/"/></outline>'
        '<outline xmlUrl="https://b.example/" interval="45" rules="" whitelist="false"/>'
        '<outline xmlUrl="https://c.example/" interval="1d" rules="c"/></outline>'
    )

    found = [
        (one.interval, one.max_bytes, one.rules, one.is_whitelisted)
        for one in read_watchlists(text, path="w")[0].feeds
    ]

    assert found == [
        (120, 2_000_000, ("a", "b"), True),
        (45, 0, (), False),
        (1440, 0, ("c",), True),
    ]


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ('interval="bald"', "from 5 minutes to 30 days"),
        ('interval="4"', "from 5 minutes to 30 days"),
        ('interval="31d"', "from 5 minutes to 30 days"),
        ('interval="-5"', "from 5 minutes to 30 days"),
        ('maxBytes="10 MB"', "from 10000 to 50000000"),
        ('maxBytes="99999999"', "from 10000 to 50000000"),
        ('whitelist="yes"', "neither “true” nor “false”"),
    ],
)
def test_a_setting_at_fault_is_a_mistake_with_its_line_and_what_is_allowed(
    setting: str, allowed: str
) -> None:
    with pytest.raises(MistakesError) as caught:
        read_watchlists(opml(f'\n<outline {setting} text="L"></outline>'), path="w.opml")

    assert [one.where() for one in caught.value.mistakes] == ["w.opml:2:1"]
    assert allowed in str(caught.value)


def test_feeds_within_a_feed_are_read_beside_it() -> None:
    text = opml(
        '<outline text="L"><outline xmlUrl="https://a.example/">'
        '<outline xmlUrl="https://b.example/"/></outline></outline>'
    )

    assert [feed.url for feed in read_watchlists(text, path="w")[0].feeds] == [
        "https://a.example/",
        "https://b.example/",
    ]


titles = (
    st.text(max_size=250)
    .map(lambda text: tidy(text, limit=200))
    .filter(lambda text: tidy(text, limit=200) == text)
)
addresses = (
    st.text("abc/?&=%;é'<\"", max_size=20)
    .map(lambda rest: web_url(f"https://a.example/{rest}"))
    .filter(lambda url: url is not None and web_url(url) == url)
)
a_feed = st.builds(
    Feed,
    title=titles.filter(bool),
    url=addresses,
    site=st.one_of(st.just(""), addresses),
    folders=st.lists(titles, max_size=3).map(tuple),
    interval=st.sampled_from([0, 5, 90, 43_200]),
    max_bytes=st.sampled_from([0, 10_000, 50_000_000]),
    rules=st.lists(st.from_regex(r"[\w-]{1,9}", fullmatch=True), max_size=2, unique=True).map(
        tuple
    ),
    is_whitelisted=st.booleans(),
)
some_lists = st.lists(
    st.builds(Watchlist, title=titles.filter(bool), feeds=st.lists(a_feed, max_size=5).map(tuple)),
    max_size=4,
)


@given(some_lists, st.text())
def test_what_is_written_reads_as_it_was(lists: list[Watchlist], title: str) -> None:
    written = write_watchlists(lists, title=title)

    assert read_watchlists(written, path="w") == lists
    assert etree.fromstring(written).get("version") == "2.0"  # strictly: it is well-formed


def test_what_is_written_suits_other_readers() -> None:
    feed = Feed(
        title="Été & Cie",
        url="https://a.example/f?a=1&b=2",
        site="https://a.example/",
        folders=("Nord",),
        interval=90,
        rules=("x", "y"),
        is_whitelisted=True,
    )

    root = etree.fromstring(write_watchlists([Watchlist(title="L", feeds=(feed,))], title="Tout"))

    assert root.findtext("head/title") == "Tout"
    assert [dict(one.attrib) for one in root.iter("outline")] == [
        {"text": "L", "title": "L"},
        {"text": "Nord", "title": "Nord"},
        {
            "type": "rss",
            "text": "Été & Cie",
            "title": "Été & Cie",
            "xmlUrl": "https://a.example/f?a=1&b=2",
            "htmlUrl": "https://a.example/",
            "interval": "90",
            "rules": "x y",
            "whitelist": "true",
        },
    ]


def test_two_spellings_of_an_address_are_one_feed() -> None:
    assert feed_key("http://www.A.example:80/f/") == feed_key("https://a.example/f")
    assert feed_key("https://a.example/f?x=1") != feed_key("https://a.example/f?x=2")
