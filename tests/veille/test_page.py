"""What a web page says of itself."""

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError
from pipeline.veille.item import Entry
from pipeline.veille.page import read_page
from tests.veille.builders import NOW

URL = "https://www.revue.example/2026/article?utm_source=lettre"


def page(head: str = "", body: str = "", lang: str = ' lang="fr"') -> bytes:
    return f"<!doctype html><html{lang}><head>{head}</head><body>{body}</body></html>".encode()


def read(html: bytes, content_type: str = "text/html", url: str = URL) -> Entry:
    return read_page(html, url=url, now=NOW, content_type=content_type)


def ld(value: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


OPEN_GRAPH = (
    '<title>Titre | La Revue</title><meta property="og:title" content="Titre &amp; og">'
    '<meta property="og:site_name" content="La Revue"><meta name="author" content="Bo Lee">'
    '<meta property="article:published_time" content="2026-11-20T09:00:00+01:00">'
    '<meta property="og:description" content="Un résumé.">'
)


def test_json_ld_is_believed_first() -> None:
    article = {
        "@context": "https://schema.org",
        "@type": ["NewsArticle"],
        "headline": "L&#8217;enqu\u00eate",
        "author": [{"@type": "Person", "name": "Ada Martin"}, "Cy Roy"],
        "datePublished": "2026-11-19T10:00:00Z",
        "description": "Par le menu.",
    }

    entry = read(page(OPEN_GRAPH + ld(article)))

    assert entry.title == "L’enquête"
    assert entry.authors == ("Ada Martin", "Cy Roy")
    assert entry.published_at == datetime(2026, 11, 19, 10, tzinfo=UTC)
    assert entry.excerpt == "Par le menu."
    assert entry.source == "La Revue"
    assert entry.language == "fr"
    assert (entry.feed_url, entry.watchlist, entry.url) == ("", "", URL)


def test_authors_by_reference_in_a_graph_are_found() -> None:
    graph = {
        "@graph": [
            {"@type": "WebPage", "name": "Page"},
            {
                "@type": "Article",
                "headline": "Titre",
                "author": {"@id": "#ada"},
                "publisher": {"@id": "#r"},
            },
            {"@type": "Person", "@id": "#ada", "name": "Ada Martin"},
            {"@type": "Organization", "@id": "#r", "name": "La Revue"},
        ]
    }

    entry = read(page(ld(graph)))

    assert (entry.title, entry.authors, entry.source) == ("Titre", ("Ada Martin",), "La Revue")


@pytest.mark.parametrize(
    "script",
    [
        '<script type="application/ld+json">{"@type": "Article", "headline": }</script>',
        '<script type="application/ld+json">' + "[" * 100_000 + "</script>",
        ld([1, None, {"@type": "Organization", "name": "X"}]),
        ld({"@type": "Article", "headline": 4, "author": 5, "datePublished": ["x"], "@id": []}),
        ld({"@type": "Article", "author": {"@id": "#a"}, "publisher": {"@id": "#a"}, "@id": "#a"}),
    ],
)
def test_json_ld_that_cannot_be_read_is_as_if_it_were_not_there(script: str) -> None:
    entry = read(page(OPEN_GRAPH + script))

    assert entry.title == "Titre & og"
    assert entry.authors == ("Bo Lee",)
    assert entry.published_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert entry.excerpt == "Un résumé."


def test_json_ld_in_comments_and_over_lines_is_read() -> None:
    said = '{"@type": "Article", "headline": "Sur\ndeux lignes"}'
    script = f'<script type="application/ld+json">\n//<![CDATA[\n{said}\n//]]>\n</script>'

    assert read(page(script)).title == "Sur deux lignes"


def test_a_page_without_any_meta_is_read_from_its_html() -> None:
    body = (
        "<h1>Grand titre</h1><article><time datetime='2026-11-18'>mardi</time><p>Par Bo</p>"
        f"<p>{'Un vrai paragraphe. ' * 8}</p></article>"
    )

    entry = read(page("<title>Titre – revue.example</title>", body, lang=""))

    assert entry.title == "Titre – revue.example"
    assert entry.published_at == datetime(2026, 11, 18, 12, tzinfo=UTC)
    assert entry.excerpt.startswith("Un vrai paragraphe.")
    assert entry.source == "revue.example"
    assert (entry.language, entry.authors) == ("", ())


def test_the_sites_name_goes_from_the_end_of_a_title() -> None:
    site = '<meta property="og:site_name" content="La Revue">'
    head = f"<title>Un titre - avec tiret | LA REVUE</title>{site}"

    assert read(page(head)).title == "Un titre - avec tiret"


def test_of_several_times_none_is_taken_for_the_articles() -> None:
    times = "<time datetime='2026-11-18'></time><time datetime='2025-01-01'></time>"

    assert read(page(body=times)).published_at is None


def test_a_profiles_address_is_no_author() -> None:
    assert (
        read(page('<meta property="article:author" content="https://x.example/ada">')).authors == ()
    )


@pytest.mark.parametrize(
    ("canonical", "trusted"),
    [
        ("https://revue.example/2026/article", True),
        ("/2026/article", True),
        ("https://m.revue.example/2026/article", True),
        ("https://ailleurs.example/2026/article", False),
        ("https://revue.example/", False),
        ("https://www.revue.example", False),
        ("javascript:alert(1)", False),
    ],
)
def test_a_canonical_address_is_trusted_on_the_same_site_and_below_its_home(
    canonical: str, trusted: bool
) -> None:
    entry = read(page(f'<link rel="canonical" href="{canonical}">'))

    assert (entry.url != URL) == trusted
    assert entry.url.startswith("https://")


@pytest.mark.parametrize(
    ("html", "content_type"),
    [
        (
            page("<title>L’été</title>"),
            "text/html; charset=iso-8859-1",
        ),  # UTF-8, and a wrong header
        (page("<title>L’été</title>").decode().encode("cp1252"), "text/html; charset=iso-8859-1"),
        (
            page('<meta charset="windows-1252"><title>L’été</title>').decode().encode("cp1252"),
            "text/html",
        ),
        (page("<title>L’été</title>").decode().encode("cp1252"), ""),
        (page("<title>L’été</title>").decode().encode("utf-16"), "text/html"),
        (b"\xef\xbb\xbf" + page("<title>L’été</title>"), "text/html; charset=truc"),
        (b'<?xml version="1.0" encoding="utf-8"?>' + page("<title>L’été</title>"), "text/html"),
    ],
)
def test_pages_are_read_in_their_encoding(html: bytes, content_type: str) -> None:
    assert read(html, content_type).title == "L’été"


@pytest.mark.parametrize(
    ("html", "content_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"", "text/html"),
        (b"\x00", ""),
        (b"\x89PNG", "image/png"),
    ],
)
def test_what_is_no_page_is_told(html: bytes, content_type: str) -> None:
    with pytest.raises(FetchError, match="no web page that can be read"):
        read(html, content_type)


def test_a_hostile_page_is_read_in_no_time_and_as_plain_text() -> None:
    begun = time.perf_counter()

    entry = read(page(f"<title>{'<b>' * 50_000}{{{{email}}}}\x00\u202e</title>", "<div>" * 100_000))

    assert time.perf_counter() - begun < 5
    assert "\u202e" not in entry.title


@given(st.binary(max_size=200), st.sampled_from([b"", b"<html>", b"<html><meta charset=utf-7>"]))
def test_whatever_the_bytes_the_only_error_is_that_of_the_page(junk: bytes, before: bytes) -> None:
    try:
        entry = read(before + junk)
    except FetchError:
        return
    assert entry.title
