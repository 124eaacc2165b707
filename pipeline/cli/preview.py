"""``preview``: the letter in a page that follows what is saved."""

from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.blocks.registry import shipped_blocks
from pipeline.cli.open import open_issue, open_press
from pipeline.cli.speech import language, show, tell
from pipeline.render.compose import Press
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.workspace import SETTINGS_FILE, find_workspace


class Bench:
    """What the preview asks for: the letter rendered anew from its files."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.edition: Edition | None = None
        self.workspace = find_workspace(root)
        self._press: tuple[object, Press] | None = None

    @property
    def watched(self) -> tuple[Path, ...]:
        """Return what makes the letter look different when it is saved."""
        logo = self.workspace.settings.theme.logo
        logos = (self.root / logo,) if logo else ()
        return (self.folder, *self._blocks, self.root / SETTINGS_FILE, *logos)

    @property
    def _blocks(self) -> tuple[Path, Path]:
        return (self.root / "blocks", shipped_blocks())

    def render(self) -> Edition:
        """Return the letter as its files are now. Raises MistakesError and its kin."""
        self.workspace = find_workspace(self.root)
        press = self.press()
        self.edition = render_edition(open_issue(self.workspace, self.folder, press), press)
        return self.edition

    def press(self) -> Press:
        """Return the press; made anew when a block, the theme or the logo was saved."""
        signature = (self.workspace.settings, *_signature(self.watched[1:]))
        if self._press is None or self._press[0] != signature:
            self._press = (signature, open_press(self.workspace))
        return self._press[1]

    def sender_name(self, profile: str) -> str:
        """Return the name that an inbox shows."""
        sender = self.workspace.settings.senders.get(profile)
        return sender.name if sender else profile

    def picture(self, name: str) -> bytes:
        """Return the source of one picture of the last good letter; raises KeyError."""
        pictures = self.edition.pictures if self.edition else ()
        for picture in pictures:
            if picture.name == name:
                return (self.folder / picture.source).read_bytes()
        raise KeyError(name)


def _signature(places: tuple[Path, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield what changes when a file of ``places`` is saved."""
    for place in places:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                facts = file.stat()
                yield str(file), facts.st_mtime_ns, facts.st_size


@click.command(
    "preview",
    help=tell("See the letter as you write. A page in your browser follows what you save."),
)
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
