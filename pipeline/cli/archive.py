"""``archive build``: the web site of all letters, as plain files."""

import datetime
from pathlib import Path

import click

from pipeline.archive.build import Built, build_archive
from pipeline.cli.open import open_issue, open_press
from pipeline.cli.speech import show, show_mistakes, tell, tell_count
from pipeline.workspace import Workspace, find_workspace, shown


@click.group("archive", help=tell("Publish the past letters. A static site, for any web server."))
def archive_command() -> None:
    pass


@archive_command.command("build", help=tell("Write the archive. Index, letters, feed and images."))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=tell("Folder to write into; by default var/site."),
)
@click.option("--drafts", is_flag=True, help=tell("Also publish letters dated after today."))
def build_command(out: Path | None, drafts: bool) -> None:
    workspace = find_workspace(Path.cwd())
    built = build_archive_here(workspace, out=out or workspace.var / "site", drafts=drafts)
    if built.mistakes:
        raise SystemExit(1)


def build_archive_here(workspace: Workspace, *, out: Path, drafts: bool) -> Built:
    """Build the archive of ``workspace``, say what was done, and return it."""
    press = open_press(workspace)
    built = build_archive(
        workspace.all_issues(),
        out=out,
        press=press,
        read=lambda folder: open_issue(workspace, folder, press),
        today=datetime.date.today(),
        drafts=drafts,
    )
    count = len(built.letters)
    show(tell_count("✓ {count} letter in {folder}", "✓ {count} letters in {folder}", count,
                    folder=shown(out)))  # fmt: skip
    if built.waiting:
        waiting = ", ".join(built.waiting)
        show(tell("Not published yet, for its date is to come: {letters}", letters=waiting))
    show_mistakes((*built.mistakes, *built.notices))
    return built
