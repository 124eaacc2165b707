"""Slugs are short, readable, never empty, and never twice the same on a page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.merge import protect
from pipeline.text.slugs import NAMELESS, slugify, unique_slugs


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Des cafés partout en France !", "des-cafes-partout-en-france"),
        ("L’été, l'hiver", "l-ete-l-hiver"),
        ("📅 Les prochains rendez-vous", "les-prochains-rendez-vous"),
        ("Au cœur de l’œuvre", "au-coeur-de-l-oeuvre"),
        ("✦ En bref ✦", "en-bref"),
        ("N° 87 : 12\u202f000 « likes »", "n-87-12-000-likes"),
    ],
)
def test_a_title_becomes_a_slug_one_can_read(title: str, slug: str) -> None:
    assert slugify(title) == slug


@pytest.mark.parametrize("title", ["", "📅", "✦ ✦", "…", "   "])
def test_a_title_without_letters_still_has_a_slug(title: str) -> None:
    assert slugify(title) == NAMELESS


def test_a_long_title_is_cut_between_words() -> None:
    assert slugify("liberté égalité fraternité", max_length=18) == "liberte-egalite"


def test_a_merge_tag_is_read_as_its_fallback() -> None:
    assert slugify("Bonjour {{first_name|à tous}}") == "bonjour-a-tous"


def test_a_token_is_read_as_its_fallback() -> None:
    assert slugify(protect("Bonjour {{first_name|à tous}}", {})) == "bonjour-a-tous"


@given(st.text())
def test_a_slug_holds_lower_case_ascii_words_and_hyphens_only(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slugify(title))


def test_the_second_of_the_same_name_is_numbered() -> None:
    assert unique_slugs(["Agenda", "agenda !", "AGENDA"]) == ["agenda", "agenda-2", "agenda-3"]


def test_a_number_that_a_title_took_is_not_given_again() -> None:
    assert unique_slugs(["a", "a 2", "a"]) == ["a", "a-2", "a-3"]


@given(st.lists(st.sampled_from(["a", "a 2", "a 3", "✦", "sans titre", "b"])))
def test_slugs_of_a_page_are_never_twice_the_same(titles: list[str]) -> None:
    slugs = unique_slugs(titles)
    assert len(set(slugs)) == len(titles)
