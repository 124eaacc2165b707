"""Lines of plain text are filled by columns and break at ordinary spaces only."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.merge import MergeTag, encode
from pipeline.text.wrapping import display_width, wrap


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("été", 3),
        ("e\u0301te\u0301", 3),
        ("« l’été… »", 10),
        ("日本", 4),
        ("📅", 2),
        ("a\u200db", 2),
        ("co\u00adop", 4),
        ("10\u202f000\u00a0€", 8),
    ],
)
def test_a_text_takes_the_columns_a_reader_sees(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_a_token_is_as_wide_as_its_fallback() -> None:
    assert display_width(encode(MergeTag("first_name", "à toutes et tous"))) == 16


def test_a_token_without_fallback_is_as_wide_as_a_first_name() -> None:
    assert display_width(encode(MergeTag("first_name", ""))) == 12


def test_a_line_breaks_before_the_word_that_does_not_fit() -> None:
    assert wrap("un deux trois", width=8) == "un deux\ntrois"


def test_a_line_is_filled_to_its_last_column() -> None:
    assert wrap("un deux trois", width=13) == "un deux trois"


@pytest.mark.parametrize("space", ["\u00a0", "\u202f"])
def test_a_line_never_breaks_at_a_no_break_space(space: str) -> None:
    assert wrap(f"C’est vrai{space}?", width=11) == f"C’est\nvrai{space}?"


def test_an_address_wider_than_the_line_is_not_broken() -> None:
    assert wrap("ici https://exemple.fr/a/b/c là", width=10) == "ici\nhttps://exemple.fr/a/b/c\nlà"


def test_prefixes_count_as_columns() -> None:
    assert wrap("un deux trois", width=9, first="- ", rest="  ") == "- un deux\n  trois"


def test_a_line_break_of_the_text_stays() -> None:
    assert wrap("un\ndeux", first="> ", rest="> ") == "> un\n> deux"


def test_an_empty_line_has_no_space_at_its_end() -> None:
    assert wrap("un\n\ndeux", first="> ", rest="> ") == "> un\n>\n> deux"


def test_ideograms_count_double() -> None:
    assert wrap("日本 日本", width=8) == "日本\n日本"


@given(st.text(alphabet="ab é\u00a0\u202f日📅", max_size=200), st.integers(4, 40))
def test_no_line_with_two_words_is_too_wide(text: str, width: int) -> None:
    lines = wrap(text, width=width).split("\n")
    assert all(display_width(line) <= width for line in lines if " " in line)


@given(st.text(alphabet="ab é\u00a0\u202f日📅", max_size=200), st.integers(4, 40))
def test_filling_lines_loses_and_adds_no_word(text: str, width: int) -> None:
    wrapped = wrap(text, width=width).replace("\n", " ")
    assert wrapped.split(" ") == ([word for word in text.split(" ") if word] or [""])


@given(st.text(alphabet="ab é\u00a0日", max_size=200), st.integers(4, 40))
def test_a_line_takes_every_word_that_fits(text: str, width: int) -> None:
    lines = wrap(text, width=width).split("\n")
    follows = pairwise(lines)
    assert all(display_width(f"{line} {after.split(' ')[0]}") > width for line, after in follows)
