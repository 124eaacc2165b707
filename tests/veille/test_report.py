"""The week in figures: weeks and days, shares that add up, diversity that means something."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.veille.report import (
    Brought,
    Choice,
    Diversity,
    Span,
    make_report,
    measure,
    share_out,
    span_of_days,
    span_of_week,
    week_around,
)
from pipeline.veille.states import State

PARIS = ZoneInfo("Europe/Paris")
WEEK = span_of_week("2026-W48", zone=PARIS)
TUESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC)


def a_choice(ref: str = "a1", **changes: Any) -> Choice:
    found = Choice(
        ref=ref,
        title="Des communs",
        url="https://revue.example/a",
        source="La Revue",
        language="fr",
        state=State.KEPT,
        at=TUESDAY,
        by="Ada",
    )
    return replace(found, **changes)


def brought(source: str, count: int, language: str = "fr") -> Brought:
    return Brought(source=source, language=language, count=count)


def test_a_week_runs_from_monday_to_sunday_by_the_clocks_of_the_place() -> None:
    assert WEEK.since == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert WEEK.until == datetime(2026, 11, 29, 23, tzinfo=UTC)
    assert week_around(date(2026, 11, 29), zone=PARIS) == WEEK


def test_a_week_in_which_the_clocks_change_has_an_hour_more() -> None:
    span = span_of_week("2026-W43", zone=PARIS)
    assert span.until.astimezone(UTC) - span.since.astimezone(UTC) == timedelta(days=7, hours=1)


@pytest.mark.parametrize(
    "given", ["2026-W54", "2026-W00", "48", "2026-11-24", "", "２０２６-W4８x"]
)
def test_what_is_no_week_is_said_with_an_example(given: str) -> None:
    with pytest.raises(InputError, match="as in 2026-W48"):
        span_of_week(given, zone=UTC)


@pytest.mark.parametrize("given", ["2026-w48", "2026W48", " 2026-S48 "])
def test_a_week_may_be_written_in_small_letters_or_in_french(given: str) -> None:
    assert span_of_week(given, zone=PARIS) == WEEK


@given(st.dates(max_value=date(9999, 12, 20)))
def test_every_day_lies_in_its_week(day: date) -> None:
    span = week_around(day, zone=UTC)
    assert span.since.date() <= day < span.until.date()
    assert span.since.weekday() == 0


def test_days_are_meant_with_their_last_one() -> None:
    span = span_of_days(date(2026, 11, 23), date(2026, 11, 29), zone=PARIS)
    assert span == WEEK
    assert span_of_days(date.max, date.max, zone=UTC).since.date() == date.max


def test_days_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(InputError, match="wrong way round"):
        span_of_days(date(2026, 11, 24), date(2026, 11, 23), zone=UTC)


# --- shares and diversity ---------------------------------------------------------------------

NAMES = st.sampled_from(["La Revue", "Le Monde", "AOC", "Zine", ""])


@given(st.lists(st.tuples(NAMES, st.integers(0, 500))), st.lists(NAMES))
def test_shares_add_up_and_nothing_is_lost(arrived: list[tuple[str, int]], kept: list[str]) -> None:
    found = share_out(arrived, kept)
    assert sum(one.brought for one in found) == sum(count for _, count in arrived)
    assert sum(one.kept for one in found) == len(kept)
    assert sum(one.share for one in found) == pytest.approx(1.0 if kept else 0.0)
    assert [one.kept for one in found] == sorted((one.kept for one in found), reverse=True)


@given(st.lists(NAMES, min_size=1))
def test_the_effective_number_lies_between_one_and_all(kept: list[str]) -> None:
    found = measure(share_out([], kept))
    assert 1 - 1e-9 <= found.effective <= found.sources + 1e-9
    assert found.sources == len(set(kept))
    assert found.share == max(map(kept.count, kept)) / len(kept)


@given(st.integers(1, 60), st.integers(1, 5))
def test_sources_of_the_same_weight_count_as_many_as_they_are(sources: int, each: int) -> None:
    kept = [f"source {number}" for number in range(sources)] * each
    assert measure(share_out([], kept)).effective == pytest.approx(sources)


def test_one_source_that_gives_nearly_all_counts_as_hardly_more_than_one() -> None:
    found = measure(share_out([], ["La Revue"] * 9 + ["AOC"]))
    assert found.greatest == "La Revue"
    assert found.effective == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))


def test_where_nothing_was_kept_there_is_nothing_to_measure() -> None:
    report = make_report(WEEK, brought=[brought("La Revue", 12)], choices=[])
    assert report.diversity == Diversity()
    assert (report.brought, report.kept, report.letters) == (12, (), ())
    assert [(one.name, one.brought, one.share) for one in report.sources] == [("La Revue", 12, 0.0)]


# --- the report -------------------------------------------------------------------------------


def test_a_report_counts_what_was_kept_within_its_days() -> None:
    inside, before = a_choice("a1"), a_choice("b2", at=WEEK.since - timedelta(seconds=1))
    behind, first = a_choice("c3", at=WEEK.until), a_choice("d4", at=WEEK.since)
    report = make_report(WEEK, brought=[], choices=[inside, before, behind, first])
    assert [one.ref for one in report.kept] == ["d4", "a1"]


def test_what_was_kept_before_and_written_now_counts_for_its_letter() -> None:
    old = a_choice(
        at=WEEK.since - timedelta(days=3), state=State.WRITTEN, issue="43", written_at=TUESDAY
    )
    report = make_report(WEEK, brought=[], choices=[old, a_choice("b2")])
    assert [one.ref for one in report.kept] == ["b2"]
    assert [(one.issue, one.choices) for one in report.letters] == [("43", (old,))]


def test_a_source_that_brought_nothing_in_these_days_is_named_if_it_was_kept() -> None:
    report = make_report(WEEK, brought=[brought("AOC", 3)], choices=[a_choice()])
    assert [(one.name, one.brought, one.kept) for one in report.sources] == [
        ("La Revue", 0, 1),
        ("AOC", 3, 0),
    ]


def test_the_kinds_of_a_language_are_one_language() -> None:
    arrived = [brought("a", 2, "fr-CA"), brought("b", 1, "FR"), brought("c", 4, "")]
    report = make_report(WEEK, brought=arrived, choices=[a_choice(language="fr-FR")])
    assert [(one.name, one.brought, one.kept) for one in report.languages] == [
        ("fr", 3, 1),
        ("", 4, 0),
    ]


def test_a_report_does_not_depend_on_the_order_of_its_figures() -> None:
    choices = [a_choice(f"a{n}", source=source) for n, source in enumerate("BABCA")]
    arrived = [brought(source, 2) for source in "ABC"]
    one = make_report(WEEK, brought=arrived, choices=choices)
    other = make_report(WEEK, brought=arrived[::-1], choices=choices[::-1])
    assert one == other
    assert isinstance(one.span, Span)
