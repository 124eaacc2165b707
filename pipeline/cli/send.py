"""``send``: a letter to a segment of the subscribers, or to one address as a test."""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.audience.address import normalise_address
from pipeline.audience.segments import ALL
from pipeline.cli.dispatch import is_shared
from pipeline.cli.open import open_press
from pipeline.cli.order import Order, is_timed
from pipeline.cli.post import freeze_folder
from pipeline.cli.speech import tell
from pipeline.cli.tally import is_settled
from pipeline.cli.trial import send_trial
from pipeline.delivery.frozen import Frozen
from pipeline.delivery.mailing import secret_of
from pipeline.delivery.plan import plan_sending
from pipeline.delivery.providers import open_provider, provider_names
from pipeline.delivery.schedule import parse_when
from pipeline.store.upgrade import opened_store
from pipeline.veille.publication import publish_sent
from pipeline.workspace import Workspace, find_workspace


@click.command(
    "send", help=tell("Send a letter. To a segment of the subscribers, or to you as a test.")
)
@click.argument("issue")
@click.option("--test", "test_address", help=tell("Send to this one address only."))
@click.option("--to", "segment", help=tell("A segment; “all” is every active subscriber."))
@click.option("--at", "when", help=tell("Send later: “friday 8:00”, “2026-11-27 08:00”."))
@click.option("--again", is_flag=True, help=tell("Open a further campaign of a letter on purpose."))
@click.option("--provider", "provider_name", help=tell("outbox, smtp or sendgrid."))
@click.option("--dry-run", is_flag=True, help=tell("Do everything but send."))
@click.option("--yes", is_flag=True, help=tell("Do not ask before sending."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def send_command(
    issue: str,
    test_address: str | None,
    segment: str | None,
    when: str | None,
    again: bool,
    provider_name: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    if (segment is None) == (test_address is None):
        raise click.UsageError(tell("Say to whom: --to all, or --test you@example.org"))
    if test_address is not None and (when is not None or again):
        raise click.UsageError(tell("A test leaves at once: --at and --again belong to --to."))
    workspace = find_workspace(Path.cwd())
    provider = provider_name or workspace.settings.delivery.provider
    folder = workspace.find_issue(issue)
    if test_address is not None:
        send_trial(
            workspace, folder, address=str(normalise_address(test_address)), provider=provider,
            dry_run=dry_run, as_json=as_json,
        )  # fmt: skip
        return
    now = datetime.now(UTC)
    zone = workspace.settings.site.timezone
    at = parse_when(when, now=now, timezone=zone) if when is not None else None
    with opened_store(workspace.settings.database.url, workspace.root) as engine:
        frozen = _freeze(workspace, folder)
        _check_provider(workspace, provider, is_shared=is_shared(engine))
        plan = plan_sending(
            engine, slug=frozen.slug, segment=segment or ALL, provider=provider, again=again
        )
        order = Order(
            workspace=workspace,
            folder=folder,
            frozen=frozen,
            segment=segment or ALL,
            provider=provider,
            at=at,
            again=again,
            plan=plan,
            as_json=as_json,
        )
        if dry_run:
            order.show_dry()
            return
        order.ask(is_asking=not yes and sys.stdin.isatty())
        ended = order.fulfil(engine, now=now)
        publish_sent(engine, now=datetime.now(UTC))
    if not (is_settled(ended.campaign, ended.counts) or is_timed(ended.campaign)):
        raise SystemExit(1)


def _freeze(workspace: Workspace, folder: Path) -> Frozen:
    """Freeze a letter, and compile each variant: what cannot be sent is told first."""
    frozen = freeze_folder(workspace, folder, open_press(workspace))
    for variant in frozen.editions:
        frozen.letter(variant, campaign=frozen.slug)
    return frozen


def _check_provider(workspace: Workspace, name: str, *, is_shared: bool) -> None:
    """Open the provider as the sending will; where others send, they have the secrets."""
    if is_shared and name in provider_names():
        return
    with closing(
        open_provider(name, settings=workspace.settings, root=workspace.root, environ=os.environ)
    ):
        secret_of(os.environ, provider=name)
