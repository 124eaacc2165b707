"""``veille report``: the week in figures and sentences; what they are made of is ``report``'s."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import click
from rich.text import Text

from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.cli.tally import figure, show_wrapped
from pipeline.cli.veille.opened import freshen, now, opened_desk, zone_of
from pipeline.cli.veille.table import ID, new_table, print_table, show_day
from pipeline.errors import InputError
from pipeline.text.dates import day_month
from pipeline.text.languages import language_name
from pipeline.text.typography import NBSP
from pipeline.veille.following import load_watchlists
from pipeline.veille.plain import tidy
from pipeline.veille.report import (
    Choice,
    Diversity,
    FeedTrouble,
    LetterShare,
    Report,
    Share,
    Span,
    span_of_days,
    span_of_week,
    week_around,
)
from pipeline.veille.states import STATE_WORDS
from pipeline.veille.week import read_week
from pipeline.words import mark

NOTE: Final = 200  # characters of a note that are shown
_INDENT: Final = " " * 12
SOURCES: Final = 12  # sources without anything kept that are named
FEEDS: Final = 12  # feeds in trouble that are named


@click.command(
    "report", help=tell("The week in figures. Sources, what was kept and why, feeds in trouble.")
)
@click.option("--week", help=tell("This week, such as 2026-W48; by default the present one."))
@click.option("--since", help=tell("From this day on, such as 2026-11-23."))
@click.option("--until", help=tell("Up to this day; by default today."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def report_command(week: str | None, since: str | None, until: str | None, as_json: bool) -> None:
    if week and (since or until):
        raise click.UsageError(tell("Say either a week or days: --week, or --since and --until"))
    with opened_desk() as (workspace, engine):
        freshen(workspace, engine)
        zone = zone_of(workspace.settings)
        today = now().astimezone(zone).date()
        span = _span(week, since, until, zone=zone, today=today)
        known = load_watchlists(workspace) if workspace.watchlists.exists() else []
        report = read_week(engine, known, span, now=now())
        if as_json:
            show_json(report_facts(report))
            return
        _Shown(report, zone=zone, today=today).show()


def _span(
    week: str | None, since: str | None, until: str | None, *, zone: tzinfo, today: date
) -> Span:
    if week:
        return span_of_week(week, zone=zone)
    if not (since or until):
        return week_around(today, zone=zone)
    last = _day(until) if until else max(today, _day(since or ""))
    first = _day(since) if since else last - timedelta(days=6)
    return span_of_days(first, last, zone=zone)


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given.strip())
    except ValueError:
        message = mark("“{given}” is no day: write it as 2026-11-23")
        raise InputError(message, given=given) from None


# --- on the screen ----------------------------------------------------------------------------


class _Shown:
    """A report as a person reads it."""

    def __init__(self, report: Report, *, zone: tzinfo, today: date) -> None:
        self._report = report
        self._zone = zone
        self._today = today

    def show(self) -> None:
        """Print it, part by part; a part without anything is left out."""
        report = self._report
        show(click.style(self._heading(), bold=True))
        show()
        self._show_sum()
        if report.sources:
            self._show_sources()
        if len(report.languages) > 1:
            show(
                tell(
                    "Languages, kept of brought: {languages}",
                    languages=", ".join(map(_language, report.languages)),
                )
            )
        if report.kept:
            self._head(tell("Kept, and why"))
            for one in report.kept:
                self._show_choice(one)
        if report.letters:
            self._head(tell("In the letters"))
            for letter in report.letters:
                self._show_letter(letter)
        if report.feeds:
            self._head(tell("Feeds in trouble"))
            self._show_feeds()

    def _head(self, title: str) -> None:
        show()
        show(click.style(title, bold=True))

    def _heading(self) -> str:
        first, last = _days(self._report.span)
        begin = day_month(first, language())
        if (first.year, first.month) == (last.year, last.month):
            begin = begin.partition(NBSP)[0]
        days = {
            "first": begin,
            "last": day_month(last, language()),
            "year": last.year,
        }
        if first.weekday() == 0 and last - first == timedelta(days=6):
            number = first.isocalendar().week
            return tell("Week {number}: {first} to {last} {year}", number=number, **days)
        return tell("{first} to {last} {year}", **days)

    def _show_sum(self) -> None:
        report = self._report
        arrived = sum(1 for one in report.sources if one.brought)
        show_wrapped(
            tell(
                "{entries} from {sources}.",
                entries=_entries(report.brought),
                sources=_sources(arrived),
            )
        )
        if not report.kept:
            show_wrapped(tell("Nothing was kept. To go through it: infolettre veille triage"))
            return
        show_wrapped(
            tell(
                "{entries} kept, from {sources}.",
                entries=_kept(len(report.kept)),
                sources=_sources(report.diversity.sources),
            )
        )
        show_wrapped(diversity_sentence(report.diversity))

    def _show_sources(self) -> None:
        kept = [one for one in self._report.sources if one.kept]
        others = [one for one in self._report.sources if not one.kept]
        table = new_table()
        table.add_column(tell("Source"), overflow="fold")
        for heading in (tell("Brought"), tell("Kept"), tell("Share")):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in (*kept, *others[:SOURCES]):
            share = percent(one.share) if one.kept else ""
            cells = (one.name or "—", figure(one.brought), figure(one.kept), share)
            table.add_row(*map(Text, cells))
        print_table(table)
        if more := others[SOURCES:]:
            show(
                tell_count(
                    "… and {n} more source, of which nothing was kept",
                    "… and {n} more sources, of which nothing was kept",
                    len(more),
                    n=figure(len(more)),
                )
            )

    def _show_choice(self, one: Choice) -> None:
        source = f" ({one.source})" if one.source else ""
        show_wrapped(f"  {one.ref[:ID]}  {one.title}{source}", indent=_INDENT)
        show_wrapped(_INDENT + " · ".join(self._reasons(one)), indent=_INDENT)
        if one.note:
            show_wrapped(
                _INDENT + tell("“{note}”", note=tidy(one.note, limit=NOTE)), indent=_INDENT
            )

    def _reasons(self, one: Choice) -> Iterator[str]:
        """Yield who or what kept it and when, its state, and its tags."""
        day = show_day(one.at, zone=self._zone, today=self._today, is_wide=True)
        if one.rule:
            yield tell("by the rule “{rule}”, {day}", rule=one.rule, day=day)
        else:
            yield tell("by {who}, {day}", who=one.by, day=day) if one.by else day
        yield tell(STATE_WORDS[one.state])
        yield from (f"#{tag}" for tag in one.tags)

    def _show_letter(self, letter: LetterShare) -> None:
        count = tell_count("{count} item", "{count} items", len(letter.choices))
        show("  " + tell("{label}: {count}", label=letter.issue, count=count))
        for one in letter.choices:
            show_wrapped(f"    {one.ref[:ID]}  {one.title}", indent=" " * 14)

    def _show_feeds(self) -> None:
        troubles = self._report.feeds
        for one in troubles[:FEEDS]:
            show_wrapped("  " + self._trouble(one), indent="    ")
        if (more := len(troubles) - FEEDS) > 0:
            show("  " + tell("… and {count} more", count=figure(more)))
        show(tell("All that is known of them: infolettre veille health"))

    def _trouble(self, one: FeedTrouble) -> str:
        if one.failing_since:
            said = tell("fails since {day}", day=self._day(one.failing_since))
            if one.error:
                said = tell("{said}: {reason}", said=said, reason=one.error.say(language()))
        else:
            said = tell("nothing new since {day}", day=self._day(one.silent_since))
        return tell("✗ {feed}: {said}", feed=one.title, said=said)

    def _day(self, moment: datetime | None) -> str:
        if moment is None:
            return "—"
        return show_day(moment, zone=self._zone, today=self._today, is_wide=True)


def _days(span: Span) -> tuple[date, date]:
    """Return the first and the last day of a span."""
    return span.since.date(), (span.until - timedelta(seconds=1)).date()


def diversity_sentence(found: Diversity) -> str:
    """Say how diverse the kept sources are, for who has never heard of entropy."""
    if found.sources == 1:
        return tell("All of it comes from one source, {name}.", name=found.greatest or "—")
    if math.isclose(found.effective, found.sources):
        return tell("Each of them gives as much: it could not be more diverse.")
    return tell(
        "{name} gives most of it: {share}. That is as diverse as {effective} sources which all give"
        " as much.",
        name=found.greatest or "—",
        share=percent(found.share),
        effective=decimal(found.effective),
    )


def percent(share: float) -> str:
    """Return a share of 1 in percent: « 33 % », "33%"; what is more than nothing is not 0.

    >>> percent(0.001).strip("%").strip()
    '< 1'
    """
    value = round(share * 100)
    said = f"<{NBSP}1" if share and not value else str(value)
    return f"{said}{NBSP}%" if language() == "fr" else f"{said}%"


def decimal(value: float) -> str:
    """Return a number with one decimal: « 5,2 », "5.2"; a whole one has none."""
    said = f"{value:.1f}".removesuffix(".0")
    return said.replace(".", ",") if language() == "fr" else said


def _entries(count: int) -> str:
    return tell_count("{n} entry", "{n} entries", count, n=figure(count))


def _kept(count: int) -> str:
    return tell_count("{n} was", "{n} were", count, n=figure(count))


def _sources(count: int) -> str:
    return tell_count("{n} source", "{n} sources", count, n=figure(count))


def _language(one: Share) -> str:
    name = language_name(one.name, language()) if one.name else tell("not known")
    return tell("{name} {kept} of {brought}", name=name, kept=one.kept, brought=figure(one.brought))


# --- for a script -----------------------------------------------------------------------------


def report_facts(report: Report) -> dict[str, object]:
    """Return a report for a script; times are in UTC, shares between 0 and 1."""
    first, last = _days(report.span)
    return {
        "since": first.isoformat(),
        "until": last.isoformat(),
        "brought": report.brought,
        "kept": [_choice_facts(one) for one in report.kept],
        "sources": [_share_facts(one) for one in report.sources],
        "languages": [_share_facts(one) for one in report.languages],
        "diversity": {
            "sources": report.diversity.sources,
            "greatest": report.diversity.greatest,
            "share": round(report.diversity.share, 4),
            "effective": round(report.diversity.effective, 2),
        },
        "letters": [
            {"issue": one.issue, "ids": [choice.ref for choice in one.choices]}
            for one in report.letters
        ],
        "feeds": [
            {
                "title": one.title,
                "watchlist": one.watchlist,
                "failing_since": _moment(one.failing_since),
                "silent_since": _moment(one.silent_since),
                "error": one.error.say(language()) if one.error else None,
            }
            for one in report.feeds
        ],
    }


def _share_facts(one: Share) -> dict[str, object]:
    return {
        "name": one.name,
        "brought": one.brought,
        "kept": one.kept,
        "share": round(one.share, 4),
    }


def _choice_facts(one: Choice) -> dict[str, object]:
    return {
        "id": one.ref,
        "title": one.title,
        "url": one.url,
        "source": one.source,
        "language": one.language,
        "state": one.state.value,
        "kept_at": _moment(one.at),
        "by": one.by,
        "rule": one.rule,
        "tags": list(one.tags),
        "note": one.note,
        "issue": one.issue,
        "written_at": _moment(one.written_at),
    }


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
