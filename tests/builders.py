"""Small letters and what renders them, for tests of many rooms."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pipeline.blocks.block import Library
from pipeline.blocks.registry import load_library, shipped_blocks
from pipeline.issues.issue import Image, Issue, make_issue
from pipeline.render.compose import Press
from pipeline.settings import Organisation, Sender, Settings, Site
from pipeline.text.document import parse_document

A_LETTER = {"number": 46, "title": "Des cafés", "date": "2026-11-20", "sender": "redaction"}


@lru_cache(maxsize=1)
def a_library() -> Library:
    """Return the blocks that ship, read once."""
    return load_library([shipped_blocks()])


def an_issue_text(*blocks: Mapping[str, Any], **fields: Any) -> str:
    """Return an ``issue.yaml`` with these blocks; ``fields`` are the letter's own."""
    lines = [f"{name}: {_flow(value)}" for name, value in (A_LETTER | fields).items()]
    listed = [f"- {_flow(block)}" for block in blocks]
    return "\n".join([*lines, "blocks:" if listed else "blocks: []", *listed]) + "\n"


def an_image(path: str, *, width: int = 1200, height: int = 675) -> Image:
    """Return the facts of an image that no file holds."""
    return Image(path=path, digest="ab" * 32, width=width, height=height, octets=1, format="PNG")


def an_issue(
    text: str,
    *,
    images: Iterable[Image] = (),
    library: Library | None = None,
    slug: str = "2026-11-20-des-cafes",
) -> Issue:
    """Return the letter that ``text`` holds; its sender is ``redaction``."""
    return make_issue(
        parse_document(text.encode(), path="issue.yaml"),
        slug=slug,
        library=library or a_library(),
        images={image.path: image for image in images},
        senders=["redaction"],
    )


def some_settings(*, url: str = "https://lettre.example") -> Settings:
    """Return the settings of a small newsletter; with no ``url``, one that has no site."""
    return Settings(
        site=Site(name="La lettre", url=url),
        organisation=Organisation(name="Le Cercle", address="1, rue des Tisserands, Amiens"),
        senders={"redaction": Sender(name="La rédaction", email="lettre@cercle.example")},
    )


def a_press(library: Library | None = None, *, url: str = "https://lettre.example") -> Press:
    """Return what letters are rendered with."""
    return Press(library=library or a_library(), settings=some_settings(url=url))


def _flow(value: Any) -> str:
    """Write ``value`` as YAML on one line: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
