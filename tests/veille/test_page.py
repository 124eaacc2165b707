"""What a web page says of itself."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FetchError
from pipeline.veille.item import Entry
from pipeline.veille.page import read_page
from pipeline.veille.videos import video_url
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

    assert entry.title == "Titre"
    assert entry.published_at == datetime(2026, 11, 18, 12, tzinfo=UTC)
    assert entry.excerpt.startswith("Un vrai paragraphe.")
    assert entry.source == "revue.example"
    assert (entry.language, entry.authors) == ("", ())


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Un titre - avec tiret | LA REVUE - CULTURE", "Un titre - avec tiret"),
        ("Un titre – La Revue - Culture", "Un titre"),
        ("Un titre · revue.example", "Un titre"),
        ("La Revue - Culture", "La Revue - Culture"),
        (" | La Revue - Culture", "| La Revue - Culture"),
        ("Un titre - Culture", "Un titre - Culture"),
    ],
)
def test_the_sites_name_goes_from_the_end_of_a_title(title: str, expected: str) -> None:
    site = '<meta property="og:site_name" content="La Revue - Culture">'

    assert read(page(f"<title>{title}</title>{site}")).title == expected
    assert read(page(f'<meta property="og:title" content="{title}">{site}')).title == expected


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


# --- whence each field is ---------------------------------------------------------------------


def test_each_field_is_marked_with_its_origin() -> None:
    head = (
        ld({"@type": "Article", "headline": "Un titre"})
        + '<meta property="og:site_name" content="La Revue">'
        + '<meta name="author" content="Bo Lee"><meta property="og:image" content="/une.jpg">'
    )
    body = f"<article><time datetime='2026-11-18'></time><p>{'Un mot ' * 100}</p></article>"

    entry = read(page(head, body))

    assert entry.origins == {
        "title": "json-ld",
        "source": "opengraph",
        "authors": "meta",
        "published_at": "html",
        "language": "html",
        "excerpt": "html",
        "image": "opengraph",
        "minutes": "html",
    }


def test_a_page_that_says_nothing_is_called_by_its_address_and_marked_so() -> None:
    entry = read(page(lang=""))

    assert entry.title == entry.url == URL
    assert entry.origins == {"title": "address", "source": "address"}


def test_a_date_that_cannot_be_right_leaves_the_field_to_the_next_source() -> None:
    head = ld({"@type": "Article", "datePublished": "2099-01-01"})
    meta = '<meta property="article:published_time" content="2026-11-20T09:00:00Z">'

    entry = read(page(head + meta))

    assert entry.published_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert entry.origins["published_at"] == "opengraph"


def test_of_several_articles_the_one_of_this_address_is_meant() -> None:
    teaser = {"@type": "Article", "headline": "Ailleurs", "url": "https://revue.example/autre"}
    own = {
        "@type": "https://schema.org/NewsArticle",
        "headline": "Ici",
        "mainEntityOfPage": {"@id": "https://revue.example/2026/article"},
    }

    entry = read(page(ld({"@type": "ItemList", "itemListElement": [teaser]}) + ld(own)))

    assert entry.title == "Ici"


def test_a_person_described_in_two_places_is_one() -> None:
    graph = [
        {"@type": "Article", "headline": "T", "author": [{"@id": "#a"}, {"@id": "#b"}]},
        {"@type": "Person", "@id": "#a", "url": "/ada"},
        {"@type": "Person", "@id": "#a", "name": "Ada Martin"},
        {"@type": "Person", "@id": "#b", "givenName": "Bo", "familyName": "Lee"},
    ]

    assert read(page(ld({"@graph": graph}))).authors == ("Ada Martin", "Bo Lee")


@pytest.mark.parametrize(
    "script",
    [
        '{"@type": "Article", "headline": "Un titre",}',
        '{"@type": "Article", "headline": "Un titre", "keywords": ["a", "b",\n],};',
        '{"@type": "Article", "headline": "Un\\ titre"}',
        '{"@type": "Article", "headline": "Un titre"} {"@type": "Organization"}',
        '{"@type": "Article", "description": "a\tb\nc", "headline": "Un titre"}',
    ],
)
def test_json_ld_with_the_usual_mistakes_is_read(script: str) -> None:
    html = page(f'<script type="application/ld+json">{script}</script>')

    assert read(html).title == "Un titre"


def test_an_author_in_the_label_of_a_card_is_found() -> None:
    head = (
        '<meta name="twitter:label1" content="Écrit par"><meta name="twitter:data1"'
        ' content="Ada Martin"><meta name="twitter:label2" content="Durée de lecture">'
        '<meta name="twitter:data2" content="6 minutes">'
    )

    assert read(page(head)).authors == ("Ada Martin",)


# --- image, time to read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("/une.jpg", "https://www.revue.example/une.jpg"),
        (["https://img.example/a.jpg", "/b.jpg"], "https://img.example/a.jpg"),
        ({"@type": "ImageObject", "url": "/c.jpg"}, "https://www.revue.example/c.jpg"),
        ({"@id": "#image"}, "https://www.revue.example/d.jpg"),
        ("javascript:alert(1)", "https://www.revue.example/og.jpg"),
        ("data:image/gif;base64,R0lGOD", "https://www.revue.example/og.jpg"),
        ("file:///etc/passwd", "https://www.revue.example/og.jpg"),
        ("/" + "a" * 3000, "https://www.revue.example/og.jpg"),
        (7, "https://www.revue.example/og.jpg"),
    ],
)
def test_an_image_is_a_web_address_whatever_the_page_writes(image: object, expected: str) -> None:
    graph = [
        {"@type": "Article", "headline": "T", "image": image},
        {"@type": "ImageObject", "@id": "#image", "contentUrl": "/d.jpg"},
    ]
    head = ld({"@graph": graph}) + '<meta property="og:image" content="/og.jpg">'

    assert read(page(head)).image == expected


def test_an_image_is_relative_to_the_base_that_the_page_names() -> None:
    head = '<base href="https://cdn.example/x/"><meta property="og:image" content="og.jpg">'

    assert read(page(head)).image == "https://cdn.example/x/og.jpg"


def test_the_picture_of_an_article_is_that_of_its_first_figure() -> None:
    body = (
        '<img src="/logo.png"><article><figure><img src="data:image/gif;base64,R0"'
        ' data-src="/photo.jpg"></figure></article>'
    )

    entry = read(page(body=body))

    assert (entry.image, entry.origins["image"]) == (
        "https://www.revue.example/photo.jpg",
        "html",
    )


@pytest.mark.parametrize(
    ("said", "minutes"),
    [
        ({}, 2),
        ({"wordCount": 2300}, 10),
        ({"wordCount": "2301"}, 11),
        ({"wordCount": 10**9}, 2),
        ({"articleBody": "mot " * 1000}, 5),
        ({"isAccessibleForFree": False}, 0),
        ({"isAccessibleForFree": "False", "wordCount": 460}, 2),
    ],
)
def test_the_time_to_read_is_that_of_the_whole_text(said: dict[str, object], minutes: int) -> None:
    text = f"<article><p>{'mot ' * 240}</p><aside><p>{'pub ' * 900}</p></aside></article>"
    html = page(ld({"@type": "Article", "headline": "T", **said}), text + f"<p>{'bas ' * 900}</p>")

    assert read(html).minutes == minutes


# --- trafilatura ------------------------------------------------------------------------------

BARE = (
    "<h1>Des communs</h1><div class='meta'><p class='byline'>Par <span class='author'>Ada Martin"
    "</span></p><p class='date'>Publié le 20 novembre 2026</p></div>"
)
TEXT = f"<p>{'Un vrai paragraphe de la revue. ' * 12}</p>"


def test_what_a_page_does_not_say_trafilatura_finds_on_it() -> None:
    entry = read(page("<title>Des communs</title>", BARE + TEXT))

    assert entry.authors == ("Ada Martin",)
    assert entry.published_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert entry.origins["authors"] == entry.origins["published_at"] == "trafilatura"
    assert entry.origins["title"] == entry.origins["excerpt"] == "html"


def test_what_the_page_says_itself_wins_over_trafilatura() -> None:
    head = '<meta name="author" content="La Revue avec AFP"><meta name="date" content="2026-11-02">'

    entry = read(page(head, BARE + TEXT))

    assert entry.authors == ("La Revue avec AFP",)
    assert entry.published_at == datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        "<p>© 1996 La Revue</p>",
        "<footer><p>Mis en ligne le 3 mai 2019</p></footer>",
        "<p>Le décret du 2019-05-03 a tout changé, et personne ne s’en est rendu compte. "
        + "Depuis, la ville a fait autrement, en demandant aux gens. " * 4
        + "</p>",
        "<img src='/2019-05-03/photo.jpg' data-t='2019-05-03 10:00:00' alt=''>",
        "<div class='date'>01/01/1996</div>",
        "<p>Depuis 1996, tout va.</p>",
    ],
)
def test_no_date_is_invented(body: str) -> None:
    entry = read(page("<title>Des communs</title>", f"<h1>Des communs</h1>{body}{TEXT}"))

    assert entry.published_at is None
    assert "published_at" not in entry.origins


def test_a_date_in_the_address_is_believed() -> None:
    url = "https://revue.example/2026/11/20/des-communs"

    entry = read(page("<title>Des communs</title>", TEXT), url=url)

    assert entry.published_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert entry.origins["published_at"] == "trafilatura"


def test_a_page_that_says_all_of_itself_does_not_load_trafilatura() -> None:
    code = (
        "import sys; from datetime import UTC, datetime;"
        "from pipeline.veille.page import read_page;"
        "now, url = datetime(2026, 11, 24, tzinfo=UTC), 'https://a.example/b';"
        "entry = read_page(sys.stdin.buffer.read(), url=url, now=now);"
        "print(entry.title, 'trafilatura' in sys.modules)"
    )
    html = page(OPEN_GRAPH)

    done = subprocess.run([sys.executable, "-c", code], input=html, capture_output=True, check=True)

    assert done.stdout.decode().strip() == "Titre & og False"


# --- videos -----------------------------------------------------------------------------------


def test_a_video_is_read_from_what_its_page_says() -> None:
    head = (
        '<link rel="canonical" href="https://www.youtube.com/watch?v=abcdefghijk">'
        '<meta property="og:site_name" content="YouTube">'
        '<meta property="og:title" content="Les communs en dix minutes">'
        '<meta property="og:image" content="https://i.ytimg.com/vi/abcdefghijk/hq.jpg">'
        '<meta property="og:description" content="Une conférence.">'
    )
    body = (
        '<div itemscope><span itemprop="author" itemscope><link itemprop="url" href="/@ada">'
        '<link itemprop="name" content="Ada Martin"></span>'
        '<meta itemprop="datePublished" content="2026-11-12T01:00:05-08:00"></div>'
    )

    entry = read(page(head, body, lang=' lang="en"'), url="https://youtu.be/abcdefghijk?t=42")

    assert entry.url == "https://www.youtube.com/watch?v=abcdefghijk"
    assert (entry.title, entry.source) == ("Les communs en dix minutes", "YouTube")
    assert entry.authors == ("Ada Martin",)
    assert entry.published_at == datetime(2026, 11, 12, 9, 0, 5, tzinfo=UTC)
    assert entry.image == "https://i.ytimg.com/vi/abcdefghijk/hq.jpg"
    assert (entry.language, entry.minutes) == ("", 0)  # the page's language is the asker's


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.youtube.com/watch?v=abc-efghi_k&list=PL1&index=3&t=9s", True),
        ("https://m.youtube.com/watch?app=desktop&v=abc-efghi_k", True),
        ("https://youtu.be/abc-efghi_k?si=x", True),
        ("https://youtube.com/shorts/abc-efghi_k", True),
        ("https://www.youtube.com/embed/abc-efghi_k?start=3", True),
        ("https://www.youtube.com/@ada", False),
        ("https://www.youtube.com/watch?v=court", False),
        ("https://youtube.com.autre.example/watch?v=abc-efghi_k", False),
        ("https://[::1/watch", False),
    ],
)
def test_a_video_has_one_address(url: str, expected: bool) -> None:
    assert video_url(url) == ("https://www.youtube.com/watch?v=abc-efghi_k" if expected else "")


# --- hostile and broken pages -----------------------------------------------------------------


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read(codec: str) -> None:
    html = page("<title>L’été des communs</title>").decode().encode(codec)

    assert read(html).title == "L’été des communs"


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "utf-7", "base64", "idna", "x"])
def test_a_charset_that_no_page_is_written_in_is_not_believed(charset: str) -> None:
    html = page(f'<meta charset="{charset}"><title>L’été</title>').decode().encode("cp1252")
    begun = time.perf_counter()

    entry = read(html + b"a-" * 500_000)

    assert entry.title == "L’été"
    assert time.perf_counter() - begun < 5


def test_control_characters_and_markup_leave_no_trace_in_a_title() -> None:
    title = "<b>Un</b> ti\u0007tre\u202e <style>x</style>&lt;a&gt;\u0000"

    entry = read(page(ld({"@type": "Article", "headline": title, "author": "A\u0000da\n Martin"})))

    assert entry.title == "Un titre <a>"  # the last is text that speaks of a tag
    assert entry.authors == ("Ada Martin",)


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<p>t",
        "<article><p>t",
        "<div itemprop=author>t</div>",
        "<meta name=author content=x>",
        "<time datetime=2026-11-2>",
        "<figure><img src=javascript:a>",
    ],
)
def test_five_megabytes_of_one_thing_are_read_in_bounded_time(piece: str) -> None:
    begun = time.process_time()

    entry = read(b"<html><body>" + piece.encode() * (5_000_000 // len(piece)))

    assert time.process_time() - begun < 6
    assert len(entry.authors) <= 12
    assert entry.image == ""


def test_a_long_page_is_cut_within_no_character() -> None:
    html = page("<title>L’été</title>", "<p>é’é</p>" * 230_000)

    assert read(html).title == "L’été"
