"""Dates and hours read as a French or an English reader expects them."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.dates import (
    NotATime,
    clock,
    day_month,
    long_date,
    month_year,
    numeric,
    short_date,
    time_range,
)

FRIDAY = date(2025, 3, 7)
FIRST = date(2025, 3, 1)


@pytest.mark.parametrize(
    ("day", "language", "said"),
    [
        (FRIDAY, "fr", "vendredi 7\xa0mars 2025"),
        (FIRST, "fr", "samedi 1er\xa0mars 2025"),
        (FRIDAY, "fr-CA", "vendredi 7\xa0mars 2025"),
        (FRIDAY, "en", "Friday 7\xa0March 2025"),
        (FIRST, "en", "Saturday 1\xa0March 2025"),
        (date(2025, 8, 31), "fr", "dimanche 31\xa0août 2025"),
    ],
)
def test_a_long_date_is_said_in_full(day: date, language: str, said: str) -> None:
    assert long_date(day, language) == said


@pytest.mark.parametrize(("language", "said"), [("fr", "ven. 7\xa0mars"), ("en", "Fri 7\xa0Mar")])
def test_a_short_date_is_abbreviated(language: str, said: str) -> None:
    assert short_date(FRIDAY, language) == said


@pytest.mark.parametrize(("language", "said"), [("fr", "1er\xa0mars"), ("en", "1\xa0March")])
def test_only_french_says_premier(language: str, said: str) -> None:
    assert day_month(FIRST, language) == said


@pytest.mark.parametrize(("language", "said"), [("fr", "mars 2025"), ("en", "March 2025")])
def test_a_month_is_said_with_its_year(language: str, said: str) -> None:
    assert month_year(FRIDAY, language) == said


@pytest.mark.parametrize("language", ["fr", "en"])
def test_figures_put_the_day_first(language: str) -> None:
    assert numeric(FRIDAY, language) == "07/03/2025"


@pytest.mark.parametrize(
    ("moment", "french", "english"),
    [
        ("13:30", "13\xa0h\xa030", "1:30\xa0pm"),
        ("09:00", "9\xa0h", "9\xa0am"),
        ("9h05", "9\xa0h\xa005", "9:05\xa0am"),
        ("18 h", "18\xa0h", "6\xa0pm"),
        ("13:30:00", "13\xa0h\xa030", "1:30\xa0pm"),
        ("0:00", "0\xa0h", "12\xa0am"),
        ("12:15", "12\xa0h\xa015", "12:15\xa0pm"),
        (time(23, 59), "23\xa0h\xa059", "11:59\xa0pm"),
    ],
)
def test_an_hour_is_said_in_both_languages(moment: str | time, french: str, english: str) -> None:
    assert (clock(moment, "fr"), clock(moment, "en")) == (french, english)


@pytest.mark.parametrize("moment", ["", "24:00", "13:60", "midi", "1330", "13:3", "-1:00", ":30"])
def test_what_is_no_hour_is_refused(moment: str) -> None:
    with pytest.raises(NotATime):
        clock(moment, "fr")


@given(st.times())
def test_an_hour_said_in_french_can_be_read_again(moment: time) -> None:
    said = clock(moment, "fr")
    assert clock(said, "fr") == said


def test_a_range_says_from_when_to_when() -> None:
    assert time_range("13:30", "15:00", "fr") == "de 13\xa0h\xa030 à 15\xa0h"


def test_a_range_is_said_in_english_too() -> None:
    assert time_range("13:30", "15:00", "en") == "from 1:30\xa0pm to 3\xa0pm"


def test_a_range_without_an_end_is_its_start() -> None:
    assert time_range("13:30", None, "fr") == "13\xa0h\xa030"


@given(st.dates(), st.sampled_from(["fr", "en"]))
def test_no_line_can_break_between_a_day_and_its_month(day: date, language: str) -> None:
    assert " " not in day_month(day, language)
