"""Plain text that reads like a letter a person wrote, out of parsed Markdown.

What does not live here: the list of links at the end of a letter (`render` places it) and how
lines are filled (`wrapping`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from markdown_it.token import Token

from pipeline.text.commonmark import LETTER, parse
from pipeline.text.wrapping import display_width, wrap

_NARROWEST = 20  # deep quotes and lists stop taking columns from their text here
_ANY_BLANKS = re.compile(r"[ \t\n]+")


class LinkList:
    """The numbered links of a plain-text letter.

    Mutable on purpose: the numbers run through all blocks of a letter, in reading order, and each
    block is rendered on its own.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, url: str) -> int:
        """Give the number of an address: the one it has already, or the next."""
        return self._numbers.setdefault(url, len(self._numbers) + 1)

    def lines(self) -> list[str]:
        """List the addresses as they stand at the end of a letter: `[1] https://…`."""
        return [f"[{number}] {url}" for url, number in self._numbers.items()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True, slots=True)
class Node:
    """A block and the blocks in it, as the flat list of tokens does not show them."""

    token: Token
    children: list[Node] = field(default_factory=list)


@lru_cache(maxsize=256)
def tree(source: str, language: str) -> Sequence[Node]:
    """Nest the blocks of a source."""
    root = Node(Token("root", "", 0))
    open_nodes = [root]
    for token in parse(source, language):
        if token.nesting < 0:
            open_nodes.pop()
            continue
        node = Node(token)
        open_nodes[-1].children.append(node)
        if token.nesting > 0:
            open_nodes.append(node)
    return root.children


def stacked(
    nodes: Sequence[Node], links: LinkList, width: int, *, tight: bool = False
) -> list[str]:
    """Set blocks one under the other, with an empty line between them unless they are tight."""
    lines: list[str] = []
    for node in nodes:
        block = _block(node, links, width)
        if block and lines and not tight:
            lines.append("")
        lines += block
    return lines


def _block(node: Node, links: LinkList, width: int) -> list[str]:
    match node.token.type:
        case "heading_open":
            return _heading(node, links, width)
        case "bullet_list_open" | "ordered_list_open":
            return _list(node, links, width)
        case "blockquote_open":
            return _indented(stacked(node.children, links, width - 2), "> ", "> ")
        case "fence" | "code_block":
            return _indented(node.token.content.rstrip("\n").split("\n"), "    ", "    ")
        case "hr":
            return ["* * *"]
        case "inline":
            return _lines(_text(node.token.children or [], links), width)
        case _:
            return stacked(node.children, links, width)


def _heading(node: Node, links: LinkList, width: int) -> list[str]:
    lines = stacked(node.children, links, width)
    if node.token.tag != "h3" or not lines:
        return lines
    return [*lines, "-" * max(display_width(line) for line in lines)]


def _list(node: Node, links: LinkList, width: int) -> list[str]:
    lines: list[str] = []
    tight = _is_tight(node)
    start = node.token.attrGet("start")
    for number, item in enumerate(node.children, 1 if start is None else int(start)):
        mark = "- " if node.token.tag == "ul" else f"{number}. "
        if lines and not tight:
            lines.append("")
        inside = stacked(item.children, links, width - len(mark), tight=tight) or [""]
        lines += _indented(inside, mark, " " * len(mark))
    return lines


def _is_tight(node: Node) -> bool:
    return all(
        child.token.hidden
        for item in node.children
        for child in item.children
        if child.token.type == "paragraph_open"
    )


def _indented(lines: Sequence[str], first: str, rest: str) -> list[str]:
    return [((rest if index else first) + line).rstrip(" ") for index, line in enumerate(lines)]


def _lines(text: str, width: int) -> list[str]:
    return wrap(text, width=max(width, _NARROWEST)).split("\n") if text.strip() else []


def _text(children: Sequence[Token], links: LinkList) -> str:
    """Write a sentence without mark-up, each link followed by its number."""
    parts: list[str] = []
    href, since = "", 0
    for child in children:
        if child.type == "link_open":
            href, since = str(child.attrGet("href") or ""), len(parts)
        elif child.type == "link_close":
            parts[since:] = [_linked("".join(parts[since:]), href, links)]
        else:
            parts.append(_character_data(child))
    return "".join(parts)


def _linked(label: str, href: str, links: LinkList) -> str:
    scheme, _, address = href.partition(":")
    if href.startswith("#"):
        return label
    if scheme.lower() in ("mailto", "tel"):
        address = unquote(address.partition("?")[0])
        return address if label.strip() in ("", address, href) else f"{label} ({address})"
    if _is_own_address(label.strip(), href):
        return href
    return f"{label} [{links.add(href)}]"


def _is_own_address(label: str, href: str) -> bool:
    if not label or _bare(label) == _bare(href):
        return True
    return "://" in label and _bare(LETTER.normalizeLink(label)) == _bare(href)


def _bare(url: str) -> str:
    return re.sub(r"^(https?://)?(www\.)?", "", url).rstrip("/")


def _character_data(token: Token) -> str:
    if token.type == "softbreak":
        return " "
    return "\n" if token.type == "hardbreak" else token.content


def words(children: Sequence[Token]) -> str:
    """Write a sentence without mark-up, its links as their words alone."""
    return "".join(_character_data(child) for child in children)


def one_line(text: str) -> str:
    """Put a text on one line; its no-break spaces stay."""
    return " ".join(_ANY_BLANKS.split(text)).strip(" ")
