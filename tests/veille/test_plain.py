"""Foreign text made plain, and plain text as Markdown that shows exactly it."""

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.text.merge import find_tags
from pipeline.veille.plain import markdown_text, plain_text, tidy, without_tags


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Un</p><p>deux</p>", "Un deux"),
        ("a<br>b", "a b"),
        ("un <b>mot</b>s", "un mots"),
        ("<script>alert(1)</script>x<style>p{}</style>", "x"),
        ('<img src=x onerror="alert(1)">x', "x"),
        ("<!-- caché -->vu", "vu"),
        ("AT&amp;T &#8217; &eacute;", "AT&T ’ é"),
        ("&lt;b&gt;gras&lt;/b&gt;", "<b>gras</b>"),
        ("<p>vu<p>sans fin <a href=", "vu sans fin"),
        ("Prix\u00a0: 3\u202f€", "Prix\u00a0: 3\u202f€"),
        ("", ""),
    ],
)
def test_markup_becomes_its_text(markup: str, text: str) -> None:
    assert plain_text(markup, limit=100) == text


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    for made in (plain_text(text, limit=50), tidy(text, limit=50)):
        assert len(made) <= 50
        assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in made)
        assert not set(made) & set("\u2028\u2029\u202e\ufeff")
        made.encode()  # no lone surrogate


def test_a_long_text_is_cut_at_a_word() -> None:
    assert tidy("un deux trois quatre", limit=14) == "un deux trois…"
    assert tidy("x" * 50, limit=10) == "x" * 9 + "…"


def test_a_body_of_a_hundred_thousand_open_tags_takes_no_time() -> None:
    begun = time.perf_counter()

    plain_text("<div>" * 100_000, limit=400)

    assert time.perf_counter() - begun < 2


MARKDOWN_LIKE = st.text(alphabet="ab1 *_`[]()<>#+-=.!|&;~{}\\:/é\u00a0\n\"'", max_size=250)


@given(MARKDOWN_LIKE)
def test_markdown_shows_exactly_the_text(text: str) -> None:
    text = tidy(text, limit=400)
    shown = MarkdownIt("commonmark").enable(["strikethrough", "table"]).render(markdown_text(text))

    assert html.unescape(shown.replace("\n", " ")).strip() == (f"<p>{text}</p>" if text else "")


@given(MARKDOWN_LIKE)
def test_no_text_of_a_feed_can_be_a_merge_tag(text: str) -> None:
    hostile = f"{{{{email|x}}}} {text} {{{{{{{{first_name}}}}}}}}"

    assert find_tags(markdown_text(hostile)) == []
    assert find_tags(without_tags(hostile)) == []


def test_ordinary_prose_stays_readable_in_the_file() -> None:
    prose = "L’école (3,5 M d’élèves) : « snake_case », 50 % — c’est dit ! https://a.example/x"

    assert markdown_text(prose) == prose
