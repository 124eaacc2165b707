"""The schema that editors complete from says the same as the letters that are read."""

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from pipeline.blocks.schema import (
    BLOCK_FILE,
    COMMON,
    FORMATS,
    block_schema,
    letter_schema,
    texts_of,
)
from pipeline.text.document import parse_document
from tests.builders import a_library, an_issue_text

ISSUES: Final = sorted((Path(__file__).parents[2] / "issues").glob("2*/issue.yaml"))

every_letter = pytest.mark.parametrize("file", ISSUES, ids=lambda file: file.parent.name)
every_block = pytest.mark.parametrize("name", sorted(a_library()))


def validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(letter_schema(a_library()))


def read(text: str) -> Any:
    return parse_document(text.encode(), path="issue.yaml").values


def faults(letter: Any) -> list[str]:
    return [error.message for error in validator().iter_errors(letter)]


def test_the_schema_of_a_letter_is_valid_2020_12() -> None:
    schema = letter_schema(a_library())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator(schema)


@every_block
def test_the_schema_of_a_block_is_valid_2020_12(name: str) -> None:
    schema = block_schema(a_library()[name])
    jsonschema_rs.meta.validate(schema | {"$schema": letter_schema(a_library())["$schema"]})
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])


def test_what_a_block_yaml_may_hold_is_itself_a_valid_schema() -> None:
    assert jsonschema_rs.meta.is_valid(BLOCK_FILE)


def test_six_letters_ship() -> None:
    assert len(ISSUES) == 6


@every_letter
def test_a_real_letter_is_accepted(file: Path) -> None:
    assert faults(read(file.read_text(encoding="utf-8"))) == []


@every_letter
def test_an_unknown_field_of_a_real_letter_is_refused(file: Path) -> None:
    letter = read(file.read_text(encoding="utf-8"))
    assert len(faults(letter | {"colour": "red"})) == 1
    for index in range(len(letter["blocks"])):
        changed = deepcopy(letter)
        changed["blocks"][index]["colour"] = "red"
        assert len(faults(changed)) == 1


@every_block
def test_the_example_of_a_block_is_accepted_and_a_stray_field_beside_it_is_not(name: str) -> None:
    block: dict[str, Any] = {"block": name, **a_library()[name].example}
    assert faults(read(an_issue_text(block))) == []
    assert len(faults(read(an_issue_text(block | {"colour": "red"})))) == 1


@every_block
def test_each_required_field_is_missed(name: str) -> None:
    block = a_library()[name]
    for field in block.schema.get("required", ()):
        values = {key: value for key, value in block.example.items() if key != field}
        assert len(faults(read(an_issue_text({"block": name, **values})))) == 1


@every_block
def test_no_field_of_a_block_hides_a_common_one(name: str) -> None:
    assert set(a_library()[name].properties).isdisjoint({"block", *COMMON})


def test_an_unknown_field_inside_an_item_is_refused() -> None:
    events = [{"date": "2026-11-26", "title": "a", "colour": "red"}]
    assert len(faults(read(an_issue_text({"block": "agenda", "events": events})))) == 1


@pytest.mark.parametrize(
    "letter",
    [
        an_issue_text({"block": "agneda"}),
        an_issue_text({"heading": "Sans bloc"}),
        an_issue_text({"block": "bouton", "label": "a", "url": 3}),
        an_issue_text({"block": "texte", "body": ""}),
        an_issue_text({"block": "texte", "body": "a", "id": "Avec Espace"}),
        an_issue_text({"block": "texte", "body": "a", "only": []}),
        an_issue_text({"block": "texte", "body": "a", "hidden": "oui"}),
        an_issue_text(number=-1),
        an_issue_text(title=""),
        an_issue_text(language="de"),
    ],
)
def test_a_letter_at_fault_is_refused(letter: str) -> None:
    assert faults(read(letter))


def test_an_image_without_its_alternative_text_is_refused() -> None:
    video = {"block": "video", "title": "a", "url": "https://a.example", "image": "a.png"}
    assert len(faults(read(an_issue_text(video)))) == 1
    assert faults(read(an_issue_text(video | {"image_alt": "Un chat"}))) == []


def test_a_block_may_carry_what_every_block_may_carry() -> None:
    common = {"heading": "a", "id": "a-1", "hidden": True, "only": ["presse"], "archive": True}
    assert set(common) == set(COMMON)
    assert faults(read(an_issue_text({"block": "separateur", **common}))) == []


@every_block
def test_every_text_of_an_example_is_found_with_a_known_format(name: str) -> None:
    block = a_library()[name]
    example = dict(block.example)
    found = {path: (kind, text) for path, kind, text in texts_of(example, block.schema)}
    assert {kind for kind, _ in found.values()} <= {"", *FORMATS}
    for path, (_, text) in found.items():
        value: Any = example
        for step in path:
            value = value[step]
        assert value == text


def test_a_text_in_an_item_of_a_list_is_found_at_its_path() -> None:
    schema = a_library()["agenda"].schema
    values = {"events": [{"title": "a"}, {"title": "b", "date": "2026-11-26"}], "stray": "c"}
    assert list(texts_of(values, schema)) == [
        (("events", 0, "title"), "", "a"),
        (("events", 1, "title"), "", "b"),
        (("events", 1, "date"), "date", "2026-11-26"),
        (("stray",), "", "c"),
    ]
