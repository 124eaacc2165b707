import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.issues.edit import append_item, set_value
from pipeline.text.document import parse_document, walk

LETTERS = sorted((Path(__file__).parents[2] / "issues").glob("*/issue.yaml"))

LETTER = """\
# tête
number: 46   # n°
title: Des cafés
subtitle: "x: y"

blocks:
  - block: edito
    body: |
      Bonjour.

      Deux.

  # commentaire avant
  - block: agenda
    events:
      - {date: 2026-11-21, title: A, url: https://a.example}
      - {date: 2026-11-22, title: B}   # fin

  - block: veille   # v
    items:
      - title: T
        authors: [a, b]
        body: >-
          plié
          ici

  # dernier
  - block: credits
    body: court
# pied
"""


def hunks(old: str, new: str) -> list[tuple[list[str], list[str]]]:
    """Return the changed places: the lines gone and the lines come."""
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        (before[i1:i2], after[j1:j2])
        for kind, i1, i2, j1, j2 in matcher.get_opcodes()
        if kind != "equal"
    ]


@pytest.mark.parametrize(
    ("path", "value", "gone", "come"),
    [
        (("title",), "Nouveau", ["title: Des cafés"], ["title: Nouveau"]),
        (("number",), 47, ["number: 46   # n°"], ["number: 47   # n°"]),
        (("subtitle",), "a : b", ['subtitle: "x: y"'], ["subtitle: 'a : b'"]),
        (("subject",), "S", [], ["subject: S"]),
        (("blocks", 3, "heading"), "H", [], ["    heading: H"]),
        (("blocks", 3, "body"), "Un\nDeux", ["    body: court"],
         ["    body: |-", "      Un", "      Deux"]),
        (("blocks", 0, "body"), "Bonjour.\n\nTrois.\n", ["      Deux."], ["      Trois."]),
        (("blocks", 2, "items", 0, "body"), "net",
         ["        body: >-", "          plié", "          ici"], ["        body: net"]),
        (("blocks", 1, "events", 0, "city"), "Lille",
         ["      - {date: 2026-11-21, title: A, url: https://a.example}"],
         ["      - {date: 2026-11-21, title: A, url: https://a.example, city: Lille}"]),
        (("blocks", 1, "events", 1, "date"), "2026-12-01",
         ["      - {date: 2026-11-22, title: B}   # fin"],
         ["      - {date: 2026-12-01, title: B}   # fin"]),
    ],
)  # fmt: skip
def test_one_field_changed_is_one_hunk_changed(
    path: tuple[str | int, ...], value: object, gone: list[str], come: list[str]
) -> None:
    assert hunks(LETTER, set_value(LETTER, path, value)) == [(gone, come)]


@pytest.mark.parametrize(
    ("path", "value", "come"),
    [
        (("blocks", 2, "items"), {"title": "U", "authors": ["q"], "body": "Un\n\nDeux\n"},
         ["      - title: U", "        authors:", "          - q", "        body: |",
          "          Un", "", "          Deux"]),
        (("blocks", 1, "events"), {"date": "2026-12-01", "title": "C"},
         ["      - date: 2026-12-01", "        title: C"]),
        (("blocks", 3, "items"), {"a": 1}, ["    items:", "      - a: 1"]),
        (("blocks",), {"block": "texte", "body": "x"},
         ["  - block: texte", "    body: x"]),
    ],
)  # fmt: skip
def test_an_item_is_added_behind_the_last_and_nothing_else_moves(
    path: tuple[str | int, ...], value: object, come: list[str]
) -> None:
    assert hunks(LETTER, append_item(LETTER, path, value)) == [([], come)]


def test_an_item_joins_a_list_on_one_line() -> None:
    changed = append_item(LETTER, ("blocks", 2, "items", 0, "authors"), "c")
    assert hunks(LETTER, changed) == [(["        authors: [a, b]"], ["        authors: [a, b, c]"])]


def test_windows_line_endings_stay() -> None:
    old = LETTER.replace("\n", "\r\n")
    changed = set_value(old, ("blocks", 3, "body"), "Un\nDeux\n")
    assert changed.count("\n") == changed.count("\r\n")


@pytest.mark.parametrize("path", [("blocks", 9, "body"), ("blocks", 0, "body", "x"), ("no", "way")])
def test_a_path_that_leads_nowhere_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(InputError, match="no place"):
        set_value(LETTER, path, "x")


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
    | st.sampled_from("\n#:-'\"{[|>&*!%@"),
    max_size=60,
)


@given(letter=st.sampled_from(LETTERS), data=st.data(), value=texts)
def test_any_text_field_of_the_letters_takes_any_text_in_one_hunk(
    letter: Path, data: st.DataObject, value: str
) -> None:
    old = letter.read_bytes().decode()
    document = parse_document(old.encode(), path="x")
    assert document.text == old
    paths = [path for path, found in walk(document.values) if isinstance(found, str)]
    path = data.draw(st.sampled_from(paths))
    new = set_value(old, path, value)
    wanted: Any = document.values
    for step in path[:-1]:
        wanted = wanted[step]
    wanted[path[-1]] = value
    assert parse_document(new.encode(), path="x").values == document.values
    around = document.spans[path]
    before = old[: old.rfind("\n", 0, around.start) + 1]
    assert new.startswith(before)
    kept = old.count("\n", around.end)
    assert kept == 0 or new.endswith(old.split("\n", old.count("\n") - kept + 1)[-1])


@given(letter=st.sampled_from(LETTERS), title=texts.filter(bool), body=texts)
def test_any_item_can_be_added_to_any_letter(letter: Path, title: str, body: str) -> None:
    old = letter.read_bytes().decode()
    item = {"block": "texte", "heading": title, "body": body}
    new = append_item(old, ("blocks",), item)
    assert parse_document(new.encode(), path="x").values["blocks"][-1] == item
    changed = hunks(old, new)
    assert len(changed) == 1
    assert changed[0][0] == []
