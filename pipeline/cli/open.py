"""What most commands begin with: the workspace, its press, a letter. Reads, decides nothing."""

from pathlib import Path

from pipeline.blocks.block import Library
from pipeline.blocks.registry import load_library, shipped_blocks
from pipeline.issues.folder import read_image, read_issue
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition
from pipeline.render.pictures import make_picture
from pipeline.workspace import Workspace


def open_library(workspace: Workspace | None) -> Library:
    """Return the blocks: the workspace's own, then those that ship."""
    own = [workspace.blocks] if workspace else []
    return load_library([*own, shipped_blocks()])


def open_press(workspace: Workspace) -> Press:
    """Return what letters of ``workspace`` are rendered with. Raises BlockError, LetterError."""
    logo = workspace.settings.theme.logo
    return Press(
        library=open_library(workspace),
        settings=workspace.settings,
        logo=read_image(workspace.root / logo) if logo else None,
    )


def open_issue(workspace: Workspace, folder: Path, press: Press) -> Issue:
    """Return the validated letter of ``folder``. Raises LetterError."""
    return read_issue(folder, library=press.library, senders=workspace.settings.senders)


def make_pictures(edition: Edition, folder: Path) -> dict[str, bytes]:
    """Return the bytes of each picture of ``edition`` by its name; ``folder`` is the letter's."""
    return {
        picture.name: make_picture((folder / picture.source).read_bytes(), picture)
        for picture in edition.pictures
    }
