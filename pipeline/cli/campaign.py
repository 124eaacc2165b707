"""``campaign``: what was sent and how it went; paused, resumed, cancelled, approved, resolved."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from pipeline.audience.cells import guard_cell
from pipeline.cli.dispatch import Ended, is_shared, read_state
from pipeline.cli.order import confirm
from pipeline.cli.person import user_name
from pipeline.cli.post import open_worker
from pipeline.cli.report import (
    reason_facts,
    show_approval,
    show_complaints,
    show_head,
    show_reason,
    show_table,
)
from pipeline.cli.speech import show, show_json, tell, tell_count, write_out
from pipeline.cli.tally import (
    campaign_facts,
    figure,
    show_counts,
    show_next,
    show_wrapped,
    state_words,
)
from pipeline.delivery import campaigns, ledger
from pipeline.delivery.campaign import STATE_WORDS, Campaign, Pause
from pipeline.delivery.ears import Ears
from pipeline.delivery.reasons import reasons_of
from pipeline.delivery.states import CampaignState, Status
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.store.engine import reading
from pipeline.store.upgrade import opened_store
from pipeline.words import mark
from pipeline.workspace import find_workspace


@click.group(
    "campaign",
    help=tell("The campaigns. How far they are; pause, resume, cancel, approve, resolve."),
)
def campaign_command() -> None:
    pass


@contextmanager
def _opened() -> Iterator[tuple[Engine, Settings]]:
    workspace = find_workspace(Path.cwd())
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        yield engine, workspace.settings


def _size(engine: Engine, found: Campaign) -> int:
    """Return the size of a campaign's batches, which its provider has a say in."""
    with open_worker(find_workspace(Path.cwd()), engine, Ears()) as worker:
        return worker.batch_size(found)


def _find(engine: Engine, name: str) -> Campaign:
    with reading(engine) as connection:
        return campaigns.find_campaign(connection, name)


def _now() -> datetime:
    return datetime.now(UTC)


def _ask(question: str, *, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        confirm(question)


# --- looked at --------------------------------------------------------------------------------


@campaign_command.command("list", help=tell("Show all campaigns, the newest first."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def list_command(as_json: bool) -> None:
    with _opened() as (engine, settings):
        with reading(engine) as connection:
            known = campaigns.all_campaigns(connection)[::-1]
            states = [
                Ended(campaign=one, counts=campaigns.count_deliveries(connection, one.id))
                for one in known
            ]
        if as_json:
            show_json([campaign_facts(one.campaign, one.counts) for one in states])
        elif states:
            show_table(states, settings)
        else:
            show(tell("No campaign yet: infolettre send ISSUE --to all"))


@campaign_command.command("show", help=tell("Show one campaign: exact counts, and the reasons."))
@click.argument("campaign")
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def show_command(campaign: str, as_json: bool) -> None:
    with _opened() as (engine, settings):
        state = read_state(engine, _find(engine, campaign).id)
        with reading(engine) as connection:
            reasons = reasons_of(connection, state.campaign.id)
            approvals = campaigns.approvals_of(connection, state.campaign)
        if as_json:
            show_json(
                campaign_facts(state.campaign, state.counts)
                | {
                    "reasons": [reason_facts(one) for one in reasons],
                    "approvals": [
                        {"by": by, "at": at.isoformat(), "holds": holds}
                        for by, at, holds in approvals
                    ],
                }
            )
            return
        show_head(state.campaign, settings)
        for by, at, holds in approvals:
            show_approval(by, at, settings, holds=holds)
        if state.counts.total:
            show()
            show_counts(state.counts, settings)
            show_complaints(state.counts)
        if reasons:
            show()
            for one in reasons:
                show_reason(one)
        _show_after(engine, state, settings)


def _show_after(engine: Engine, state: Ended, settings: Settings) -> None:
    if not (state.campaign.is_over and not state.counts.of(Status.UNCERTAIN)):
        show()
        show_next(state.campaign, state.counts, settings, is_shared=is_shared(engine))


@campaign_command.command("export", help=tell("Write who got what and when, as CSV."))
@click.argument("campaign")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help=tell("Into this file.")
)
def export_command(campaign: str, out: Path | None) -> None:
    with _opened() as (engine, _):
        write_out(_lines(engine, _find(engine, campaign).id), out)


def _lines(engine: Engine, number: int) -> Iterator[str]:
    yield "email,state,at,attempts,code,detail\n"
    for _, address, _, state, at, attempts, code, detail, _ in ledger.statuses_of(engine, number):
        told = (address, state, at.isoformat() if at else "", attempts, code, detail)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(guard_cell(str(one or "")) for one in told)
        yield out.getvalue()


# --- changed ----------------------------------------------------------------------------------


@campaign_command.command("pause", help=tell("Let a campaign stand still, within one batch."))
@click.argument("campaign")
def pause_command(campaign: str) -> None:
    with _opened() as (engine, settings):
        found = campaigns.pause_campaign(engine, _find(engine, campaign).id, reason=Pause.PERSON)
        _tell_state(engine, found, settings)


@campaign_command.command("resume", help=tell("Let a paused campaign go on."))
@click.argument("campaign")
def resume_command(campaign: str) -> None:
    with _opened() as (engine, settings):
        found = campaigns.resume_campaign(engine, _find(engine, campaign).id, now=_now())
        _announce(engine, found)
        _tell_state(engine, found, settings)


@campaign_command.command(
    "cancel", help=tell("End a campaign. Whoever has nothing yet gets nothing.")
)
@click.argument("campaign")
@click.option("--yes", is_flag=True, help=tell("Do not ask before cancelling."))
def cancel_command(campaign: str, yes: bool) -> None:
    with _opened() as (engine, settings):
        state = read_state(engine, _find(engine, campaign).id)
        found = state.campaign
        if not found.is_over:
            show(tell("No. {id} · “{title}”", id=found.id, title=found.title))
            if state.counts.total:
                show_counts(state.counts, settings)
            _ask(tell("Cancel it for good? yes / no"), yes=yes)
        found = campaigns.cancel_campaign(engine, found.id, now=_now())
        _tell_state(engine, found, settings)


@campaign_command.command("approve", help=tell("Find good what is frozen, so that it may leave."))
@click.argument("campaign")
@click.option("--by", help=tell("Who approves; by default this machine's user."))
def approve_command(campaign: str, by: str | None) -> None:
    who = (by or "").strip() or user_name()
    if not who:
        raise InputError(mark("say who approves: --by “a name”"))
    with _opened() as (engine, settings):
        found = _find(engine, campaign)
        if found.is_over:
            raise InputError(
                mark("campaign {id} is {state}: there is nothing left to approve"),
                id=found.id,
                state=STATE_WORDS[found.state],
            )
        found = campaigns.approve_campaign(engine, found.id, by=who, now=_now())
        show_wrapped(
            tell(
                "✓ “{title}” ({digest}) is approved by {by}. Any edit makes this void.",
                title=found.title,
                digest=found.digest[:12],
                by=who,
            )
        )
        _tell_state(engine, found, settings)


@campaign_command.command(
    "resolve", help=tell("Decide about those in doubt: served, or to be sent to again.")
)
@click.argument("campaign")
@click.option("--resend", is_flag=True, help=tell("Send to them again; some may get it twice."))
@click.option("--accept", is_flag=True, help=tell("Call them served."))
@click.option("--yes", is_flag=True, help=tell("Do not ask before."))
def resolve_command(campaign: str, resend: bool, accept: bool, yes: bool) -> None:
    if resend == accept:
        raise click.UsageError(tell("Say what to do: --resend or --accept"))
    with _opened() as (engine, settings):
        state = read_state(engine, _find(engine, campaign).id)
        found, count = state.campaign, state.counts.of(Status.UNCERTAIN)
        if not count:
            show(tell("Campaign {id} has nobody in doubt.", id=found.id))
            return
        if resend and found.state is CampaignState.CANCELLED:
            raise InputError(
                mark(
                    "campaign {id} is cancelled, nothing more is sent: --accept settles those in"
                    " doubt"
                ),
                id=found.id,
            )
        _ask(_question(count, resend=resend), yes=yes)
        if resend:
            done = ledger.requeue_uncertain(engine, found.id, size=_size(engine, found))
            show(
                tell_count(
                    "✓ {n} message is to be sent again.",
                    "✓ {n} messages are to be sent again.",
                    done,
                    n=figure(done),
                )
            )
        else:
            detail = tell("called sent by {by}", by=user_name() or "—")
            done = ledger.accept_uncertain(engine, found.id, now=_now(), detail=detail)
            show(
                tell_count(
                    "✓ {n} message counts as sent.",
                    "✓ {n} messages count as sent.",
                    done,
                    n=figure(done),
                )
            )
        found = read_state(engine, found.id).campaign
        _announce(engine, found)
        _tell_state(engine, found, settings)


def _question(count: int, *, resend: bool) -> str:
    if resend:
        return tell_count(
            "Send {n} message again? Its reader may get it twice. yes / no",
            "Send {n} messages again? Their readers may get them twice. yes / no",
            count,
            n=figure(count),
        )
    return tell_count(
        "Count {n} message as sent? Its reader may have nothing. yes / no",
        "Count {n} messages as sent? Their readers may have nothing. yes / no",
        count,
        n=figure(count),
    )


def _announce(engine: Engine, found: Campaign) -> None:
    """Let workers elsewhere begin at once; here the next command or worker does the work."""
    if is_shared(engine) and found.state is CampaignState.RUNNING:
        from pipeline.delivery.jobs import announce

        announce(engine, found.id)


def _tell_state(engine: Engine, found: Campaign, settings: Settings) -> None:
    counts = read_state(engine, found.id).counts
    show_wrapped(tell("Campaign {id} is {state}.", id=found.id, state=state_words(found)))
    show_next(found, counts, settings, is_shared=is_shared(engine))
