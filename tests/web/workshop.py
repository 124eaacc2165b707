"""A workspace in a temporary folder, and the workshop that renders its one letter."""

import shutil
from pathlib import Path

from PIL import Image

from pipeline.blocks.block import Library
from pipeline.blocks.registry import load_library, shipped_blocks
from pipeline.issues.folder import read_issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.workspace import find_workspace

BLOCKS = ("frame", "edito", "image", "veille")
SETTINGS = """\
[site]
name = "Le Cercle"
url = "https://lettre.cercle.example"

[senders.redaction]
name = "Le Cercle des cafés"
email = "lettre@cercle.example"

[theme.light]
accent = "#b5442c"
"""
LETTER = """\
number: 46
title: Des cafés sous la lampe
subtitle: Trois offres, une veillée
date: 2026-11-20
language: fr
subject: "{{first_name|Chers lecteurs}}, une veillée vous attend"
sender: redaction
blocks:
  - block: edito
    body: |
      Bonjour {{first_name|à toutes et tous}}, voici le n° {{number}}.
  - block: image
    image: lampe.png
    image_alt: Une lampe verte sur une table
  - block: veille
    heading: La veille
    items:
"""
ITEM = """\
      - title: Lecture {n}
        url: https://revue.example/{n}
        body: |
          Un paragraphe assez long pour que la lettre dépasse de loin la hauteur d'un téléphone.
"""


class Room:
    """A workspace on disk: what a test saves, and the port that the preview asks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "issues" / "2026-11-20-des-cafes"
        self.file = self.folder / "issue.yaml"
        self.blocks = root / "blocks"
        self.settings = root / "infolettre.toml"
        self.edition: Edition | None = None
        self.looks = 0
        self._library: tuple[object, Library] | None = None

    @classmethod
    def build(cls, root: Path) -> "Room":
        """Write a workspace with four blocks, one picture and a long letter."""
        room = cls(root)
        for name in BLOCKS:
            shutil.copytree(shipped_blocks() / name, room.blocks / name)
        room.settings.write_text(SETTINGS, encoding="utf-8")
        room.folder.mkdir(parents=True)
        room.paint("green")
        room.write(LETTER + "".join(ITEM.format(n=n) for n in range(1, 13)))
        return room

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def replace(self, old: str, new: str, file: Path | None = None) -> None:
        """Save a file with ``old`` changed to ``new``."""
        target = file or self.file
        text = target.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {target.name}"
        target.write_text(text.replace(old, new, 1), encoding="utf-8")

    def paint(self, colour: str) -> None:
        Image.new("RGB", (120, 80), colour).save(self.folder / "lampe.png")

    # ---- the preview's port

    @property
    def watched(self) -> tuple[Path, ...]:
        return self.folder, self.blocks, self.settings

    def render(self) -> Edition:
        self.looks += 1
        workspace = find_workspace(self.root)
        press = Press(library=self.library, settings=workspace.settings)
        issue = read_issue(self.folder, library=press.library, senders=workspace.settings.senders)
        self.edition = render_edition(issue, press)
        return self.edition

    @property
    def library(self) -> Library:
        """Return the blocks, read again only when one of their files was saved."""
        stamp = tuple(
            (str(file), file.stat().st_mtime_ns, file.stat().st_size)
            for file in sorted(self.blocks.rglob("*"))
        )
        if self._library is None or self._library[0] != stamp:
            self._library = stamp, load_library([self.blocks])
        return self._library[1]

    def sender_name(self, profile: str) -> str:
        return find_workspace(self.root).settings.senders[profile].name

    def picture(self, name: str) -> bytes:
        assert self.edition is not None
        picture = next(one for one in self.edition.pictures if one.name == name)
        return (self.folder / picture.source).read_bytes()
