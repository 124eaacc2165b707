"""A kept entry becomes an item of a letter: text in, text out, every other byte as it was.

Reading and writing the letter's file is the business of ``letter.py``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from markdown_it.token import Token

from pipeline.errors import InputError
from pipeline.issues.edit import append_item
from pipeline.text.commonmark import runs
from pipeline.text.document import Document, Path, walk
from pipeline.text.prose import words
from pipeline.veille.item import page_key
from pipeline.veille.plain import markdown_text
from pipeline.words import mark

BLOCK: Final = "veille"
EN_BREF: Final = "en-bref"
_ADDRESS: Final = re.compile(r"\s*https?://\S+\s*", re.IGNORECASE)
_BRACES: Final = re.compile(r"\{{2,}")
_ENDS_LINK: Final = re.compile(r"[\\()<>&]")

#: The blocks that take items from the desk, with the fields of an item there; those of
#: ``en-bref`` are written as one line of Markdown.
BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    BLOCK: ("title", "url", "source", "authors", "date", "language", "body"),
    "on-en-parle": ("title", "url", "source", "date", "body"),
    EN_BREF: ("title", "url", "source", "body"),
}


def keep_item(document: Document, item: Mapping[str, object], *, block: str = BLOCK) -> str:
    """Return the letter's text with ``item`` added to its first block of that name.

    ``item`` has the fields of :func:`pipeline.veille.item.item_of`; where the block has no place
    for one, it is left out. Where the letter has no such block, one is added at its end. Raises
    InputError where the item's page is in the letter already, where ``block`` takes no items, or
    where the letter cannot be edited.
    """
    if block not in BLOCKS:
        message = mark("the block “{block}” takes no items from the desk; choose one of {known}")
        raise InputError(message, block=block, known=", ".join(BLOCKS))
    values = document.values
    if (title := cited(values, page_key(str(item["url"])))) is not None:
        message = mark("“{title}” is in this letter already: nothing was added")
        raise InputError(message, title=title)
    written: object = {name: item[name] for name in BLOCKS[block] if name in item}
    if block == EN_BREF:
        written = line_of(item, language=language_of(values))
    place = _first_block(values, block)
    if place is None:
        return append_item(document.text, ("blocks",), {"block": block, "items": [written]})
    return append_item(document.text, (*place, "items"), written)


def note_body(note: str) -> str:
    """Return a curator's note as the body of an item: Markdown, without merge tags of its own."""
    return _BRACES.sub(lambda match: r"\{" * len(match[0]), note).strip() + "\n"


def line_of(item: Mapping[str, object], *, language: str) -> str:
    """Return an item as one line of Markdown: « [Titre](adresse) (Source) », then its body."""
    line = f"[{_inline(item['title'])}]({_destination(str(item['url']))})"
    if item.get("source"):
        line += f" ({_inline(item['source'])})"
    if body := " ".join(str(item.get("body", "")).split()):
        colon = " : " if language.lower().startswith("fr") else ": "
        line += colon + body
    return line + "\n"


def cited(values: Any, key: str) -> str | None:
    """Return the title of the item that leads to the page of ``key``, or None.

    Items have their address in a field ``url``; those of ``en-bref`` in their text.
    """
    for path, value in walk(_blocks(values)):
        if isinstance(value, dict) and isinstance(url := value.get("url"), str):
            if page_key(url) == key:
                return str(value.get("title") or value.get("heading") or url)
        elif isinstance(value, str) and _is_brief(values, path):
            for label, url in _markdown_links(value, language_of(values)):
                if key in page_keys(url):
                    return label or url
    return None


def linked_pages(values: Any) -> Iterator[tuple[str, str]]:
    """Yield title and address of whatever a letter's blocks link to.

    That is every field that holds an address, and every link in the midst of a Markdown text.
    """
    language = language_of(values)
    for _, value in walk(_blocks(values)):
        if isinstance(value, dict):
            for url in value.values():
                if isinstance(url, str) and _ADDRESS.fullmatch(url):
                    yield str(value.get("title") or value.get("heading") or url), url.strip()
        elif isinstance(value, str) and "://" in value and not _ADDRESS.fullmatch(value):
            for label, url in _markdown_links(value, language):
                yield label or url, url


def linked_keys(values: Any) -> frozenset[str]:
    """Return the keys of all pages that a letter links to."""
    return frozenset(key for _, url in linked_pages(values) for key in page_keys(url))


def page_keys(url: str) -> set[str]:
    """Return the keys that the page behind a rendered address may have.

    Rendering writes square brackets and a lone ``%`` in an encoded way (RFC 3986, 2.2 and 2.4),
    which an item's own address leaves alone.
    """
    brackets = url.replace("%5B", "[").replace("%5D", "]")
    return {page_key(one) for one in (url, brackets, brackets.replace("%25", "%"))}


def language_of(values: Any, *, default: str = "fr") -> str:
    """Return the language of a letter's values."""
    found = values.get("language") if isinstance(values, dict) else None
    return found if isinstance(found, str) and found else default


def _blocks(values: Any) -> Any:
    return values.get("blocks") if isinstance(values, dict) else None


def _first_block(values: Any, name: str) -> Path | None:
    blocks = _blocks(values)
    for index, block in enumerate(blocks if isinstance(blocks, list) else []):
        if isinstance(block, dict) and block.get("block") == name:
            return ("blocks", index)
    return None


def _is_brief(values: Any, path: Path) -> bool:
    """Say whether ``path``, from the list of blocks, is an item of an ``en-bref`` block."""
    if len(path) != 3 or path[1] != "items":
        return False
    block = _blocks(values)[path[0]]
    return isinstance(block, dict) and block.get("block") == EN_BREF


def _markdown_links(source: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield the text and the address of each link of a Markdown text."""
    for run in runs(source.strip(), language):
        address = ""
        inside: list[Token] = []
        for token in run:
            if token.type == "link_open":
                address, inside = str(token.attrGet("href") or ""), []
            elif token.type == "link_close":
                yield words(inside).strip(), address
            else:
                inside.append(token)


def _inline(value: object) -> str:
    """Return a plain field as Markdown in the midst of a line."""
    return " ".join(markdown_text(str(value)).split("\n"))


def _destination(url: str) -> str:
    """Return an address as the target of a link (CommonMark 6.3): nothing in it ends it early."""
    return _ENDS_LINK.sub(r"\\\g<0>", url)
