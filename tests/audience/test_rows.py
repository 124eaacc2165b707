"""Rows of CSV: whatever was written comes back, and a fault swallows nothing."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.rows import DELIMITERS, Row, read_rows
from pipeline.errors import Mistake

CELLS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), include_characters="\n"),
    max_size=12,
)


def rows(text: str) -> list[Row | Mistake]:
    return list(read_rows(io.StringIO(text, newline=""), path="liste.csv"))


@given(st.sampled_from(DELIMITERS), st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6))
def test_what_was_written_is_read(delimiter: str, written: list[tuple[str, str, str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("un", "deux", "trois"), *written])

    found = rows(out.getvalue())

    assert [tuple(one.cells) for one in found[1:] if isinstance(one, Row)] == written
    assert len(found) == len(written) + 1


@given(st.text(st.sampled_from('a";,\n\r\t '), max_size=60))
def test_any_text_is_read_to_its_end(text: str) -> None:
    lines = [one.line for one in rows(text)]
    assert lines == sorted(set(lines))


def test_a_cell_over_several_lines_keeps_the_numbers_of_those_after_it() -> None:
    found = rows('email,note\na@b.example,"une\nnote\nlongue"\nc@d.example,\n')
    assert [one.line for one in found] == [1, 2, 5]


def test_a_mark_that_is_never_closed_takes_its_own_line_alone() -> None:
    found = rows('email,nom\na@b.example,"Zoé\nc@d.example,Ana\ne@f.example,"Le ""Grand"""\n')
    assert [(one.line, isinstance(one, Mistake)) for one in found[1:]] == [
        (2, True),
        (3, False),
        (4, False),
    ]


def test_two_marks_that_are_never_closed_take_their_own_lines_alone() -> None:
    found = rows('email,nom\na@b.example,"Zoé\nc@d.example,Ana\ne@f.example,"Léa\ng@h.example,x\n')
    assert [one.line for one in found if isinstance(one, Mistake)] == [2, 4]
    assert [one.line for one in found if isinstance(one, Row)] == [1, 3, 5]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,b,c", "3 cells in a row, where the first line has 2"),
        ("a\x00,b", "control character"),
        ("a,\ufffd", "cannot be read"),
        ("a" * 20_001 + ",b", "at most 20000"),
    ],
)
def test_a_row_that_cannot_be_read_is_told(line: str, said: str) -> None:
    [_, mistake, after] = rows(f"un,deux\n{line}\nx,y\n")
    assert isinstance(mistake, Mistake)
    assert said in mistake.what("en")
    assert mistake.line == 2
    assert isinstance(after, Row)


def test_short_rows_are_filled_and_empty_ones_left_out() -> None:
    found = rows("\ufeffun;deux\r\n;\r\n\r\nx\r\n")
    assert [(one.cells, one.line) for one in found if isinstance(one, Row)] == [
        (["un", "deux"], 1),
        (["x", ""], 4),
    ]
