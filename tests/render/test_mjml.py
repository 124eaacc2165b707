"""One test for each defect of mjml-python 1.4.2 that was measured, and its cure."""

import html
import re

import lxml.html
import pytest

from pipeline.render.mjml import MAX_DEPTH, UnbalancedError, prepare, to_html


def mail(inner: str) -> str:
    return (
        "<mjml><mj-head><mj-attributes><mj-all font-family='Georgia' /></mj-attributes></mj-head>"
        f"<mj-body><mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"
    )


@pytest.mark.parametrize(
    ("character", "name"),
    [("\u202f", "narrow no-break space"), ("\u00a0", "no-break space"), ("\u200d", "joiner")]
    + [("\ufe0f", "variation selector"), ("e\u0301", "combining accent"), ("\\", "backslash")]
    + [("☕", "emoji"), ("é", "accent"), ("\n", "line break"), ("&#34;", "quote"), ("'", "quote")],
)
def test_an_attribute_keeps_each_character(character: str, name: str) -> None:
    page = to_html(mail(f'<mj-image src="a.png" alt="a{character}b" />'))
    found = re.search(r'alt="([^"]*)"', page)
    assert found, name
    assert html.unescape(found[1]) == html.unescape(f"a{character}b")


def test_a_quote_in_an_attribute_injects_nothing() -> None:
    page = to_html(mail("""<mj-image src="a.png" alt='a" onload="x' />"""))
    (image,) = lxml.html.document_fromstring(page).iter("img")
    assert image.get("alt") == 'a" onload="x'
    assert image.get("onload") is None


def test_an_attribute_inside_the_text_is_cured_too() -> None:
    page = to_html(
        mail('<mj-text><a href="https://a.example/é\\x" title="L’été\u202f!">x</a></mj-text>')
    )
    assert "\\u{" not in page
    assert 'title="L&#8217;&#233;t&#233;&#8239;!"' in page


def test_text_outside_attributes_is_left_as_it_is() -> None:
    assert "« L’été\u202f! » \\" in to_html(mail("<mj-text>« L’été\u202f! » \\</mj-text>"))


def test_the_doctype_is_one_that_premailer_keeps() -> None:
    assert to_html(mail("<mj-text>a</mj-text>")).startswith("<!DOCTYPE html>")


def test_no_web_font_is_named() -> None:
    assert "fonts.googleapis" not in to_html("<mjml><mj-body></mj-body></mjml>")


@pytest.mark.parametrize(
    "mjml",
    [
        "<mjml><mj-body><mj-section></mj-column></mj-body></mjml>",
        "<mjml><mj-body><mj-raw><div></mj-raw></mj-body></mjml>",
        "<mjml><mj-body>",
        "</mjml>",
    ],
)
def test_tags_that_do_not_balance_are_refused(mjml: str) -> None:
    with pytest.raises(UnbalancedError):
        prepare(mjml)


def test_the_line_of_an_unbalanced_tag_is_told() -> None:
    with pytest.raises(UnbalancedError, match="line 3: </mj-column>"):
        prepare("<mjml>\n<mj-body>\n</mj-column>\n</mj-body></mjml>")


def test_nesting_that_would_kill_the_process_is_refused() -> None:
    deep = "<div>" * 20_000 + "</div>" * 20_000
    with pytest.raises(UnbalancedError, match=str(MAX_DEPTH)):
        to_html(mail(f"<mj-text>{deep}</mj-text>"))


def test_a_token_stays_whole_in_an_address_and_in_text() -> None:
    page = to_html(mail('<mj-text><a href="mergeq61q">mergeq62q</a></mj-text>'))
    assert 'href="mergeq61q">mergeq62q<' in page
