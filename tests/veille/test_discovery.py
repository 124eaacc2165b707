"""Which feeds a page names, and which of them comes first."""

import pytest

from pipeline.veille.discovery import find_feeds, looks_like_feed, looks_like_html, usual_addresses

PAGE = "https://revue.example/blog/"


def page(*links: str, base: str = "") -> bytes:
    return f"<!doctype html><html><head>{base}{''.join(links)}</head><body>…</body></html>".encode()


def link(
    href: str, kind: str = "application/rss+xml", title: str = "", rel: str = "alternate"
) -> str:
    return f'<link rel="{rel}" type="{kind}" title="{title}" href="{href}">'


@pytest.mark.parametrize(
    "kind",
    [
        "application/rss+xml",
        "application/atom+xml",
        "application/feed+json",
        "Application/Atom+XML; charset=utf-8",
    ],
)
def test_a_page_names_its_feed_by_type(kind: str) -> None:
    assert find_feeds(page(link("flux", kind)), url=PAGE) == ["https://revue.example/blog/flux"]


@pytest.mark.parametrize(
    "other",
    [
        link("/wp-json/wp/v2/pages/2", "application/json"),
        link("/en/", "text/html"),
        link("/oembed", "application/json+oembed"),
        link("/style", "application/rss+xml", rel="stylesheet"),
        link("javascript:alert(1)"),
        link(""),
    ],
)
def test_what_is_no_feed_is_not_named(other: str) -> None:
    assert find_feeds(page(other), url=PAGE) in ([], [PAGE])
    assert find_feeds(page(other, link("/f")), url=PAGE)[-1] == "https://revue.example/f"


def test_the_feed_of_the_site_comes_before_those_of_comments() -> None:
    links = (
        link("/a/comments/feed/", title="Revue"),
        link("/flux-bis", title="Revue » Flux des commentaires"),
        link("/feed/", title="Revue » Flux"),
        link("/communs.atom", "application/atom+xml"),
    )

    assert find_feeds(page(*links), url=PAGE) == [
        "https://revue.example/feed/",
        "https://revue.example/communs.atom",
        "https://revue.example/a/comments/feed/",
        "https://revue.example/flux-bis",
    ]


def test_a_base_is_respected_and_a_feed_is_named_once() -> None:
    found = find_feeds(page(link("f"), link("f"), base='<base href="/la/">'), url=PAGE)

    assert found == ["https://revue.example/la/f"]


def test_no_page_names_more_than_five() -> None:
    found = find_feeds(page(*(link(f"/comments/{n}") for n in range(9)), link("/f")), url=PAGE)

    assert len(found) == 5
    assert found[0] == "https://revue.example/f"


@pytest.mark.parametrize(
    ("url", "links", "feed"),
    [
        (
            "https://www.youtube.com/@chaine",
            '<link rel="canonical" href="https://www.youtube.com/channel/UCx">'
            '<link rel="alternate" media="handheld" href="https://m.youtube.com/@chaine">'
            '<link rel="alternate" type="application/rss+xml" title="RSS"'
            ' href="https://www.youtube.com/feeds/videos.xml?channel_id=UCx">',
            "https://www.youtube.com/feeds/videos.xml?channel_id=UCx",
        ),
        (
            "https://social.example/@ada",
            "<link href='https://social.example/@ada.rss' rel='alternate'"
            " type='application/rss+xml'><link href='https://social.example/users/ada'"
            " rel='alternate' type='application/activity+json'>",
            "https://social.example/@ada.rss",
        ),
        (
            "https://github.com/ada/outil/releases",
            '<link rel="alternate" type="application/atom+xml" title="outil Release Notes"'
            ' href="https://github.com/ada/outil/releases.atom"/>',
            "https://github.com/ada/outil/releases.atom",
        ),
        (
            "https://www.reddit.com/r/communs/",
            '<link rel="alternate" type="application/atom+xml" title="r/communs"'
            ' href="https://www.reddit.com/r/communs/.rss"/>',
            "https://www.reddit.com/r/communs/.rss",
        ),
    ],
)
def test_platforms_name_their_feeds_as_any_page_does(url: str, links: str, feed: str) -> None:
    assert find_feeds(page(links), url=url) == [feed]


def test_the_usual_places_are_those_of_the_site() -> None:
    found = usual_addresses("http://revue.example:8080/a/b?c#d")

    assert found[0] == "http://revue.example:8080/feed"
    assert found[-1] == "http://revue.example:8080/feed.json"
    assert len(found) == 8


def test_a_page_is_told_from_a_feed_by_its_first_element() -> None:
    assert looks_like_html(b"<!-- x --><!DOCTYPE html>\n<HTML>")
    assert not looks_like_html(b"<?xml version='1.0'?><rss/>")
    assert looks_like_feed(b"\xef\xbb\xbf <atom:feed/>")
    assert looks_like_feed(b'{"version": "https://jsonfeed.org/version/1.1"}')
    assert not looks_like_feed(b"<html>")
