"""What most commands begin with: the workspace, its press, a letter. Reads, decides nothing."""

import os
from contextlib import suppress
from pathlib import Path

from jinja2 import FileSystemBytecodeCache

from pipeline.blocks.block import Library
from pipeline.blocks.registry import load_library, shipped_blocks
from pipeline.issues.folder import read_image, read_issue
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition, Picture
from pipeline.render.pictures import RECIPE, make_picture
from pipeline.workspace import Workspace


def open_library(workspace: Workspace | None) -> Library:
    """Return the blocks: the workspace's own, then those that ship."""
    if workspace is None:
        return load_library([shipped_blocks()])
    return load_library([workspace.blocks, shipped_blocks()], bytecode=_bytecode(workspace))


def _bytecode(workspace: Workspace) -> FileSystemBytecodeCache | None:
    """Return where compiled templates are kept; a workspace that cannot be written does without."""
    folder = workspace.var / "cache" / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


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


def make_pictures(edition: Edition, folder: Path, workspace: Workspace) -> dict[str, bytes]:
    """Return the bytes of each picture of ``edition`` by its name; ``folder`` is the letter's.

    A picture is made once: its name is that of its content.
    """
    cache = workspace.var / "cache" / f"pictures-{RECIPE}"
    return {picture.name: _picture(folder, picture, cache) for picture in edition.pictures}


def _picture(folder: Path, picture: Picture, cache: Path) -> bytes:
    kept = cache / picture.name
    try:
        return kept.read_bytes()
    except OSError:
        data = make_picture((folder / picture.source).read_bytes(), picture)
    with suppress(OSError):  # a workspace that cannot be written makes its pictures each time
        cache.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(kept)
    return data
