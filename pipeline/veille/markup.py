"""A web page's bytes to a tree, whatever its encoding and however broken.

What is read out of the tree is the business of ``discovery.py`` and ``page.py``.
"""

import codecs
import re
from typing import Final

from lxml import etree
from lxml.html import HtmlElement

from pipeline.veille.repair import charset_of

_META: Final = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_WITHIN: Final = 4096  # bytes; the WHATWG says 1024, real pages put it later
# Without a mark: an opening bracket, and a zero byte beside it.
_WIDE: Final = (
    (re.compile(rb"\s*<\x00"), "utf-16-le"),
    (re.compile(rb"(?:\x00\s)*\x00<"), "utf-16-be"),
)
# Python's own notations, which no page is written in; punycode takes the square of the length.
_NO_PAGE: Final = frozenset(
    {"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
)
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def parse_html(body: bytes, *, content_type: str = "") -> etree._Element | None:
    """Return the root of a page, or None where there is nothing to read.

    The elements are ``lxml.html``'s, as trafilatura wants them. libxml2 leaves out what is nested
    more than 255 deep.
    """
    text = decode_html(body, content_type=content_type).replace("\x00", "")
    # lxml refuses text with an encoding declaration: give it UTF-8 bytes and say so
    parser = etree.HTMLParser(
        encoding="utf-8", recover=True, no_network=True, remove_comments=True, huge_tree=False
    )
    try:
        # a lookup in C, where that of lxml.html.HTMLParser runs Python for each element
        parser.set_element_class_lookup(etree.ElementDefaultClassLookup(element=HtmlElement))
        root = etree.fromstring(text.encode("utf-8", errors="replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return root


def decode_html(body: bytes, *, content_type: str) -> str:
    """Return a page's text: by byte-order mark, as UTF-8 if it is, as header and meta say."""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(codec, errors="replace")
    for opening, codec in _WIDE:
        if opening.match(body[:40]):
            return body.decode(codec, errors="replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    meta = _META.search(body[:_META_WITHIN])
    for name in (charset_of(content_type), meta[1].decode() if meta else ""):
        try:
            if name:
                # latin-1 means windows-1252 on the web (WHATWG Encoding, 4.2)
                codec = codecs.lookup(name).name
                if codec in _NO_PAGE:
                    continue
                codec = "windows-1252" if codec == "iso8859-1" else codec
                return body.decode(codec, errors="replace")
        except (LookupError, UnicodeError):
            continue
    return body.decode("windows-1252", errors="replace")
