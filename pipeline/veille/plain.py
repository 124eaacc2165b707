"""Text from outside, made plain: no markup, no control characters, one line, of bounded length.

Feeds and pages write what they like; an entry holds plain text only. :func:`markdown_text` then
writes such a text as Markdown that shows exactly these characters.
"""

import html
import re
import textwrap
import unicodedata
from itertools import filterfalse
from typing import Final

import nh3

# nh3 (html5ever) needs a time that grows with the square of the nesting: 50,000 open tags took
# 4.8 s. An excerpt needs no more than the beginning.
MAX_HTML: Final = 20_000
_BLOCKS: Final = set(
    re.findall(
        r"\w+",
        "address article aside blockquote br dd div dl dt figcaption figure footer h1 h2 h3 h4 h5"
        " h6 header hr li main nav ol p pre section table tbody td th thead tr ul",
    )
)
_HIDDEN: Final = {"script", "style", "template", "noscript", "iframe", "object", "svg", "title"}
_CLEANER: Final = nh3.Cleaner(
    tags=_BLOCKS, clean_content_tags=_HIDDEN, attributes={}, strip_comments=True
)
_TAG: Final = re.compile(r"<[^>]*>")
_SPACE: Final = re.compile(r"[ \t\n\r\f\v\x85\u2028\u2029]+")  # not the no-break spaces
# C0 and C1 controls, soft hyphen, byte-order mark, bidi embeddings and overrides (they would
# reach past their own text), surrogates and non-characters: none may enter a YAML file.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_MARKDOWN: Final = re.compile(r"[\\`*<>\[\]{}~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|!(?=\[)")
_LINE_START: Final = re.compile(r"^(?:([-+=#])|(\d{1,9})([.)])(?=\s|$))", re.MULTILINE)
#: The combining marks of Latin, Greek and Cyrillic, and where others may be: not in the signs of
#: U+2000 to U+20CF, the apostrophe among them, which nearly every text has.
_ACCENTS: Final = re.compile("[\u0300-\u034e\u0350-\u036f]+")
_FURTHER: Final = re.compile("[\u0483-\u1fff\u20d0-\U0010ffff]")
_WIDTH: Final = 96  # columns, as the letters are written


def plain_text(markup: str, *, limit: int) -> str:
    """Return the text of an HTML fragment in one line of at most ``limit`` characters.

    >>> plain_text("<p>Un &amp; deux</p><p>trois<script>x()</script></p>", limit=100)
    'Un & deux trois'
    """
    start = markup[:MAX_HTML]
    if "<" not in start:
        return tidy(html.unescape(start), limit=limit)
    return tidy(html.unescape(_TAG.sub(" ", _CLEANER.clean(start))), limit=limit)


def tidy(text: str, *, limit: int) -> str:
    """Return ``text`` in one line without control characters, cut at a word with an ellipsis."""
    enough = 2 * limit + 200  # where little of it is space or signs that go: most texts
    start = _one_line(text[:enough])
    text = start if len(start) > limit or len(text) <= enough else _one_line(text[: MAX_HTML * 2])
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > limit // 2 else cut).rstrip(" ,;:–—-") + "…"


def _one_line(text: str) -> str:
    if "  " not in text and text.isprintable():  # then its only white space is U+0020
        return text.strip(" ")
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def fold(text: str) -> str:
    """Return ``text`` without case and accents, for comparing and searching."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    if not decomposed.isascii():
        decomposed = _ACCENTS.sub("", decomposed)
        if _FURTHER.search(decomposed):
            decomposed = "".join(filterfalse(unicodedata.combining, decomposed))
    return decomposed.strip()


def markdown_text(text: str) -> str:
    r"""Return plain text as lines of CommonMark that show exactly that text, in one paragraph.

    Braces are escaped as well: no feed can write a merge tag into a letter.

    >>> print(markdown_text("2 * 3 = {{six}}"))
    2 \* 3 = \{\{six\}\}
    """
    lines = textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    escaped = _MARKDOWN.sub(lambda match: "\\" + match[0], lines)
    return _LINE_START.sub(_escape_start, escaped)


def without_tags(text: str) -> str:
    """Return a plain field (a title, a name) in which ``{{`` cannot begin a merge tag."""
    return text.replace("{{", "{ {").replace("}}", "} }")


def _escape_start(match: re.Match[str]) -> str:
    return f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}"
