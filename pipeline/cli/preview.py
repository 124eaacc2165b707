"""``preview``: the letter in a page that follows what is saved."""

from pathlib import Path

import click

from pipeline.blocks.registry import shipped_blocks
from pipeline.cli.open import open_issue, open_press
from pipeline.cli.speech import language, show, tell
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.render.pictures import make_picture
from pipeline.workspace import SETTINGS_FILE, find_workspace


class Bench:
    """What the preview asks for: the letter rendered anew from its files."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.edition: Edition | None = None

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return what makes the letter look different when it is saved."""
        places = (self.folder, self.root / "blocks", shipped_blocks(), self.root / SETTINGS_FILE)
        return tuple(place for place in places if place.exists())

    def render(self) -> Edition:
        """Return the letter as its files are now. Raises MistakesError and its kin."""
        workspace = find_workspace(self.root)
        press = open_press(workspace)
        self.edition = render_edition(open_issue(workspace, self.folder, press), press)
        return self.edition

    def picture(self, name: str) -> bytes:
        """Return one picture of the last good letter; raises KeyError."""
        pictures = self.edition.pictures if self.edition else ()
        for picture in pictures:
            if picture.name == name:
                return make_picture((self.folder / picture.source).read_bytes(), picture)
        raise KeyError(name)


@click.command("preview", help=tell("See the letter as you write: a page that follows your edits."))
@click.argument("issue", required=False)
@click.option("--port", default=8600, show_default=True, help=tell("Port on this machine."))
@click.option("--host", default="127.0.0.1", show_default=True, help=tell("Address to serve on."))
def preview_command(issue: str | None, port: int, host: str) -> None:
    from pipeline.web.preview.serve import serve_preview

    workspace = find_workspace(Path.cwd())
    folder = workspace.find_issue(issue) if issue else workspace.newest_issue()
    serve_preview(
        Bench(workspace.root, folder),
        host=host,
        port=port,
        language=language(),
        on_ready=lambda address: show(tell("Open {address} (Ctrl-C to stop)", address=address)),
    )
