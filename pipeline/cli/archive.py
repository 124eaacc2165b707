"""``archive build``: the web site of all letters, as plain files."""

import datetime
from pathlib import Path

import click

from pipeline.cli.open import open_issue, open_press
from pipeline.cli.speech import show, show_mistakes, tell, tell_count
from pipeline.workspace import find_workspace


@click.group("archive", help=tell("The web archive: every past letter as a static site."))
def archive_command() -> None:
    pass


@archive_command.command("build", help=tell("Write the archive: index, letters, feed, images."))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=tell("Folder to write into; by default var/site."),
)
@click.option("--drafts", is_flag=True, help=tell("Also publish letters dated after today."))
def build_command(out: Path | None, drafts: bool) -> None:
    raise NotImplementedError
