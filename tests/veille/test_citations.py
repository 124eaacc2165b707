"""What the letters cite, read from their files into both databases."""

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from pipeline.store.engine import reading
from pipeline.store.entries import citation, cited_letter
from pipeline.veille.card import Cited, Filter
from pipeline.veille.citations import refresh_citations
from pipeline.veille.entries import list_cards, put_page
from pipeline.veille.keep import linked_pages
from pipeline.workspace import Workspace
from tests.veille.builders import LETTER, NOW, a_letter, a_workspace, an_entry


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return a_workspace(tmp_path / "espace")


def cited(engine: Engine) -> set[tuple[str, str]]:
    with reading(engine) as connection:
        rows = connection.execute(select(citation.c.slug, citation.c.canonical_url))
        return {(row.slug, row.canonical_url) for row in rows}


def letter(*blocks: str, number: str = "43") -> str:
    return f"number: {number}\nblocks:\n" + "".join(f"  - {block}\n" for block in blocks)


def test_a_card_says_which_letters_cite_its_page_the_newest_first(
    engine: Engine, workspace: Workspace
) -> None:
    page = an_entry("https://www.lecture.example/a?b=1&xtor=RSS-1", title="La même", feed_url="")
    a_letter(workspace, "2026-10-01-ancienne", LETTER.replace("43", "41"))
    a_letter(workspace, "2026-11-01-recente", LETTER.replace("43", "42"))
    a_letter(workspace, "2026-11-02-autre", letter("{block: credits, body: Merci}"))

    assert refresh_citations(engine, workspace) == 3
    card = put_page(engine, page, by="", now=NOW)

    assert card.cited_in == (
        Cited(slug="2026-11-01-recente", number="42", title="Une lecture"),
        Cited(slug="2026-10-01-ancienne", number="41", title="Une lecture"),
    )
    assert list_cards(engine, Filter(is_cited=True)).cards == (card,)
    assert list_cards(engine, Filter(is_cited=False)).cards == ()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"block": "veille", "items": [{"title": "T", "url": "https://u.example/1"}]}, [("T", "https://u.example/1")]),
        ({"block": "agenda", "events": [{"title": "T", "url": "https://u.example/1"}]}, [("T", "https://u.example/1")]),
        ({"block": "bouton", "label": "Là", "url": "https://u.example/1"}, [("https://u.example/1", "https://u.example/1")]),
        ({"block": "article", "heading": "H", "link": "https://u.example/1"}, [("H", "https://u.example/1")]),
        ({"block": "en-bref", "items": ["Un [mot *fort*](https://a.example/)."]},
         [("mot fort", "https://a.example/")]),
        ({"block": "edito", "body": "Voir [ici][1] et <https://b.example/x>.\n\n"
          "> - [là](<https://c.example/>)\n\n[1]: https://a.example/ \"T\"\n"},
         [("ici", "https://a.example/"), ("https://b.example/x", "https://b.example/x"),
          ("là", "https://c.example/")]),
        ({"block": "edito", "body": "`[a](https://a.example/)` \\[b](https://a.example/)"
          " ![c](https://a.example/c.png) [d]() [e](javascript:x://y)"}, []),
        ({"block": "edito", "hidden": True, "body": "[a](https://a.example/)"},
         [("a", "https://a.example/")]),
        ("edito", []),
        ({"url": ["https://a.example/"]}, []),
    ],
)  # fmt: skip
def test_fields_and_markdown_links_of_every_block_count(
    block: Any, expected: list[tuple[str, str]]
) -> None:
    assert list(linked_pages({"blocks": [block]})) == expected


@pytest.mark.parametrize("values", [None, [], "x", {}, {"blocks": None}, {"blocks": "x"}])
def test_what_is_no_letter_links_to_nothing(values: Any) -> None:
    assert list(linked_pages(values)) == []


def test_only_web_pages_are_cited_each_once_by_its_key(
    engine: Engine, workspace: Workspace
) -> None:
    urls = [
        "https://www.a.example/x?utm_source=y", "http://a.example/x#top", "mailto:a@b.example",
        "x", "", "https://b.example", "http://[::1", "https://www.google.com/url?q=https://c.example/z",
    ]  # fmt: skip
    a_letter(workspace, "l", letter(*(f"{{block: bouton, url: '{url}'}}" for url in urls)))

    refresh_citations(engine, workspace)

    pages = {"https://a.example/x", "https://b.example/", "https://c.example/z"}
    assert cited(engine) == {("l", page) for page in pages}


def test_only_letters_that_changed_are_read_again_and_those_gone_are_forgotten(
    engine: Engine, workspace: Workspace
) -> None:
    one = a_letter(workspace, "l-1") / "issue.yaml"
    two = a_letter(workspace, "l-2") / "issue.yaml"
    assert refresh_citations(engine, workspace) == 2
    assert refresh_citations(engine, workspace) == 0

    one.write_text(LETTER.replace("lecture.example", "nouvelle.example"), encoding="utf-8")
    os.utime(one, ns=(1, 1))
    assert refresh_citations(engine, workspace) == 1
    assert cited(engine) == {
        ("l-1", "https://nouvelle.example/a?b=1"),
        ("l-2", "https://lecture.example/a?b=1"),
    }

    two.unlink()
    assert refresh_citations(engine, workspace) == 0
    assert cited(engine) == {("l-1", "https://nouvelle.example/a?b=1")}
    with reading(engine) as connection:
        assert connection.scalars(select(cited_letter.c.slug)).all() == ["l-1"]


@pytest.mark.parametrize("broken", ["blocks: [", "", "- a", "a: &b 1\nc: *b\n", "\x00"])
def test_a_letter_with_mistakes_is_passed_over_and_keeps_what_it_cited(
    engine: Engine, workspace: Workspace, broken: str
) -> None:
    a_letter(workspace, "l-2")
    file = a_letter(workspace, "l-1") / "issue.yaml"
    never = a_letter(workspace, "l-3", "title: [\n")
    refresh_citations(engine, workspace)
    before = cited(engine)

    file.write_text(broken, encoding="utf-8")
    assert refresh_citations(engine, workspace) == 1
    assert refresh_citations(engine, workspace) == 0

    kept = {"l-1", "l-2"} if broken in ("blocks: [", "a: &b 1\nc: *b\n", "\x00") else {"l-2"}
    assert cited(engine) == {one for one in before if one[0] in kept}
    assert never.name not in {slug for slug, _ in cited(engine)}


def test_a_workspace_without_letters_cites_nothing(engine: Engine, workspace: Workspace) -> None:
    assert refresh_citations(engine, workspace) == 0
