"""Markdown becomes the HTML of a mail or a page, or one line; nothing unsafe ever passes."""

import re

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from pipeline.text.commonmark import LETTER
from pipeline.text.markdown import plain, to_html, to_inline_html
from pipeline.text.merge import MergeTag, encode, protect


def mail(source: str) -> str:
    return to_html(source, language="fr")


def links(html: str) -> list[str]:
    return [link.get("href") or "" for link in lxml_html.fromstring(f"<div>{html}</div>").iter("a")]


def test_a_paragraph_is_a_paragraph() -> None:
    assert mail("Un *deux* **trois** `quatre`") == (
        "<p>Un <em>deux</em> <strong>trois</strong> <code>quatre</code></p>"
    )


def test_an_empty_source_is_nothing() -> None:
    assert mail("") == ""


@pytest.mark.parametrize(("marks", "level"), [(1, 3), (2, 3), (3, 3), (4, 4), (5, 5), (6, 6)])
def test_a_heading_stands_below_the_heading_of_its_block(marks: int, level: int) -> None:
    assert mail("#" * marks + " Titre") == f"<h{level}>Titre</h{level}>"


def test_an_underlined_heading_is_shifted_too() -> None:
    assert mail("Titre\n=====") == "<h3>Titre</h3>"


def test_raw_html_is_text() -> None:
    assert mail("<b>a</b>\n\n<script>b</script>") == (
        "<p>&lt;b&gt;a&lt;/b&gt;</p>\n<p>&lt;script&gt;b&lt;/script&gt;</p>"
    )


def test_an_image_is_its_alternative_text() -> None:
    assert mail("Voir ![le *plan*](https://exemple.fr/a.png) ici") == "<p>Voir le plan ici</p>"


def test_a_linked_image_is_a_link_on_its_alternative_text() -> None:
    assert mail("[![plan](https://a.fr/a.png)](https://b.fr)") == (
        '<p><a href="https://b.fr">plan</a></p>'
    )


@pytest.mark.parametrize(
    "url",
    ["https://exemple.fr/a", "http://a.fr", "mailto:a@b.fr", "tel:+33123456789", "#agenda"],
)
def test_a_link_one_can_follow_from_a_mail_is_a_link(url: str) -> None:
    assert links(mail(f"[ici]({url})")) == [url]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript&colon;alert(1)",
        "&#106;avascript:alert(1)",
        "java%0ascript:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "data:image/png;base64,x",
        "file:///etc/passwd",
        "ftp://exemple.fr",
        "//exemple.fr/a",
        r"\\\\exemple.fr/a",
        "/page",
        "page.html",
        "www.exemple.fr",
        "https:",
        "https:///a",
        "http:exemple.fr",
        "mailto:",
        "#",
        "",
    ],
)
def test_any_other_link_stays_text(url: str) -> None:
    assert "<a" not in mail(f"[ici]({url}) ![x]({url}) <{url}>\n\n[y]\n\n[y]: {url}")


def test_a_link_without_address_is_its_words() -> None:
    assert mail("[*ici*]() et [là](https://a.fr)") == (
        '<p><em>ici</em> et <a href="https://a.fr">là</a></p>'
    )


def test_a_refused_link_stays_visible_as_it_was_typed() -> None:
    assert mail("[ici](ftp://exemple.fr/l'un)") == "<p>[ici](ftp://exemple.fr/l'un)</p>"


def test_a_link_may_lead_to_a_tag_that_is_an_address() -> None:
    token = encode(MergeTag("unsubscribe_url", ""))
    assert links(mail(protect("[partir]({{unsubscribe_url}})", {}))) == [token]


def test_a_link_may_not_lead_to_another_tag() -> None:
    assert links(mail(protect("[moi]({{first_name}})", {}))) == []


def test_a_tag_may_stand_inside_an_address() -> None:
    token = encode(MergeTag("email", ""))
    source = protect("[ici](https://exemple.fr/?a={{email}})", {})
    assert links(mail(source)) == [f"https://exemple.fr/?a={token}"]


def test_an_address_is_percent_encoded() -> None:
    assert links(mail("[a](https://exemple.fr/é?x=«)")) == ["https://exemple.fr/%C3%A9?x=%C2%AB"]


@pytest.mark.parametrize("host", ["été.fr", "Été.FR", "e\u0301te\u0301.fr"])
def test_an_international_host_is_valid(host: str) -> None:
    (url,) = links(mail(f"[a](https://{host}:8000/x)"))
    assert (idna.decode(url[8:-7]), url[-7:]) == ("été.fr", ":8000/x")


def test_an_impossible_host_is_text() -> None:
    assert links(mail("[a](https://été\u2488x.fr/)")) == []


def test_an_ampersand_in_an_address_is_escaped_once() -> None:
    assert 'href="https://a.fr/?a=1&amp;b=2"' in mail("[a](https://a.fr/?a=1&b=2)")


def test_the_title_of_a_link_is_dropped() -> None:
    assert mail('[a](https://b.fr "titre")') == '<p><a href="https://b.fr">a</a></p>'


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("C'est **vrai** ?", "<p>C’est <strong>vrai</strong>\u202f?</p>"),
        ("«**mot**»", "<p>«\u00a0<strong>mot</strong>\u00a0»</p>"),
        ("`l'été ?`", "<p><code>l'été ?</code></p>"),
        ("    l'été ?", "<pre><code>l'été ?\n</code></pre>"),
        ("# Qui ?", "<h3>Qui\u202f?</h3>"),
    ],
)
def test_typography_touches_text_and_never_code(source: str, shown: str) -> None:
    assert mail(source) == shown


def test_typography_touches_no_address() -> None:
    assert mail("<https://a.fr/l'un> !") == (
        "<p><a href=\"https://a.fr/l'un\">https://a.fr/l'un</a>\u202f!</p>"
    )


def test_a_title_put_in_by_a_tag_is_typeset_like_the_rest() -> None:
    source = protect("Lire « {{title}} »", {"title": "Des cafés partout !"}, markdown=True)
    assert mail(source) == "<p>Lire «\u00a0Des cafés partout\u202f!\u00a0»</p>"


def test_english_has_no_french_spaces() -> None:
    assert to_html("Really ?", language="en") == "<p>Really ?</p>"


def test_void_elements_are_closed_in_mail() -> None:
    assert mail("a  \nb\n\n---") == "<p>a<br />\nb</p>\n<hr />"


def test_void_elements_are_not_closed_on_the_web() -> None:
    assert to_html("a  \nb\n\n---", language="fr", flavour="web") == "<p>a<br>\nb</p>\n<hr>"


def test_a_link_on_the_web_has_no_opener() -> None:
    assert to_html("[a](https://b.fr)", language="fr", flavour="web") == (
        '<p><a href="https://b.fr" rel="noopener">a</a></p>'
    )


def test_a_numbered_list_keeps_its_first_number() -> None:
    assert mail("3. trois") == '<ol start="3">\n<li>trois</li>\n</ol>'


def test_a_language_of_code_leaves_no_class() -> None:
    assert mail("```python\na\n```") == "<pre><code>a\n</code></pre>"


def test_a_no_break_space_is_the_character_itself() -> None:
    assert mail("a&nbsp;b") == "<p>a\u00a0b</p>"


def test_an_entity_that_is_shown_stays_shown() -> None:
    assert mail("`&nbsp;`") == "<p><code>&amp;nbsp;</code></p>"


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0c", "\x1f", "\ud800", "\uffff", "&#12;"])
def test_a_character_that_xml_forbids_is_gone(character: str) -> None:
    assert mail(f"a{character}b") == "<p>ab</p>"


_PIECES = [
    *("*", "**", "_", "`", "```\n", "[", "]", "(", ")", "![", "<", ">", "\n", "\n\n", "    "),
    *("# ", "> ", "- ", "1. ", "&amp;", "&#106;", "\\", '"', "'", ":", "//", "javascript:"),
    *(
        "https://a.fr",
        "data:",
        "onclick=",
        "<script>",
        "<a href=",
        "mot",
        " ",
        "é",
        "\ud800",
        "\x0c",
    ),
]
sources = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join) | st.text()

_ALLOWED = {
    *("p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote", "h3", "h4", "h5", "h6"),
    *("code", "pre", "hr"),
}


@given(sources)
def test_html_for_mail_is_well_formed_xml(source: str) -> None:
    assert etree.fromstring(f"<div>{mail(source)}</div>").tag == "div"


@given(sources)
def test_only_listed_elements_and_attributes_come_out(source: str) -> None:
    tree = etree.fromstring(f"<div>{mail(source)}</div>")
    found = {(str(e.tag), *sorted(map(str, e.attrib))) for e in tree.iter() if e is not tree}
    assert found <= {(tag,) for tag in _ALLOWED} | {("a", "href"), ("ol", "start")}


@given(sources)
def test_every_link_leads_somewhere_safe(source: str) -> None:
    assert all(re.match("https?://.|mailto:.|tel:.|#.", url) for url in links(mail(source)))


@given(sources)
def test_one_line_holds_no_block_and_no_line_break(source: str) -> None:
    assert not re.search(
        r"<(p|ul|ol|li|h\d|pre|blockquote)|\n", to_inline_html(source, language="fr")
    )


@given(st.lists(st.sampled_from([*_PIECES, "!", "%", "a_b"]), max_size=25).map("".join))
def test_our_shorter_list_of_inline_signs_parses_the_same(source: str) -> None:
    stock = MarkdownIt("commonmark", {"html": False, "maxNesting": 20, "xhtmlOut": True})
    stock.validateLink = LETTER.validateLink  # type: ignore[method-assign]
    stock.normalizeLink = LETTER.normalizeLink  # type: ignore[method-assign]
    assert LETTER.render(source) == stock.render(source)


@given(st.from_regex(r"https?://[a-z]{1,5}\.fr(/[\x21-\x7e]{0,12})?", fullmatch=True))
def test_an_address_that_is_clean_is_what_the_parser_would_make_of_it(url: str) -> None:
    assert LETTER.normalizeLink(url) == MarkdownIt().normalizeLink(url)


@pytest.mark.parametrize("source", ["> " * 5000 + "a", "[" * 5000, "*a_" * 5000, "- " * 500 + "a"])
def test_hostile_nesting_ends_soon(source: str) -> None:
    assert mail(source).count("<blockquote>") <= 20


def test_one_line_has_no_paragraph_around_it() -> None:
    assert to_inline_html("Un *titre* ?", language="fr") == "Un <em>titre</em>\u202f?"


@pytest.mark.parametrize("title", ["1. La loi", "# Un", "- deux", "    trois", "+ 10 points"])
def test_a_single_line_opens_no_block(title: str) -> None:
    assert to_inline_html(title, language="fr") == title.strip()


def test_several_paragraphs_on_one_line_are_joined_by_a_space() -> None:
    assert to_inline_html("Un *deux*\n\n- trois\n- quatre\n", language="fr") == (
        "Un <em>deux</em> trois quatre"
    )


def test_a_line_of_code_among_several_stays_code() -> None:
    assert to_inline_html("Tapez\n\n    make all\n", language="fr") == "Tapez <code>make all</code>"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("Un *titre* **gras** ?", "Un titre gras\u202f?"),
        ("[le lien](https://a.fr) et ![plan](https://a.fr/b.png)", "le lien et plan"),
        ("# Titre\n\n- un\n- deux\n\n> trois", "Titre un deux trois"),
        ("a  \nb\nc", "a b c"),
        ("5 &lt; 6 & `7`", "5 < 6 & 7"),
        ("1. La loi", "1. La loi"),
        ("  ", ""),
        ("a&nbsp;b", "a\u00a0b"),
    ],
)
def test_plain_is_one_line_of_words(source: str, line: str) -> None:
    assert plain(source, language="fr") == line


@given(sources)
def test_plain_never_breaks_a_line(source: str) -> None:
    assert not re.search(r"[\n\t\x00]|  ", plain(source, language="fr"))


def test_the_same_block_again_is_the_same_object() -> None:
    assert mail("Toujours *pareil*") is mail("Toujours *pareil*")
