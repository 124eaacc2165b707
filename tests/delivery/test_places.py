"""Where a token stands decides how its value is escaped, once and for all."""

import pytest

from pipeline.delivery.message import fill_pieces
from pipeline.delivery.places import Context, Place, split_html, split_subject, split_text
from pipeline.delivery.recipient import Recipient
from pipeline.errors import InputError
from pipeline.text.merge import MergeTag, encode, protect

NAME = encode(MergeTag("first_name", ""))
LINK = encode(MergeTag("preferences_url", ""))


def contexts(html: str) -> list[Context]:
    return [piece.context for piece in split_html(html) if isinstance(piece, Place)]


@pytest.mark.parametrize(
    ("html", "context"),
    [
        (f"<p>{NAME}</p>", Context.HTML),
        (f"<title>{NAME}</title>", Context.HTML),
        (f'<img alt="{NAME}">', Context.HTML),
        (f"<img alt='{NAME}'>", Context.HTML),
        (f'<img alt="a > b" title="{NAME}">', Context.HTML),
        (f"<!-- {NAME} -->", Context.HTML),
        (f'<a href="{LINK}">', Context.URL),
        (f"<A HREF = '{LINK}'>", Context.URL),
        (f'<a href="{LINK}#top">', Context.URL),
        (f'<a title="x" href=" {LINK} ">', Context.URL),
        (f'<img src="{LINK}"/>', Context.URL),
        (f'<a href="https://a.org/?n={NAME}&amp;x=1">', Context.COMPONENT),
        (f'<a href="mailto:{NAME}">', Context.MAILTO),
        (f'<a href="mailto:a@b.org?subject={NAME}">', Context.MAILTO),
        (f'<!--[if mso]><v:roundrect href="{LINK}"><![endif]-->', Context.URL),
        (f'<!--[if mso]><v:rect xlink:href="{LINK}"><![endif]-->', Context.URL),
        (f"a < b and {NAME} > c", Context.HTML),
    ],
)
def test_the_context_is_read_from_the_html(html: str, context: Context) -> None:
    assert contexts(html) == [context]


@pytest.mark.parametrize(
    "html",
    [
        f"<style>p {{ color: {NAME} }}</style>",
        f"<script>{NAME}</script>",
        f'<p style="color: {NAME}">',
        f'<p onclick="{NAME}">',
        f'<img srcset="{LINK} 2x">',
        f"<a href={LINK}>",
    ],
)
def test_a_place_where_no_escaping_is_safe_is_refused(html: str) -> None:
    with pytest.raises(InputError, match="merge tag"):
        split_html(html)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.org/?a=1&b=2", "https://a.org/?a=1&amp;b=2"),
        ("mailto:a@b.org", "mailto:a@b.org"),
        ('https://a.org/" onclick="x', "https://a.org/&quot;%20onclick=&quot;x"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("JaVaScRiPt:alert(1)", "JaVaScRiPt%3Aalert%281%29"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("", ""),
    ],
)
def test_a_whole_link_is_an_address_of_the_web_or_none(value: str, expected: str) -> None:
    person = Recipient(id="1", address="a@b.org", values={"preferences_url": value})

    assert fill_pieces(split_html(f'<a href="{LINK}">'), person) == f'<a href="{expected}">'


def test_inside_a_link_a_value_cannot_leave_its_place() -> None:
    person = Recipient(id="1", address="a+b@c.org", values={"first_name": "é&a=b#/?"})
    email = encode(MergeTag("email", ""))

    assert fill_pieces(split_html(f'<a href="https://a.org/{NAME}">'), person) == (
        '<a href="https://a.org/%C3%A9%26a%3Db%23%2F%3F">'
    )
    assert fill_pieces(split_html(f'<a href="mailto:{email}">'), person) == (
        '<a href="mailto:a%2Bb@c.org">'
    )


def test_plain_text_stays_as_it_is_but_for_what_stands_in_a_link() -> None:
    person = Recipient(id="1", address="a@b.org", values={"first_name": "Zoé & Léa"})

    filled = fill_pieces(split_text(f"{NAME}, voir https://a.org/?n={NAME} !"), person)

    assert filled == "Zoé & Léa, voir https://a.org/?n=Zo%C3%A9%20%26%20L%C3%A9a !"


def test_a_fallback_is_escaped_like_a_value_and_has_no_line_break() -> None:
    token = encode(MergeTag("first_name", "<vous>\n& moi"))
    person = Recipient(id="1", address="a@b.org")

    assert fill_pieces(split_html(f"<p>{token}</p>"), person) == "<p>&lt;vous&gt; &amp; moi</p>"
    assert fill_pieces(split_subject(token), person) == "<vous> & moi"


def test_what_an_editor_really_wrote_comes_back_as_text() -> None:
    literal = protect(f"voir {NAME}", {})
    person = Recipient(id="1", address="a@b.org", values={"first_name": "Zoé"})

    assert fill_pieces(split_html(literal), person) == f"voir {NAME}"


def test_a_token_in_capitals_is_the_same_token() -> None:
    person = Recipient(id="1", address="a@b.org", values={"first_name": "Zoé"})

    assert fill_pieces(split_text(NAME.upper()), person) == "Zoé"
