"""A kept entry in the letter's text: only added lines, everything else as it was."""

import difflib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.text.document import Document, parse_document
from pipeline.text.merge import find_tags
from pipeline.veille.feeds import parse_feed
from pipeline.veille.item import item_of
from pipeline.veille.keep import cited, keep_item
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
