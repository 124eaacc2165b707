"""A campaign on the screen: the table of all, the head of one, approvals and reasons."""

from datetime import datetime
from typing import Final

import click

from pipeline.cli.dispatch import Ended
from pipeline.cli.speech import show, tell, tell_count
from pipeline.cli.tally import figure, in_short, in_words, show_wrapped, state_words
from pipeline.delivery import roll
from pipeline.delivery.campaign import STATE_WORDS, STATUS_WORDS, Campaign, Counts
from pipeline.delivery.events import Level, judge_complaints
from pipeline.delivery.reasons import Reason
from pipeline.delivery.states import Status
from pipeline.settings import Settings
from pipeline.words import mark

_MAX_SEGMENT: Final = 12  # characters of one in a table


def show_table(states: list[Ended], settings: Settings) -> None:
    """Print a line a campaign; the titles take what room there is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    headings = (
        tell("No."), tell("Letter"), tell("To"), tell("By"), tell("State"), tell("Served"),
        tell("When"),
    )  # fmt: skip
    rows = [_cells(one, settings) for one in states]
    console = Console()
    others = [max(len(row[n]) for row in (headings, *rows)) + 3 for n in (0, 2, 3, 4, 5, 6)]
    room = max(12, console.width - sum(others) - 2)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="right" if number in (0, 5) else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=room if number == 1 else None,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _cells(one: Ended, settings: Settings) -> tuple[str, ...]:
    found, total = one.campaign, one.counts.total
    segment = found.segment if len(found.segment) <= _MAX_SEGMENT else found.segment[:11] + "…"
    return (
        str(found.id),
        found.title,
        segment,
        found.provider,
        tell(STATE_WORDS[found.state]),
        f"{figure(one.counts.sent)}/{figure(total)}" if total else "—",
        in_short(found.started_at or found.scheduled_at or found.created_at, settings),
    )


def show_head(found: Campaign, settings: Settings) -> None:
    """Print what a campaign is, and where it stands."""
    title = tell("No. {id} · “{title}”", id=found.id, title=found.title)
    show(click.style(title, bold=True))
    to = found.segment
    if found.round > 1:
        to = tell("{segment} (sent on purpose, time {round})", segment=to, round=found.round)
    rows = [
        (tell("letter"), found.slug),
        (tell("to"), to),
        (tell("by"), found.provider),
        (tell("from"), f"{found.frame.name} <{found.frame.address}>"),
        (tell("fingerprint"), found.digest[:12]),
        (tell("state"), state_words(found)),
    ]
    moments = (
        (tell("scheduled for"), found.scheduled_at),
        (tell("begun"), found.started_at),
        (tell("ended"), found.finished_at),
    )
    rows += [(label, in_words(moment, settings)) for label, moment in moments if moment]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        show(f"  {label:<{width}}  {value}")


def show_complaints(counts: Counts) -> None:
    """Warn where more readers call a letter spam than mailboxes put up with (T3)."""
    complaints = counts.of(Status.COMPLAINED)
    if judge_complaints(complaints, counts.sent) is Level.CALM:
        return
    said = tell_count(
        "! {count} reader reports this letter as spam. From 0.3 % on, new campaigns wait for you:"
        " look where these addresses come from.",
        "! {count} readers report this letter as spam. From 0.3 % on, new campaigns wait for you:"
        " look where these addresses come from.",
        complaints,
    )
    show()
    show_wrapped(click.style(said, fg="yellow"))


def show_approval(by: str, at: datetime, settings: Settings, *, holds: bool) -> None:
    """Print one approval, and whether it still counts."""
    when = in_words(at, settings)
    if holds:
        show("  " + tell("✓ approved by {by}, {when}", by=by, when=when))
    else:
        said = tell(
            "approved by {by}, {when}, before the letter was edited: that no longer counts",
            by=by,
            when=when,
        )
        show_wrapped(f"  {said}")


def reason_facts(one: Reason) -> dict[str, object]:
    """Return a reason for a script."""
    return {
        "state": one.status.value,
        "code": one.code,
        "detail": one.detail,
        "count": one.count,
        "example": one.example,
    }


def show_reason(one: Reason) -> None:
    """Print a reason in the reader's words where it is one of ours, else the provider's."""
    said = tell(_OURS[one.code]) if one.code in _OURS else _quoted(one)
    state = tell(STATUS_WORDS[one.status])
    show_wrapped("  " + tell("{state} ({n}): {said}", n=figure(one.count), state=state, said=said))
    if one.example:
        example = tell("for instance {address}", address=one.example)
        show("    " + example)


def _quoted(one: Reason) -> str:
    code = "" if one.detail.startswith(one.code) else one.code
    told = " ".join(f"{code} {one.detail}".replace("<…>", "").split())
    if not told and one.status is Status.UNCERTAIN:
        return tell("whoever sent them was cut off, and did not say")
    return told or "—"


_OURS: Final = {
    roll.ALREADY: mark("they have this letter from another campaign"),
    "domain": mark("their domain takes no more for now ([domains] in infolettre.toml)"),
    "unsubscribed": mark("they unsubscribed before their turn"),
    "bounced": mark("their address bounced before their turn"),
    "complained": mark("they complained before their turn"),
    "forgotten": mark("they asked to be forgotten before their turn"),
    "pending": mark("they have not confirmed their subscription"),
}
