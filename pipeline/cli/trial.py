"""``send --test``: one message to one address, without a campaign and as often as one likes."""

import os
from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import uuid4

import click

from pipeline.audience.register import Subscriber, find_subscriber, new_public_id
from pipeline.cli.bar import answer_of
from pipeline.cli.open import open_press
from pipeline.cli.post import freeze_folder
from pipeline.cli.speech import show, show_json, tell
from pipeline.delivery.frozen import Frozen
from pipeline.delivery.mailing import Addressee, recipient_of, secret_of
from pipeline.delivery.ports import Outcome, State
from pipeline.delivery.providers import open_provider
from pipeline.settings import OUTBOX
from pipeline.store.engine import reading
from pipeline.store.upgrade import opened_store
from pipeline.words import mark
from pipeline.workspace import Workspace, shown

_TROUBLES: Final = {
    State.DEFERRED: mark("{address}: not now ({said}); send the test again later"),
    State.FAILED: mark("{address}: refused ({said})"),
    State.UNCERTAIN: mark("{address}: handed over, but no answer came ({said}): it may have left"),
}


def send_trial(
    workspace: Workspace,
    folder: Path,
    *,
    address: str,
    provider: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send a letter to ``address``; whoever is a subscriber gets their own variant and links.

    Exits 1 where it was not taken. Raises ProviderError, InputError.
    """
    with (
        opened_store(workspace.settings.database.url, workspace.root) as engine,
        reading(engine) as connection,
    ):
        person = find_subscriber(connection, address)
    frozen = freeze_folder(workspace, folder, open_press(workspace))
    if dry_run:
        outcome = None
    else:
        outcome = _send(workspace, frozen, person, address=address, provider=provider)
    if as_json:
        show_json(
            {
                "address": address,
                "provider": provider,
                "state": outcome.state.value if outcome else None,
                "code": outcome.code if outcome else "",
                "detail": outcome.detail if outcome else "",
            }
        )
    elif outcome is None:
        show(tell("“{title}” can be sent to {address}.", title=frozen.title, address=address))
        show(tell("Nothing was sent (--dry-run)."))
    elif outcome.state is State.ACCEPTED:
        show(tell("✓ Test handed over: {address}, by {provider}.", address=address,
                  provider=provider))  # fmt: skip
        if provider == OUTBOX:
            box = shown(workspace.root / workspace.settings.outbox.path / "new")
            show("  " + tell("It is a file in {folder}; nobody receives it.", folder=box))
    else:
        _show_trouble(outcome, address)
    if outcome is not None and outcome.state is not State.ACCEPTED:
        raise SystemExit(1)


def _send(
    workspace: Workspace,
    frozen: Frozen,
    person: Subscriber | None,
    *,
    address: str,
    provider: str,
) -> Outcome:
    settings = workspace.settings
    variant = frozen.variant_of(person.segments if person else frozenset())
    letter = frozen.letter(variant, campaign=f"{frozen.slug}-test-{uuid4().hex}")
    addressee = Addressee(
        public_id=person.public_id if person else new_public_id(),
        address=address,
        first_name=person.first_name if person else "",
        last_name=person.last_name if person else "",
    )
    with closing(
        open_provider(provider, settings=settings, root=workspace.root, environ=os.environ)
    ) as opened:
        secret = secret_of(os.environ, provider=provider)
        recipient = recipient_of(addressee, settings=settings, secret=secret)
        (outcome,) = opened.send(letter, [recipient])
    return outcome


def _show_trouble(outcome: Outcome, address: str) -> None:
    said = answer_of(outcome, address)
    click.echo(tell(_TROUBLES[outcome.state], address=address, said=said), err=True)
