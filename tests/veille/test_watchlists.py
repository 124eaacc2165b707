"""watchlists.opml as people really have it."""

from pathlib import Path

import pytest

from pipeline.errors import MistakesError
from pipeline.veille.watchlists import MAX_BYTES, Feed, Watchlist, read_watchlists
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
