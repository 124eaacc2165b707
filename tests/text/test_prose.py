"""The plain-text part of a letter reads like a letter a person wrote."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.markdown import LinkList, to_text
from pipeline.text.merge import MergeTag, encode, protect
from pipeline.text.wrapping import display_width


def letter(source: str, width: int = 76) -> str:
    return to_text(source, language="fr", links=LinkList(), width=width)


def test_emphasis_leaves_no_mark() -> None:
    assert letter("Un *deux* **trois** `quatre`") == "Un deux trois quatre"


def test_paragraphs_are_apart_by_one_empty_line() -> None:
    assert letter("Un\n\n\n\nDeux") == "Un\n\nDeux"


def test_a_soft_line_break_is_a_space() -> None:
    assert letter("Un\ndeux") == "Un deux"


def test_a_hard_line_break_stays() -> None:
    assert letter("Un  \ndeux\\\ntrois") == "Un\ndeux\ntrois"


def test_a_long_paragraph_is_wrapped_at_76_columns() -> None:
    lines = letter("mot " * 60).split("\n")
    assert [len(line) for line in lines[:-1]] == [75] * (len(lines) - 1)


def test_typography_is_the_same_as_in_html() -> None:
    assert letter("C'est **vrai** ?") == "C’est vrai\u202f?"


def test_a_heading_is_underlined() -> None:
    assert letter("# L'été\n\nArrive") == "L’été\n-----\n\nArrive"


def test_a_heading_of_emoji_is_underlined_by_columns() -> None:
    assert letter("# 📅 Agenda") == "📅 Agenda\n---------"


def test_a_deeper_heading_is_a_plain_line() -> None:
    assert letter("#### Note\n\nArrive") == "Note\n\nArrive"


def test_a_quotation_is_marked_on_each_line() -> None:
    assert letter("> " + "mot " * 6 + "\n>\n> fin", width=22) == (
        "> mot mot mot mot mot\n> mot\n>\n> fin"
    )


def test_a_list_hangs_below_its_mark() -> None:
    assert letter("* " + "mot " * 6 + "\n* fin", width=22) == (
        "- mot mot mot mot mot\n  mot\n- fin"
    )


def test_a_loose_list_stays_loose() -> None:
    assert letter("- un\n\n- deux") == "- un\n\n- deux"


def test_a_numbered_list_counts_from_its_first_number() -> None:
    assert letter("9. neuf\n1. " + "mot " * 6, width=24) == (
        "9. neuf\n10. mot mot mot mot mot\n    mot"
    )


def test_a_list_may_count_from_zero() -> None:
    assert letter("0. zéro\n1. un") == "0. zéro\n1. un"


def test_a_list_in_a_list_is_indented() -> None:
    assert letter("1. un\n   - deux\n   - trois\n2. quatre") == (
        "1. un\n   - deux\n   - trois\n2. quatre"
    )


def test_an_item_of_two_paragraphs_hangs_together() -> None:
    assert letter("- un\n\n  deux") == "- un\n\n  deux"


def test_an_empty_item_is_its_mark() -> None:
    assert letter("- un\n-\n- trois") == "- un\n-\n- trois"


def test_code_is_indented_and_never_wrapped() -> None:
    assert letter("```\nun  deux\n\ntrois\n```", width=5) == "    un  deux\n\n    trois"


def test_a_rule_is_three_stars() -> None:
    assert letter("a\n\n---\n\nb") == "a\n\n* * *\n\nb"


def test_an_image_is_its_alternative_text() -> None:
    assert letter("Voir ![le plan](https://a.fr/b.png)") == "Voir le plan"


def test_a_link_is_followed_by_its_number() -> None:
    assert letter("Lire [le *texte*](https://a.fr/b).") == "Lire le texte [1]."


def test_the_list_of_links_shows_each_address() -> None:
    links = LinkList()
    to_text("[a](https://a.fr) [é](https://b.fr/é)", language="fr", links=links)
    assert links.lines() == ["[1] https://a.fr", "[2] https://b.fr/%C3%A9"]


def test_numbers_go_on_from_one_block_to_the_next() -> None:
    links = LinkList()
    texts = [
        to_text(f"[x](https://{host}.fr)", language="fr", links=links) for host in ("a", "b", "a")
    ]
    assert texts == ["x [1]", "x [2]", "x [1]"]


def test_a_list_of_links_gives_its_addresses_once_each() -> None:
    links = LinkList()
    assert [links.add("a"), links.add("b"), links.add("a"), len(links)] == [1, 2, 1, 2]
    assert list(links) == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<https://exemple.fr/a>", "https://exemple.fr/a"),
        ("[https://exemple.fr/a](https://exemple.fr/a)", "https://exemple.fr/a"),
        ("[exemple.fr](https://www.exemple.fr/)", "https://www.exemple.fr/"),
        ("[www.exemple.fr](https://exemple.fr)", "https://exemple.fr"),
        ("[https://é.fr/é](https://é.fr/é)", "https://xn--9ca.fr/%C3%A9"),
        ("<https://é.fr/é>", "https://xn--9ca.fr/%C3%A9"),
        ("[](https://exemple.fr)", "https://exemple.fr"),
        ("<redaction@exemple.fr>", "redaction@exemple.fr"),
        ("[redaction@exemple.fr](mailto:redaction@exemple.fr)", "redaction@exemple.fr"),
        ("[écrire](mailto:redaction@exemple.fr?subject=x)", "écrire (redaction@exemple.fr)"),
        ("[appeler](tel:+33123456789)", "appeler (+33123456789)"),
        ("[l’agenda](#agenda)", "l’agenda"),
    ],
)
def test_a_link_that_says_where_it_leads_has_no_number(source: str, shown: str) -> None:
    links = LinkList()
    assert (to_text(source, language="fr", links=links), len(links)) == (shown, 0)


def test_a_link_to_a_tag_is_numbered_by_its_token() -> None:
    links = LinkList()
    to_text(protect("[partir]({{unsubscribe_url}})", {}), language="fr", links=links)
    assert links.lines() == ["[1] " + encode(MergeTag("unsubscribe_url", ""))]


def test_a_token_takes_as_many_columns_as_its_fallback() -> None:
    source = protect("Bonjour {{first_name|à tous}} ensemble", {})
    assert letter(source, width=22).split("\n")[0].count(" ") == 1
    assert "\n" not in letter(source, width=23)


def test_an_empty_source_is_nothing() -> None:
    assert letter("  \n\n") == ""


def test_a_very_deep_quotation_still_has_room_for_words() -> None:
    assert letter("> " * 15 + "un deux trois", width=30).endswith("> un deux trois")


def test_characters_that_xml_forbids_are_gone() -> None:
    assert letter("a\x00\ud800b&#12;c\n\n```\nd\x01e\n```") == "abc\n\n    de"


_PIECES = [
    "mot",
    " ",
    "\n",
    "\n\n",
    "> ",
    "- ",
    "1. ",
    "# ",
    "**",
    "`",
    "[a](https://a.fr)",
    "  \n",
]
sources = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join) | st.text()


@given(sources)
def test_no_line_ends_with_a_space_unless_it_is_code(source: str) -> None:
    text = letter(source)
    assert not re.search(r"^(?!    ).* $", text, re.MULTILINE)


@given(st.lists(st.sampled_from(["mot", "é", "[a](https://a.fr)", "\n> ", "\n- ", "\n\n"])))
def test_no_line_is_wider_than_asked(words: list[str]) -> None:
    lines = letter(" ".join(words), width=40).split("\n")
    assert all(display_width(line) <= 40 for line in lines)


@given(sources)
def test_there_are_never_two_empty_lines_outside_code(source: str) -> None:
    text = letter(source.replace("`", "").replace("    ", ""))
    assert "\n\n\n" not in re.sub(r"(?m)^    .*$", "x", text)
