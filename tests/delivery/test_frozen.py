"""What is frozen comes back the same from JSON, and any edit gives it another digest."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.frozen import (
    Frozen,
    edition_facts,
    frame_facts,
    read_edition,
    read_frame,
)
from tests.delivery.letters import an_edition
from tests.delivery.mailings import a_frozen

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(subject=texts, html=texts, names=st.frozensets(texts, max_size=3))
def test_an_edition_comes_back_the_same(subject: str, html: str, names: frozenset[str]) -> None:
    edition = replace(an_edition(subject=subject, html=html), variant=names)
    again = read_edition(json.loads(json.dumps(edition_facts(edition))))
    assert (again, again.digest) == (edition, edition.digest)


def test_a_frame_comes_back_the_same() -> None:
    frame = a_frozen().frame
    assert read_frame(json.loads(json.dumps(frame_facts(frame)))) == frame


def test_any_edit_gives_another_digest() -> None:
    first = a_frozen()
    others = [
        a_frozen(subject="Autre"),
        replace(first, segments=("presse",)),
        replace(first, frame=replace(first.frame, address="autre@exemple.example")),
    ]
    assert len({one.digest for one in (first, *others)}) == 4
    assert a_frozen().digest == first.digest


@given(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6), st.frozensets(texts))
def test_a_variant_is_a_bit_a_segment(segments: list[str], others: frozenset[str]) -> None:
    frozen: Frozen = replace(a_frozen(), segments=tuple(segments))
    numbers = {
        frozen.variant_of(frozenset(segments[:count]) | others - set(segments))
        for count in range(len(segments) + 1)
    }
    assert numbers == {(1 << count) - 1 for count in range(len(segments) + 1)}
