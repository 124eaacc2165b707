"""Where a letter is open, and how a value is escaped there: HTML, a link, plain text, a header.

The context is decided once, from where the token stands; what the values are, and how bytes go
on the wire, is not known here.
"""

import html as _html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote

from pipeline.errors import InputError
from pipeline.text.merge import MERGE_TAGS, TOKEN, NotAToken, decode
from pipeline.words import mark


class Context(Enum):
    """The kinds of place, each with its own escaping."""

    HTML = "html"  # text, or the value of an attribute that is no address
    URL = "url"  # the beginning of a link, scheme and all
    COMPONENT = "component"  # inside a link
    MAILTO = "mailto"  # inside a mailto: link, where "@" stays
    PLAIN = "plain"  # the text part
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One open place: the tag's name, what stands there without a value, and the context."""

    name: str
    fallback: str
    context: Context


Piece = str | Place

_SCHEMES: Final = ("https://", "http://", "mailto:")
_LINKS: Final = frozenset({"href", "src", "action", "formaction", "background", "poster", "cite"})
_REFUSED: Final = re.compile(r"style|srcset|on.*")
_TAG: Final = re.compile(r"""<(?P<name>[A-Za-z][^\s/>]*)(?P<rest>(?:"[^"]*"|'[^']*'|[^'">])*)>""")
_ATTRIBUTE: Final = re.compile(
    r"""(?P<name>[^\s"'=<>/]+)(?:\s*=\s*(?:"(?P<dq>[^"]*)"|'(?P<sq>[^']*)'|(?P<bare>[^\s"'=<>`]+)))?"""
)
_RAW: Final = re.compile(r"<(style|script)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_PLAIN_LINK: Final = re.compile(r"https?://[^\s<>\"]+")


def _escape_url(value: str) -> str:
    """Escape a whole address; what has no scheme of ours cannot become one (``javascript:``)."""
    if value.lower().startswith(_SCHEMES):
        return _html.escape(value.replace(" ", "%20"))
    return quote(value, safe="")


ESCAPES: Final[Mapping[Context, Callable[[str], str]]] = {
    Context.HTML: _html.escape,
    Context.URL: _escape_url,
    Context.COMPONENT: lambda value: quote(value, safe=""),
    Context.MAILTO: lambda value: quote(value, safe="@"),
    Context.PLAIN: str,
    Context.SUBJECT: str,
}


def split_html(html: str) -> list[Piece]:
    """Cut HTML at its tokens. Conditional comments count as HTML: Outlook reads them so.

    Raises InputError where a tag stands in a style, a script or an event attribute.
    """
    spans = sorted(_contexts(html))
    return _split(html, lambda at: _context_at(spans, at))


def split_text(text: str) -> list[Piece]:
    """Cut plain text at its tokens; inside a bare link a value is percent-encoded."""
    spans = [
        (match.start() + 1, match.end(), Context.COMPONENT) for match in _PLAIN_LINK.finditer(text)
    ]
    return _split(text, lambda at: next((c for a, b, c in spans if a <= at < b), Context.PLAIN))


def split_subject(subject: str) -> list[Piece]:
    """Cut a subject at its tokens."""
    return _split(subject, lambda at: Context.SUBJECT)


def _context_at(spans: list[tuple[int, int, Context]], at: int) -> Context:
    return next((context for start, end, context in spans if start <= at < end), Context.HTML)


def _split(source: str, context_at: Callable[[int], Context]) -> list[Piece]:
    pieces: list[Piece] = []
    literal, at = "", 0
    for match in TOKEN.finditer(source):
        literal += source[at : match.start()]
        at = match.end()
        try:
            tag = decode(match[0])
        except NotAToken:  # a word of the letter that looks like one
            literal += match[0]
            continue
        if tag.name not in MERGE_TAGS:  # text that an editor really wrote
            literal += tag.fallback
            continue
        fallback = re.sub(r"\s*[\r\n\t]\s*", " ", tag.fallback)
        context = context_at(match.start())
        pieces += [literal, Place(name=tag.name, fallback=fallback, context=context)]
        literal = ""
    pieces.append(literal + source[at:])
    return pieces


def _contexts(html: str) -> Iterator[tuple[int, int, Context]]:
    """Yield the spans of HTML that are links; refuse tokens where no escaping is safe."""
    for raw in _RAW.finditer(html):
        if TOKEN.search(raw[0]):
            raise _unfillable(f"<{raw[1].lower()}>")
    for tag in _TAG.finditer(html):
        if not TOKEN.search(tag["rest"]):
            continue
        for attribute in _ATTRIBUTE.finditer(html, tag.start("rest"), tag.end("rest")):
            yield from _attribute_contexts(attribute)


def _attribute_contexts(attribute: re.Match[str]) -> Iterator[tuple[int, int, Context]]:
    group = attribute.lastgroup or "name"
    if group == "name" or not TOKEN.search(attribute[group]):
        return
    name = attribute["name"].lower()
    if _REFUSED.fullmatch(name) or group == "bare":
        raise _unfillable(name)
    if name.rpartition(":")[2] not in _LINKS:
        return
    value, start = attribute[group], attribute.start(group)
    lead = len(value) - len(value.lstrip())
    inside = Context.MAILTO if value.lower().lstrip().startswith("mailto:") else Context.COMPONENT
    yield start, start + lead + 1, Context.URL
    yield start + lead + 1, attribute.end(group), inside


def _unfillable(place: str) -> InputError:
    return InputError(
        mark("a merge tag stands in {place}, where no value can be put safely: move it into text"),
        place=place,
    )
