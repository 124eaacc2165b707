"""A pull in words, for the command and for the worker's diary."""

from pipeline.cli.speech import language, tell, tell_count
from pipeline.cli.tally import figure
from pipeline.veille.pull import FeedOutcome, Report
from pipeline.words import mark


def outcome_line(outcome: FeedOutcome) -> str:
    """Say what a feed brought, or why it could not be had; nothing where all is as it was."""
    title = outcome.feed.title or outcome.feed.url
    if outcome.error:
        return tell("✗ {feed}: {said}", feed=title, said=outcome.error.say(language()))
    parts = []
    if outcome.new:
        parts.append(tell_count("{count} new entry", "{count} new entries", outcome.new))
    if outcome.dropped:
        parts.append(
            tell_count(
                "{count} entry without a usable address",
                "{count} entries without a usable address",
                outcome.dropped,
            )
        )
    return tell("✓ {feed}: {said}", feed=title, said=", ".join(parts)) if parts else ""


def summary_line(report: Report) -> str:
    """Sum a pull up in a line."""
    asked = [one for one in report.outcomes if not one.is_skipped]
    said = tell(
        "Feeds: {feeds} · new entries: {new} · out of reach: {failed}",
        feeds=figure(len(asked)),
        new=figure(report.new),
        failed=figure(len(report.failed)),
    )
    if rested := len(report.outcomes) - len(asked):
        said = tell("{said} · left alone: {count}", said=said, count=figure(rested))
    return said


def report_facts(report: Report) -> dict[str, object]:
    """Return a pull for a script."""
    return {
        "feeds": [
            {
                "title": one.feed.title,
                "url": one.feed.url,
                "watchlist": one.watchlist,
                "new": one.new,
                "changed": one.changed,
                "dropped": one.dropped,
                "error": one.error.say(language()) if one.error else None,
                "is_unchanged": one.is_unchanged,
                "is_skipped": one.is_skipped,
                "moved_to": one.moved_to,
                "seconds": round(one.seconds, 3),
            }
            for one in report.outcomes
        ],
        "new": report.new,
        "changed": report.changed,
        "failed": len(report.failed),
    }


def trouble_lines(report: Report) -> list[str]:
    """Say which rules ran out of time."""
    message = mark(
        "the rule “{rule}” took too long on some entries and counts as not fitting: make its"
        " pattern simpler, with no repetition inside a repetition"
    )
    names = {name for one in report.outcomes for name in one.trouble}
    return [tell(message, rule=name) for name in sorted(names)]
