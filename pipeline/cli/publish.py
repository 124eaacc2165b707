"""A letter put on the site before it is sent, for the mails that load their images from there."""

import datetime
from pathlib import Path

from pipeline.archive.build import build_archive
from pipeline.cli.open import open_issue, open_press
from pipeline.cli.speech import show_mistakes
from pipeline.errors import InputError
from pipeline.words import mark
from pipeline.workspace import Workspace, shown


def publish_letter(workspace: Workspace, folder: Path) -> Path:
    """Build the archive into ``var/site``, the letter of ``folder`` included; return that folder.

    It is published even before its date; other letters wait for theirs. Raises InputError where
    the letter could not be put there.
    """
    press, out = open_press(workspace), workspace.var / "site"
    built = build_archive(
        workspace.all_issues(),
        out=out,
        press=press,
        read=lambda one: open_issue(workspace, one, press),
        today=datetime.date.today(),
        also=folder.name,
    )
    show_mistakes(built.mistakes)
    if all(letter.slug != folder.name for letter in built.letters):
        raise InputError(
            mark("{letter} is not on the site yet, where its images have to be: see above"),
            letter=shown(folder),
        )
    return out
