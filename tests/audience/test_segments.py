"""The rules of segments: read, written, and asked of people; SQL is held against them elsewhere."""

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.segments import Both, Either, Is, Not, Rule, matches, parse_rule
from pipeline.errors import InputError

FIELDS = ("language", "segment", "domain", "first_name", "last_name")
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
NAMES = st.text(st.sampled_from("abcz_.é 09-"), min_size=1, max_size=8)


def rules() -> st.SearchStrategy[Rule]:
    fields = st.sampled_from(FIELDS) | NAMES.map("attribute.{}".format)
    return st.recursive(
        st.builds(Is, fields, TEXTS | st.sampled_from(["and", "or", "not", '"', "\\"])),
        lambda inner: (
            st.builds(Not, inner) | st.builds(Both, inner, inner) | st.builds(Either, inner, inner)
        ),
        max_leaves=8,
    )


@dataclass(frozen=True)
class Someone:
    address: str = "zoe@xn--caf-dma.example"
    first_name: str = "Zoé"
    last_name: str = "Le Goff"
    language: str = "fr"
    segments: frozenset[str] = frozenset({"benevoles", "conseil municipal"})
    attributes: dict[str, str] = field(default_factory=lambda: {"ville": "Le Mans"})


@given(rules())
def test_a_rule_written_down_reads_the_same(rule: Rule) -> None:
    assert parse_rule(str(rule)) == rule


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_told_what_is_wrong(text: str) -> None:
    with suppress(InputError):
        assert parse_rule(str(parse_rule(text))) == parse_rule(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("language = fr and segment = benevoles", True),
        ("language != fr or segment != benevoles", False),
        ("not language = en and not segment = x", True),
        ('attribute.ville = "Le Mans"', True),
        ("attribute.ville != Amiens", True),
        ("attribute.metier != x", True),
        ('attribute.metier = ""', False),
        ("domain = café.example", True),
        ("domain = xn--caf-dma.example", True),
        ('segment = "conseil municipal" and (first_name = Zoé or first_name = Ana)', True),
        ("language = en or language = fr and segment = x", False),
        ("(language = en or language = fr) and segment = benevoles", True),
        ('last_name="Le Goff"', True),
    ],
)
def test_a_rule_means_what_it_says(text: str, holds: bool) -> None:
    assert matches(parse_rule(text), Someone()) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found “the end”, expected language, segment"),
        ("ville = Amiens", "character 1: found “ville”, expected language, segment"),
        ("language fr", "character 10: found “fr”, expected =, !="),
        ("language = ", "found “the end”, expected …"),
        ("language = fr segment = x", "character 15: found “segment”, expected and, or"),
        ("(language = fr", "found “the end”, expected )"),
        ("language = and", "found “and”"),
        ('language = "fr', 'character 12: found “"”'),
        ("attribute. = x", "found “attribute.”"),
        ("language = fr\x00", "control character at 14"),
        ("not " * 60 + "language = fr", "more than 40 levels"),
        ("(" * 60 + "language = fr" + ")" * 60, "more than 40 levels"),
        ("x" * 5000, "more than 4000 characters"),
    ],
)
def test_a_slip_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as told:
        parse_rule(text)
    assert said in str(told.value)
