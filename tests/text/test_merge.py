"""Merge tags are found, become tokens that survive every step, and come back."""

import re

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from pipeline.text.merge import (
    MERGE_TAGS,
    TOKEN,
    MergeTag,
    NotAToken,
    decode,
    encode,
    find_tags,
    is_url_token,
    protect,
    restore,
)
from pipeline.text.typography import typeset


def as_written(tag: MergeTag) -> str:
    return f"{{{{{tag.name}|{tag.fallback}}}}}"


# What may stand between the bar and the closing braces, inner spaces aside.
fallbacks = st.text().filter(lambda f: (f + "}}").find("}}") == len(f) and "{{" not in f)
tags = st.builds(MergeTag, st.sampled_from(sorted(MERGE_TAGS)), fallbacks.map(str.strip))


def test_every_name_is_explained_in_both_languages() -> None:
    assert all(name.label_fr and name.label_en for name in MERGE_TAGS.values())


def test_the_list_knows_which_tags_differ_from_one_recipient_to_the_next() -> None:
    assert {name for name, entry in MERGE_TAGS.items() if entry.per_recipient} == {
        "first_name",
        "last_name",
        "email",
        "unsubscribe_url",
        "preferences_url",
    }


def test_a_tag_is_found_where_it_stands() -> None:
    (tag,) = find_tags("Bonjour {{first_name|à tous}} !")
    assert (tag.start, tag.end) == (8, 29)


def test_inner_spaces_belong_to_nothing() -> None:
    (tag,) = find_tags("{{ first_name | à tous }}")
    assert (tag.name, tag.fallback) == ("first_name", "à tous")


def test_a_tag_without_a_bar_has_an_empty_fallback() -> None:
    assert [tag.fallback for tag in find_tags("{{email}}")] == [""]


@pytest.mark.parametrize("name", ["prénom", "first name", "first-name", "a.b", ""])
def test_an_unknown_name_is_found_as_it_was_written(name: str) -> None:
    assert [tag.name for tag in find_tags(f"{{{{{name}|x}}}}")] == [name]


@pytest.mark.parametrize("source", ["{{first_name", "{{first_name|x}", "{first_name}", "{{a\nb}}"])
def test_braces_that_do_not_close_are_no_tag(source: str) -> None:
    assert find_tags(source) == []


def test_a_tag_nobody_closed_does_not_swallow_the_next_one() -> None:
    assert [tag.name for tag in find_tags("{{first_name|à tous\n\n{{date}}")] == ["date"]


def test_a_value_known_now_is_put_in() -> None:
    assert protect("N° {{ number }}", {"number": "87"}) == "N° 87"


def test_an_empty_value_gives_way_to_the_fallback() -> None:
    assert protect("N° {{number|0}}", {"number": ""}) == "N° 0"


def test_an_unknown_tag_stays_as_it_was_written() -> None:
    assert protect("{{prenom|x}}", {}) == "{{prenom|x}}"


def test_a_title_with_stars_stays_literal_in_markdown() -> None:
    source = protect("{{title}}", {"title": "*a* _b_ [c](d) `e` <f> &amp; #"}, markdown=True)
    shown = MarkdownIt("commonmark").render(source)
    assert shown == "<p>*a* _b_ [c](d) `e` &lt;f&gt; &amp;amp; #</p>\n"


@pytest.mark.parametrize(
    "title", ["1. Un", "- un", "# un", "+ un", "> un", "a\n\nb", "1) x", "==="]
)
def test_a_title_opens_no_block_in_markdown(title: str) -> None:
    source = protect("{{title}}", {"title": title}, markdown=True)
    assert MarkdownIt("commonmark").render(source).count("<") == 2


@pytest.mark.parametrize("place", ["[x]({url})", "<{url}>", "[x](<{url}>)"])
def test_an_address_put_into_markdown_still_leads_where_it_led(place: str) -> None:
    url = "https://exemple.fr/_a_/b_c?x=1&copy=2"
    source = protect(place.format(url="{{online_url}}"), {"online_url": url}, markdown=True)
    (link,) = lxml_html.fromstring(MarkdownIt("commonmark").render(source)).iter("a")
    assert link.get("href") == url.replace("_", "%5F")


@given(tags)
def test_a_token_is_letters_and_digits_only(tag: MergeTag) -> None:
    assert re.fullmatch("[A-Za-z0-9]+", encode(tag))


@given(tags)
def test_a_token_decodes_to_its_tag(tag: MergeTag) -> None:
    assert decode(encode(tag)) == tag


@given(st.lists(tags | st.text()))
def test_protecting_and_restoring_is_the_identity(parts: list[MergeTag | str]) -> None:
    source = "".join(
        as_written(part) if isinstance(part, MergeTag) else part.replace("{", "").replace("}", "")
        for part in parts
    )
    assert restore(protect(source, {}), as_written) == source


@given(st.text(alphabet="mergeqMERGEQ0a6173|", max_size=40))
def test_a_literal_look_alike_comes_back_as_it_was_written(text: str) -> None:
    assert restore(protect(text, {}), lambda tag: "?") == text


def test_a_lone_surrogate_survives_in_a_fallback() -> None:
    tag = MergeTag("first_name", "\ud800")
    assert decode(encode(tag)) == tag


def test_a_token_written_out_by_an_editor_is_not_resolved() -> None:
    written = encode(MergeTag("email", ""))
    assert restore(protect(f"Voyez {written} !", {}), lambda tag: "secret") == f"Voyez {written} !"


def test_a_look_alike_that_a_value_completes_is_not_resolved() -> None:
    token = encode(MergeTag("email", ""))
    source = protect(token[:9] + "{{title}}", {"title": token[9:]})
    assert restore(source, lambda tag: "secret") == token


def test_tokens_that_touch_words_are_still_found() -> None:
    source = protect("a{{email}}b{{email}}{{email}}q", {})
    assert restore(source, lambda tag: "-") == "a-b--q"


@pytest.mark.parametrize("word", ["", "mergeqq", "mergeqzzq", "mergeqffq", "mergeq61q", "abc"])
def test_a_word_that_is_no_token_is_refused(word: str) -> None:
    with pytest.raises(NotAToken):
        decode(word)


def test_a_malformed_token_stays_where_it_is() -> None:
    assert restore("mergeqffq", lambda tag: "?") == "mergeqffq"


def test_upper_case_does_not_break_a_token() -> None:
    tag = MergeTag("first_name", "à tous")
    assert decode(encode(tag).upper()) == tag


@given(tags)
def test_a_token_survives_markdown_sanitising_and_lxml_in_text(tag: MergeTag) -> None:
    html = nh3.clean(MarkdownIt("commonmark").render(f"a **{encode(tag)}** b"), link_rel=None)
    back = lxml_html.tostring(lxml_html.fromstring(html), encoding="unicode")
    assert [decode(match[0]) for match in TOKEN.finditer(back)] == [tag]


@pytest.mark.parametrize("place", ["[x]({})", "[x](https://exemple.fr/?a={})", "<https://a.fr/{}>"])
def test_a_token_survives_as_a_link_target(place: str) -> None:
    tag = MergeTag("unsubscribe_url", "")
    html = nh3.clean(MarkdownIt("commonmark").render(place.format(encode(tag))), link_rel=None)
    (link,) = lxml_html.fromstring(html).iter("a")
    assert restore(link.get("href") or "", lambda found: found.name).endswith("unsubscribe_url")


@given(tags)
def test_typography_leaves_a_token_alone(tag: MergeTag) -> None:
    assert typeset(f"« {encode(tag)} » !", language="fr") == f"«\xa0{encode(tag)}\xa0»\u202f!"


def test_a_link_may_be_the_token_of_an_address() -> None:
    assert is_url_token(encode(MergeTag("unsubscribe_url", "")))


@pytest.mark.parametrize(
    "text", [encode(MergeTag("first_name", "")), encode(MergeTag("", "mergeq")), "", "https://a.fr"]
)
def test_a_link_may_not_be_another_token(text: str) -> None:
    assert not is_url_token(text)


def test_finding_tags_takes_linear_time() -> None:
    assert find_tags("{{a|" * 50_000 + "{{ " * 50_000 + "{{a" + " " * 100_000) == []
