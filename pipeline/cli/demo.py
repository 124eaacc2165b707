"""``demo``: the whole way of the newest letter, offline, and what to open at its end."""

import os
from pathlib import Path
from typing import Final

import click

from pipeline.cli.archive import build_archive_here
from pipeline.cli.letter import validate_command
from pipeline.cli.speech import show, tell
from pipeline.workspace import find_workspace, shown

_PEOPLE: Final = "issues/demo.csv"
#: A database and an outbox of its own: the demo touches neither subscribers nor campaigns.
_OWN: Final = {
    "INFOLETTRE_DATABASE__URL": "sqlite:///var/demo.db",
    "INFOLETTRE_OUTBOX__PATH": "var/demo-outbox",
    "INFOLETTRE_DELIVERY__REQUIRE_APPROVAL": "false",
}


@click.command(
    "demo",
    help=tell(
        "Walk the whole way, offline. The newest letter is checked, rendered, sent and archived."
    ),
)
def demo_command() -> None:
    from pipeline.cli.letter import render_command
    from pipeline.cli.send import send_command
    from pipeline.cli.subscribers import import_command

    os.environ.update(_OWN)
    workspace = find_workspace(Path.cwd())
    slug = workspace.newest_issue().name
    people = str(workspace.root / _PEOPLE)
    steps = [
        (tell("1. Check"), validate_command, [slug]),
        (tell("2. Render"), render_command, [slug]),
        (tell("3. Take in three subscribers, into a database of the demo's own"),
         import_command, [people]),
        (tell("4. Send to them, into an outbox of the demo's own"),
         send_command, [slug, "--to", "all", "--provider", "outbox", "--yes"]),
    ]  # fmt: skip
    for title, command, arguments in steps:
        show(click.style(title, bold=True))
        command.main(args=arguments, standalone_mode=False)
        show()
    show(click.style(tell("5. Build the archive"), bold=True))
    build_archive_here(workspace, out=workspace.var / "site", drafts=True)
    show()
    show(tell("Open in a browser:"))
    show(f"  {shown(workspace.var / 'render' / slug / 'email.html')}")
    show(f"  {shown(workspace.var / 'site' / 'index.html')}")
    box = shown(workspace.root / workspace.settings.outbox.path / "new")
    show(tell("The three mails are files in {folder}", folder=box))
