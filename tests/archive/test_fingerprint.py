"""Two numbers are equal only where the pages would be: each fact that a page shows counts."""

from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest

from pipeline.archive.fingerprint import letter_fingerprint, press_fingerprint
from pipeline.blocks.block import Library
from pipeline.issues.issue import Image, Issue, Part
from pipeline.settings import Theme
from tests.archive.letters import SETTINGS, Workshop

#: Another value for each field of a letter and of a part.
OTHER_ISSUE: dict[str, Any] = {
    "slug": "x",
    "number": 1,
    "title": "x",
    "subtitle": "x",
    "date": date(2020, 1, 1),
    "language": "en",
    "subject": "x",
    "preheader": "x",
    "sender": "x",
    "parts": (),
    "images": {"x.png": Image(path="x.png", digest="x")},
}
OTHER_PART: dict[str, Any] = {
    "id": "x",
    "heading": "x",
    "fields": {"body": "x"},
    "only": frozenset({"x"}),
    "archive": True,
}


@pytest.fixture
def issue(workshop: Workshop) -> Issue:
    return workshop.read(workshop.letter())


def test_every_field_of_a_letter_counts(issue: Issue) -> None:
    number = letter_fingerprint(issue, press="a")
    assert letter_fingerprint(replace(issue), press="a") == number
    assert letter_fingerprint(issue, press="b") != number
    assert {one.name for one in fields(Issue)} == OTHER_ISSUE.keys()
    for name, value in OTHER_ISSUE.items():
        assert letter_fingerprint(replace(issue, **{name: value}), press="a") != number, name


def test_every_field_of_a_part_counts_but_its_place_which_the_order_tells(issue: Issue) -> None:
    number = letter_fingerprint(issue, press="a")
    first, *others = issue.parts
    changes = {**OTHER_PART, "block": others[0].block}
    assert {one.name for one in fields(Part)} == changes.keys() | {"position"}
    for name, value in changes.items():
        changed = replace(issue, parts=(replace(first, **{name: value}), *others))
        assert letter_fingerprint(changed, press="a") != number, name
    swapped = replace(issue, parts=(*others, first))
    assert letter_fingerprint(swapped, press="a") != number


def test_settings_templates_words_logo_and_code_count(workshop: Workshop) -> None:
    press = workshop.press()
    library = press.library
    templates = {**library.templates, "frame/web.css": "x"}
    edito = replace(library["edito"], words={"x": {"fr": "y"}})
    others = [
        replace(press, logo=None),
        replace(press, settings=replace(SETTINGS, theme=Theme(radius=3))),
        replace(press, settings=replace(SETTINGS, site=replace(SETTINGS.site, name="x"))),
        replace(press, library=Library(blocks=library.blocks, templates=templates)),
        replace(
            press,
            library=Library(blocks={**library.blocks, "edito": edito}, templates=library.templates),
        ),
    ]
    numbers = {press_fingerprint(one, code="a") for one in (press, *others)}
    numbers.add(press_fingerprint(press, code="b"))
    assert len(numbers) == len(others) + 2
