"""CommonMark to HTML for mail and web, to one line, and to plain text that reads like a letter.

One parse serves all flavours and is kept in a bounded cache, so an unchanged block costs nothing
when a letter is rendered again. Sources come in with their merge tags already turned into tokens
(`merge.protect`).

Decided here: raw HTML is text; images are their alternative text (a letter's images are blocks);
`#` to `###` are h3, because a block's own heading is h2; a link leads to http, https, mailto, tel,
an anchor of the letter or a merge tag that is an address, and anything else stays visible as the
source that was typed, so that its author notices.

What does not live here: which fields of a block are Markdown, MJML, and numbering links across a
letter (hand the same `LinkList` to every `to_text`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import nh3

from pipeline.text.commonmark import LETTER, RENDERER, parse, runs
from pipeline.text.prose import LinkList, one_line, stacked, tree, words
from pipeline.text.wrapping import WIDTH, wrap

__all__ = ["Flavour", "LinkList", "plain", "to_html", "to_inline_html", "to_text", "wrap"]

Flavour = Literal["email", "web"]

_VOID = re.compile(r"<(br|hr)>")


def to_html(source: str, *, language: str, flavour: Flavour = "email") -> str:
    """Render blocks of Markdown as HTML: `<br />` in mail, which MJML reads as XML."""
    return _html(source, language, flavour, one_line=False)


def to_inline_html(source: str, *, language: str, flavour: Flavour = "email") -> str:
    """Render a field of one line as HTML without a paragraph around it.

    A single line knows no lists and no headings: « 1. La loi » keeps its number. Of several
    lines, the paragraphs are joined by a space.
    """
    return _html(source.strip(), language, flavour, one_line=True)


def plain(source: str, *, language: str) -> str:
    """Reduce Markdown to one line of plain text, for preheaders, titles and alternatives."""
    return one_line(" ".join(words(run) for run in runs(source.strip(), language)))


def to_text(source: str, *, language: str, links: LinkList, width: int = WIDTH) -> str:
    """Render Markdown as plain text, wrapped, its links numbered in `links`.

    A link that shows its own address is not numbered. A `mailto:` or `tel:` link shows its address
    in brackets. Emphasis goes; headings are underlined.
    """
    return "\n".join(stacked(tree(source, language), links, width))


_TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote", "code", "pre", "hr"}
_HEADINGS = {"h3", "h4", "h5", "h6"}


def _cleaner(link_rel: str | None) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS | _HEADINGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=link_rel,
    )


# A second pair of eyes: the parser's output holds nothing else, and must never hold anything else.
_CLEANERS = {"email": _cleaner(None), "web": _cleaner("noopener")}


@lru_cache(maxsize=512)
def _html(source: str, language: str, flavour: Flavour, *, one_line: bool) -> str:
    html = _CLEANERS[flavour].clean(_rendered(source, language, one_line=one_line))
    html = html.replace("&nbsp;", "\u00a0").strip("\n")
    return _VOID.sub(r"<\1 />", html) if flavour == "email" else html


@lru_cache(maxsize=512)
def _rendered(source: str, language: str, *, one_line: bool) -> str:
    if not one_line:
        return RENDERER.render(parse(source, language), LETTER.options, {})
    inline = (RENDERER.renderInline(run, LETTER.options, {}) for run in runs(source, language))
    return " ".join(inline).replace("\n", " ")
