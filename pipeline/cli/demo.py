"""``demo``: the whole way of the newest letter, offline, and what to open at its end."""

from pathlib import Path

import click

from pipeline.cli.archive import build_archive_here
from pipeline.cli.letter import validate_command
from pipeline.cli.send import send_command
from pipeline.cli.speech import show, tell
from pipeline.workspace import find_workspace, shown

_PEOPLE = "issues/demo.csv"


@click.command(
    "demo",
    help=tell(
        "Walk the whole way, offline. The newest letter is checked, rendered, sent and archived."
    ),
)
@click.pass_context
def demo_command(ctx: click.Context) -> None:
    from pipeline.cli.letter import render_command

    workspace = find_workspace(Path.cwd())
    slug = workspace.newest_issue().name
    steps = [
        (tell("1. Check"), validate_command, [slug]),
        (tell("2. Render"), render_command, [slug]),
        (
            tell("3. Send to three people, into var/outbox"),
            send_command,
            [slug, "--to", str(workspace.root / _PEOPLE), "--provider", "outbox", "--yes"],
        ),
    ]
    for title, command, arguments in steps:
        show(click.style(title, bold=True))
        command.main(args=arguments, standalone_mode=False)
        show()
    show(click.style(tell("4. Build the archive"), bold=True))
    build_archive_here(workspace, out=workspace.var / "site", drafts=True)
    show()
    show(tell("Open in a browser:"))
    show(f"  {shown(workspace.var / 'render' / slug / 'email.html')}")
    show(f"  {shown(workspace.var / 'site' / 'index.html')}")
    show(
        tell(
            "The three mails are files in {folder}", folder=shown(workspace.var / "outbox" / "new")
        )
    )
