"""CommonMark as a letter takes it: parsed once, checked, and its words typeset.

Tokens in this house are read-only after `parse`: they are cached and shared by all flavours.

What does not live here: what tokens become (`markdown` makes HTML, `prose` makes plain text).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from pipeline.text.merge import MERGE_TAGS, find_tags, is_url_token
from pipeline.text.typography import typeset_run

# What may begin something inline in CommonMark. The parser's own list also stops at `:` `-` `%`
# and others that only its extensions use; without them French prose parses a fifth faster.
_INLINE_SIGN = re.compile(r"[\n\\`*_\[\]<&]|!(?=\[)")

# XML 1.0 has no place for these, even escaped, and MJML is XML.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_SAFE_LINK = re.compile(r"https?://[^/?#]|mailto:.|tel:.|#.", re.IGNORECASE)
# Most addresses need nothing; taking them apart and putting them together costs a fifth of a parse.
_CLEAN_URL = re.compile(r"https?://[a-z0-9.\-]+(?:/(?:[A-Za-z0-9\-._~/?#&=+]|%[0-9A-F]{2})*+)?")
_HOST = re.compile(r"(https?://(?:[^/?#@]*@)?)([^/?#:@]*)", re.IGNORECASE)


class _Letter(MarkdownIt):
    """CommonMark as a letter takes it: no raw HTML, and links that lead somewhere safe."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": 20, "xhtmlOut": True})
        self.inline.terminator_re = _INLINE_SIGN

    def normalizeLink(self, url: str) -> str:
        """Percent-encode an address; its host by IDNA, as the parser's own punycode keeps « É »."""
        if _CLEAN_URL.fullmatch(url):
            return url
        try:
            return normalizeLink(_HOST.sub(_ascii_host, url, count=1))
        except UnicodeError:
            return ""

    def validateLink(self, url: str) -> bool:
        """Allow what a reader can follow from a mail; the parser's own list allows data:."""
        return _SAFE_LINK.match(url) is not None or is_url_token(url)


LETTER = _Letter()
RENDERER = RendererHTML()


# Some letters' worth of blocks: the studio parses a block again at every pause in typing, and the
# tokens of a long one take half a megabyte.
@lru_cache(maxsize=256)
def parse(source: str, language: str) -> Sequence[Token]:
    """Parse blocks of Markdown."""
    tokens = LETTER.parse(_UNPRINTABLE.sub("", source))
    for token in tokens:
        _prepare(token, language)
    return tokens


@lru_cache(maxsize=256)
def runs(source: str, language: str) -> Sequence[Sequence[Token]]:
    """List the runs of inline tokens of a source; a single line is one run, whatever it opens."""
    if "\n" in source:
        return [_run(token) for token in parse(source, language) if _has_content(token)]
    (inline,) = LETTER.parseInline(_UNPRINTABLE.sub("", source))
    _prepare(inline, language)
    return [inline.children or []]


def _has_content(token: Token) -> bool:
    return token.type in ("inline", "fence", "code_block")


def _run(token: Token) -> Sequence[Token]:
    if token.type == "inline":
        return token.children or []
    return [Token("code_inline", "code", 0, content=token.content.strip())]


def _prepare(token: Token, language: str) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{max(3, int(token.tag[1:]))}"
    elif token.type == "inline" and token.children:
        token.children = [_without_image(child) for child in _without_dead_links(token.children)]
        _typeset(token.children, language)


def _without_dead_links(children: Sequence[Token]) -> Iterator[Token]:
    """Leave out `[words]()`, which the parser takes for a link without asking `validateLink`."""
    is_dead = False  # links do not nest, so that one flag is enough
    for child in children:
        if child.type == "link_open":
            is_dead = not child.attrGet("href")
        if not (is_dead and child.type in ("link_open", "link_close")):
            yield child


def _without_image(token: Token) -> Token:
    if token.type != "image":
        return token
    alternative = RENDERER.renderInlineAsText(token.children or [], LETTER.options, {})
    return Token("text", "", 0, content=alternative)


def _typeset(children: Sequence[Token], language: str) -> None:
    pieces = list(_pieces(children))
    for child, piece in zip(children, typeset_run(pieces, language=language), strict=True):
        if child.type == "text" and piece is not None:
            child.content = _UNPRINTABLE.sub("", piece)  # `&#12;` became one only now


def _pieces(children: Sequence[Token]) -> Iterator[str | None]:
    """Give typography the words of a sentence, but neither code nor addresses."""
    in_address = False
    for child in children:
        if child.type in ("link_open", "link_close"):
            in_address = child.type == "link_open" and child.markup == "autolink"
        if child.type == "text":
            yield None if in_address else child.content
        elif child.type in ("softbreak", "hardbreak"):
            yield "\n"
        else:
            yield None if child.type == "code_inline" else ""


def _ascii_host(match: re.Match[str]) -> str:
    if match[2].isascii():
        return match[0]
    import idna  # its tables are 300 KB, and few letters link to such a host

    return match[1] + idna.encode(match[2], uts46=True).decode("ascii")


_LINK_TARGET = re.compile(r"(?<!\\)\]\(\s*<?((?:[^()<>\s]|\([^()\s]*\))*)>?[^()\n]*\)")
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1)[^`]|(?!\1)`+)*?\1(?!`)|^(?: {4}|\t).*$", re.MULTILINE)


def dead_links(source: str) -> list[str]:
    """List the targets of `[words](target)` that lead nowhere from a mail, as they are written.

    The parser leaves such a link standing as text, which its author can only have meant otherwise.
    The source is as the editor typed it, merge tags and all.
    """
    if "](" not in source:
        return []
    found = _LINK_TARGET.findall(_CODE_SPAN.sub("", source))
    return [target for target in found if not _leads_somewhere(target)]


def _leads_somewhere(target: str) -> bool:
    tags = find_tags(target)
    if tags and tags[0].start == 0:
        name = MERGE_TAGS.get(tags[0].name)
        return name is None or name.is_url  # an unknown name is told as such
    return LETTER.validateLink(LETTER.normalizeLink(target))
