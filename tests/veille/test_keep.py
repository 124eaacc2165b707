"""A kept entry in the letter's text: only added lines, everything else as it was."""

import difflib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.text.document import Document, parse_document
from pipeline.text.markdown import plain
from pipeline.text.merge import find_tags
from pipeline.veille.feeds import parse_feed
from pipeline.veille.item import item_of
from pipeline.veille.keep import cited, keep_item, line_of, linked_keys, note_body
from tests.veille.builders import LETTER, NOW, an_entry


def document(text: str) -> Document:
    return parse_document(text.encode(), path="issue.yaml")


def added(before: str, after: str) -> list[str]:
    """Return the lines that were added; fails if any other line changed."""
    found = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    assert [line for line in found if line.startswith(("-", "?"))] == []
    return [line[2:] for line in found if line.startswith("+")]


def test_an_item_goes_behind_the_last_one_and_nothing_else_moves() -> None:
    after = keep_item(document(LETTER), item_of(an_entry(language="en")))

    assert "".join(added(LETTER, after)) == (
        "      - title: Des communs à l’école\n"
        "        url: https://revue.example/a\n"
        "        source: La Revue\n"
        "        authors:\n"
        "          - Ada Martin\n"
        "        date: 2026-11-20\n"
        "        language: en\n"
        "        body: |\n"
        "          Une classe, un wiki.\n"
    )
    items = document(after).values["blocks"][1]["items"]
    assert [item["title"] for item in items] == ["Une lecture", "Des communs à l’école"]


def test_the_first_veille_block_is_the_one() -> None:
    text = "blocks:\n  - block: edito\n" + 2 * "  - block: veille\n    items: []\n"

    blocks = document(keep_item(document(text), item_of(an_entry()))).values["blocks"]

    assert [len(block.get("items", [])) for block in blocks] == [0, 1, 0]


@pytest.mark.parametrize(
    "block",
    [
        "  - block: veille\n    heading: h   # dit\n",
        "  - block: veille\n    items:\n",
        "  - block: veille\n    items: []\n    heading: h\n",
        "  - {block: veille, heading: h}\n",
    ],
)
def test_a_list_of_items_that_is_missing_or_empty_is_begun(block: str) -> None:
    text = f"title: t  # titre\nblocks:\n{block}  # fin\n"

    after = keep_item(document(text), item_of(an_entry()))

    assert document(after).values["blocks"][0]["items"] == [item_of(an_entry())]
    assert "# titre" in after
    assert after.endswith("# fin\n")


def test_a_letter_without_a_veille_block_gets_one() -> None:
    text = "title: t\nblocks:\n  - block: edito\n    body: x   # à revoir\n\n  - block: credits\n"

    after = keep_item(document(text), item_of(an_entry()))

    assert added(text, after)[0] == "  - block: veille\n"
    assert document(after).values["blocks"][-1] == {
        "block": "veille",
        "items": [item_of(an_entry())],
    }


def test_a_letter_without_any_block_gets_its_first() -> None:
    after = keep_item(document("title: t\n# rien\n"), item_of(an_entry()))

    assert document(after).values["blocks"][0]["block"] == "veille"
    assert "# rien" in after


def test_lines_that_end_as_on_windows_still_do() -> None:
    text = LETTER.replace("\n", "\r\n")

    after = keep_item(document(text), item_of(an_entry()))

    assert after.count("\n") == after.count("\r\n") == text.count("\r\n") + 8
    assert len(added(text, after)) == 8


@pytest.mark.parametrize(
    "url",
    ["http://www.lecture.example/a?b=1#x", "https://lecture.example/a?utm_source=rss&b=1"],
)
def test_a_page_that_is_in_the_letter_already_is_refused_by_name(url: str) -> None:
    with pytest.raises(InputError, match="“Une lecture” is in this letter already"):
        keep_item(document(LETTER), item_of(an_entry(url)))


def test_hostile_text_comes_back_as_it_was_said() -> None:
    title = "- # : 'l’état' \"x\" {a: [b]} & *c* !d | > % @ ` #e"
    item = item_of(
        an_entry(title=title, source="@x: y", authors=("null", "1e3", "- z"), excerpt=title)
    )

    (_, kept) = document(keep_item(document(LETTER), item)).values["blocks"][1]["items"]

    assert kept == item
    assert kept["title"] == title


ADDRESSES = st.text(max_size=30) | st.text("()[]<>&;\\#*_é% ", max_size=12)
FOREIGN = st.text(max_size=60) | st.text(alphabet="-#:'\"{}[]&*!|>%@`,? \n\\~=<0e.", max_size=20)


@given(title=FOREIGN, name=FOREIGN, excerpt=FOREIGN, url=FOREIGN)
def test_whatever_a_feed_says_the_letter_holds_it_and_nothing_else_changes(
    title: str, name: str, excerpt: str, url: str
) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": name,
        "items": [
            {
                "url": f"https://a.example/{url}",
                "title": title,
                "summary": excerpt,
                "authors": [{"name": name}],
            }
        ],
    }
    body = json.dumps(feed).encode()
    parsed = parse_feed(body, url="https://a.example/f", content_type="", now=NOW)

    for entry in parsed.entries:
        item = item_of(entry)
        after = keep_item(document(LETTER), item)
        assert document(after).values["blocks"][1]["items"][1] == item
        assert find_tags("".join(added(LETTER, after))) == []


def test_what_a_letter_cites_is_found_by_its_page() -> None:
    values = {
        "blocks": [
            {"block": "en-bref", "items": ["x"]},
            {"block": "bouton", "url": "https://b.example/", "label": "l"},
            None,
        ]
    }

    assert cited(values, "https://b.example/") == "https://b.example/"
    assert cited(values, "https://c.example/") is None
    assert cited(None, "https://c.example/") is None


def test_an_item_of_on_en_parle_has_no_authors_and_no_language() -> None:
    text = "blocks:\n  - block: on-en-parle\n    items:\n      - title: Une autre   # dite\n"

    after = keep_item(document(text), item_of(an_entry(language="en")), block="on-en-parle")

    assert "".join(added(text, after)) == (
        "      - title: Des communs à l’école\n"
        "        url: https://revue.example/a\n"
        "        source: La Revue\n"
        "        date: 2026-11-20\n"
        "        body: |\n"
        "          Une classe, un wiki.\n"
    )


def test_an_item_of_en_bref_is_one_line_of_markdown() -> None:
    text = "blocks:\n  - block: en-bref\n    items:\n      - |\n        **Un** mot   # gardé\n"

    after = keep_item(document(text), item_of(an_entry(excerpt="")), block="en-bref")

    assert "".join(added(text, after)) == (
        "      - |\n        [Des communs à l’école](https://revue.example/a) (La Revue)\n"
    )


def test_a_note_follows_the_line_of_en_bref_in_the_way_of_the_letters_language() -> None:
    item = {**item_of(an_entry()), "body": note_body("Un texte\n\nsur deux paragraphes.")}

    assert line_of(item, language="fr") == (
        "[Des communs à l’école](https://revue.example/a) (La Revue)"
        " : Un texte sur deux paragraphes.\n"
    )
    assert "(La Revue): Un texte" in line_of(item, language="en")


def test_a_block_that_takes_no_items_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match="choose one of veille, on-en-parle, en-bref"):
        keep_item(document(LETTER), item_of(an_entry()), block="agenda")


def test_a_page_that_stands_in_en_bref_already_is_refused() -> None:
    text = keep_item(document(LETTER), item_of(an_entry()), block="en-bref")

    with pytest.raises(InputError, match="“Des communs à l’école” is in this letter already"):
        keep_item(document(text), item_of(an_entry()))


def test_a_page_that_a_text_only_mentions_may_become_an_item() -> None:
    text = "blocks:\n  - block: edito\n    body: Voyez [ici](https://revue.example/a).\n"

    assert "block: veille" in keep_item(document(text), item_of(an_entry()))


def test_every_link_of_a_letter_is_known_wherever_it_stands() -> None:
    values = {
        "blocks": [
            {"block": "edito", "body": "Un [lien](https://a.example/1?utm_source=x) et plus."},
            {"block": "article", "link": "https://b.example/"},
            {"block": "en-bref", "items": ["<https://c.example/x>", 3, "https://d.example/ dit"]},
            {"block": "texte", "body": "`[x](https://code.example/)` ![i](https://e.example/i)"},
            None,
        ]
    }

    assert linked_keys(values) == {
        "https://a.example/1",
        "https://b.example/",
        "https://c.example/x",
    }
    assert linked_keys(None) == frozenset()


def test_a_note_writes_no_merge_tag_into_a_letter() -> None:
    body = note_body("Bonjour {{first_name|vous}} {{{email}}}")

    assert find_tags(body) == []
    assert plain(body, language="fr") == "Bonjour {{first_name|vous}} {{{email}}}"


@given(title=FOREIGN, name=FOREIGN, url=ADDRESSES)
def test_whatever_a_feed_says_a_line_of_en_bref_shows_it_and_leads_there(
    title: str, name: str, url: str
) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": name,
        "items": [{"url": f"https://a.example/{url}", "title": title}],
    }
    body = json.dumps(feed).encode()

    for entry in parse_feed(body, url="https://a.example/f", content_type="", now=NOW).entries:
        item = item_of(entry)
        item.pop("body", None)
        after = keep_item(document("blocks: []\n"), item, block="en-bref")
        values = document(after).values
        (line,) = values["blocks"][0]["items"]
        shown = plain(line, language="xx")
        source = f" ({item['source']})" if item.get("source") else ""
        assert shown == " ".join(f"{item['title']}{source}".split(" "))
        assert entry.canonical_url in linked_keys(values)
        assert cited(values, entry.canonical_url) is not None
        assert find_tags(line) == []
