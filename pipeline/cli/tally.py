"""A campaign in words and figures: how far it is, why it stands still, and what to do next.

Shared by ``send``, ``campaign`` and ``worker``; what the counts mean is the delivery room's.
"""

import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from pipeline.cli.speech import language, show, tell, tell_count
from pipeline.delivery.campaign import (
    PAUSE_WORDS,
    STATE_WORDS,
    STATUS_WORDS,
    Campaign,
    Counts,
    Pause,
)
from pipeline.delivery.schedule import say_when
from pipeline.delivery.states import WAITING, CampaignState, Status
from pipeline.settings import Settings
from pipeline.text.typography import NNBSP

_COMMAND: Final = re.compile(r":[ \u00a0](?=infolettre [^,.]*$)")
_CAME_BACK: Final = (Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED)


def figure(count: int) -> str:
    """Return a number with its thousands parted: « 1 200 », "1,200"."""
    return f"{count:,}".replace(",", NNBSP if language() == "fr" else ",")


def in_words(moment: datetime, settings: Settings) -> str:
    """Say a moment in full, by the workspace's hours."""
    return say_when(moment, timezone=settings.site.timezone, language=language())


def in_short(moment: datetime, settings: Settings) -> str:
    """Say a moment in a column: « 27/11 08:00 », or « 27/11/2025 » of a time ago."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(settings.site.timezone)
    local = moment.astimezone(zone)
    is_near = abs(datetime.now(zone) - local) < timedelta(days=180)
    return f"{local:%d/%m %H:%M}" if is_near else f"{local:%d/%m/%Y}"


def on_the_clock(moment: datetime, settings: Settings) -> str:
    """Say the hour alone, with its seconds; today's is meant."""
    from zoneinfo import ZoneInfo

    return f"{moment.astimezone(ZoneInfo(settings.site.timezone)):%H:%M:%S}"


def show_wrapped(line: str, *, indent: str = "", err: bool = False) -> None:
    """Print a sentence; on a terminal it is broken at words, and a command has its own line.

    ``indent`` stands before the lines that follow the first.
    """
    width = shutil.get_terminal_size().columns
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty() or len(line) <= width:
        click.echo(line, err=err)
        return
    place = _COMMAND.search(line)
    sentence = line[: place.end() - 1] if place else line
    for part in textwrap.wrap(
        sentence, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        click.echo(part, err=err)
    if place:
        click.echo(f"{indent}  {line[place.end() :]}", err=err)


def resend_command(found: Campaign, settings: Settings) -> str:
    """Return the command that goes on with a campaign, as a person types it."""
    words = ["infolettre", "send", found.slug, "--to", found.segment]
    if found.provider != settings.delivery.provider:
        words += ["--provider", found.provider]
    return shlex.join(words)


def is_settled(found: Campaign, counts: Counts) -> bool:
    """Say that a campaign needs nobody any more: all have an outcome, and none is in doubt."""
    return found.state is CampaignState.DONE and not counts.of(*WAITING, Status.UNCERTAIN)


def count_facts(counts: Counts) -> dict[str, Any]:
    """Return the counts for a script; ``sent`` includes what came back later."""
    return {
        "total": counts.total,
        "sent": counts.sent,
        "waiting": counts.waiting,
        "under_way": counts.claimed,
        "to_try_again": counts.of(Status.DEFERRED),
        "next_try": counts.next_due.isoformat() if counts.next_due else None,
        "refused": counts.of(Status.FAILED),
        "skipped": counts.of(Status.SKIPPED),
        "uncertain": counts.of(Status.UNCERTAIN),
        "delivered": counts.of(Status.DELIVERED),
        "bounced": counts.of(Status.BOUNCED),
        "complained": counts.of(Status.COMPLAINED),
    }


def campaign_facts(found: Campaign, counts: Counts) -> dict[str, Any]:
    """Return a campaign for a script; times are in UTC."""
    moments = {
        name: moment.isoformat() if moment else None
        for name, moment in (
            ("created_at", found.created_at),
            ("scheduled_at", found.scheduled_at),
            ("started_at", found.started_at),
            ("finished_at", found.finished_at),
        )
    }
    return {
        "id": found.id,
        "slug": found.slug,
        "title": found.title,
        "segment": found.segment,
        "provider": found.provider,
        "round": found.round,
        "state": found.state.value,
        "pause": found.pause.value if found.pause else None,
        "pause_detail": found.pause_detail,
        "digest": found.digest,
        "is_approved": found.is_approved,
        "created_by": found.created_by,
        **moments,
        "counts": count_facts(counts),
    }


def count_rows(counts: Counts) -> Iterable[tuple[int, str]]:
    """Yield each count that is not zero with its word, what was sent first."""
    yield counts.sent, tell(STATUS_WORDS[Status.ACCEPTED])
    for status in _CAME_BACK:
        if count := counts.of(status):
            yield count, "  " + tell(STATUS_WORDS[status])
    if counts.claimed:
        yield counts.claimed, tell("under way")
    if counts.waiting > 0:
        yield counts.waiting, tell(STATUS_WORDS[Status.QUEUED])
    for status in (Status.DEFERRED, Status.FAILED, Status.SKIPPED, Status.UNCERTAIN):
        if count := counts.of(status):
            yield count, tell(STATUS_WORDS[status])


def show_counts(counts: Counts, settings: Settings) -> None:
    """Print the counts below each other, the figures flush right."""
    rows = [(figure(count), word) for count, word in count_rows(counts)]
    wide = max(len(word) for _, word in rows)
    width = max(len(count) for count, _ in rows)
    for count, word in rows:
        show(f"  {word:<{wide}}  {count:>{width}}")
    if counts.next_due:
        when = in_words(max(counts.next_due, datetime.now(UTC)), settings)
        show("  " + tell("Next try: {when}", when=when))


def how_far(counts: Counts) -> str:
    """Say in one line how far a campaign is: « 1 200 servis, 300 restent »."""
    left = counts.of(*WAITING)
    sent = tell_count("{n} served", "{n} served", counts.sent, n=figure(counts.sent))
    if not left:
        return sent
    return tell(
        "{sent}, {left}",
        sent=sent,
        left=tell_count("{n} left", "{n} left", left, n=figure(left)),
    )


def state_words(found: Campaign) -> str:
    """Say where a campaign stands, and why it stands still."""
    state = tell(STATE_WORDS[found.state])
    if found.pause is None or found.state is not CampaignState.PAUSED:
        return state
    reason = tell(PAUSE_WORDS[found.pause])
    if found.pause_detail:
        reason = tell("{reason} ({detail})", reason=reason, detail=found.pause_detail)
    return tell("{state}: {reason}", state=state, reason=reason)


def next_steps(
    found: Campaign, counts: Counts, settings: Settings, *, is_shared: bool
) -> Iterable[str]:
    """Yield what a person may do next, one sentence a line; none where nothing is left to do.

    ``is_shared`` says that workers elsewhere do the work.
    """
    again = resend_command(found, settings)
    if found.state is CampaignState.DRAFT:
        yield tell("Somebody has to approve it: infolettre campaign approve {id}", id=found.id)
        yield tell("Then, to send it: {command}", command=again)
    elif found.state is CampaignState.SCHEDULED and found.scheduled_at:
        yield tell("“infolettre worker” has to be running at that time.")
        yield tell("To call it off: infolettre campaign cancel {id}", id=found.id)
    elif found.state is CampaignState.SCHEDULED:
        yield tell("To start it: {command}", command=again)
        yield tell("A running “infolettre worker” starts it by itself.")
    elif found.state is CampaignState.PAUSED:
        yield from _after_pause(found, again)
    elif found.state is CampaignState.RUNNING and counts.of(*WAITING):
        if is_shared:
            yield tell("The workers go on; to watch them: {command}", command=again)
        else:
            yield tell("To go on: {command}", command=again)
            yield tell("Or let “infolettre worker” run: it goes on, and makes the next tries.")
    if count := counts.of(Status.UNCERTAIN):
        yield tell_count(
            "Nobody knows whether {n} message arrived. Decide:",
            "Nobody knows whether {n} messages arrived. Decide:",
            count,
            n=figure(count),
        )
        command = f"infolettre campaign resolve {found.id}"
        yield f"  {command} --accept  " + tell("(call them sent)")
        yield f"  {command} --resend  " + tell("(send again: some may get it twice)")


def _after_pause(found: Campaign, again: str) -> Iterable[str]:
    if found.pause is Pause.UNAPPROVED:
        yield tell("Somebody has to approve it: infolettre campaign approve {id}", id=found.id)
        return
    if found.pause is Pause.EDITED:
        yield tell("To send the letter as it is now: {command}", command=again)
        yield tell("To send it as it was frozen: infolettre campaign resume {id}", id=found.id)
    else:
        yield tell("To let it go on: infolettre campaign resume {id}", id=found.id)
    yield tell("To end it here: infolettre campaign cancel {id}", id=found.id)


def show_next(found: Campaign, counts: Counts, settings: Settings, *, is_shared: bool) -> None:
    """Print the next steps."""
    for line in next_steps(found, counts, settings, is_shared=is_shared):
        show_wrapped(line)
