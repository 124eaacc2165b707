"""A kept entry becomes an item of a letter: text in, text out, every other byte as it was.

Reading and writing the letter's file is the business of ``desk.py``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.errors import InputError
from pipeline.issues.edit import append_item
from pipeline.text.document import Document, Path, walk
from pipeline.veille.item import page_key
from pipeline.words import mark

BLOCK: Final = "veille"


def keep_item(document: Document, item: Mapping[str, object]) -> str:
    """Return the letter's text with ``item`` added to its first ``veille`` block.

    Where the letter has no such block, one is added at its end. Raises InputError where the
    item's page is in the letter already, or where the letter cannot be edited.
    """
    if (title := cited(document.values, page_key(str(item["url"])))) is not None:
        message = mark("“{title}” is in this letter already: nothing was added")
        raise InputError(message, title=title)
    place = _veille_block(document.values)
    if place is None:
        return append_item(document.text, ("blocks",), {"block": BLOCK, "items": [dict(item)]})
    return append_item(document.text, (*place, "items"), dict(item))


def cited(values: Any, key: str) -> str | None:
    """Return the title of the item that leads to the page of ``key``, or None."""
    for title, url in _linked(values):
        if page_key(url) == key:
            return title
    return None


def _veille_block(values: Any) -> Path | None:
    blocks = values.get("blocks") if isinstance(values, dict) else None
    for index, block in enumerate(blocks if isinstance(blocks, list) else []):
        if isinstance(block, dict) and block.get("block") == BLOCK:
            return ("blocks", index)
    return None


def _linked(values: Any) -> Iterator[tuple[str, str]]:
    """Yield title and address of whatever the letter's blocks link to by a ``url`` field."""
    for _, value in walk(values.get("blocks") if isinstance(values, dict) else None):
        if isinstance(value, dict) and isinstance(url := value.get("url"), str):
            yield str(value.get("title") or value.get("heading") or url), url
