"""Repairs of a feed's bytes before they are parsed, each for a fault that real feeds have.

The parser is strict where readers are not: one bad byte turns a whole feed to mojibake, a blank
line before the prolog makes it ill-formed. What has no cheap and certain repair is left to the
parser. Sources: the measurements on picoFeed's, miniflux's and simplepie's corpora.
"""

import re
from itertools import islice
from typing import Final

# RFC 3629 text may be broken by a few bytes (a cut in the middle of a character, one pasted
# windows-1252 quote); above this share it never was UTF-8.
BAD_BYTES: Final = 0.001
_PROLOG: Final = re.compile(rb"<\?xml[^>]{0,200}\?>", re.IGNORECASE)
_DOUBLED: Final = re.compile(rb"^<\?xml\?xml\b([^>]{0,200}?)\?+>", re.IGNORECASE)
_ENCODING: Final = re.compile(rb"""\s+encoding\s*=\s*["']([\w.:-]{1,40})["']""", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
# Not allowed in XML 1.0 (section 2.2), and never meant.
_CONTROLS: Final = bytes({*range(0x20)} - {0x09, 0x0A, 0x0D}) + b"\x7f"
# feedparser takes some 40 µs a tag (measured: 1 million tags in 14 s strictly, 280,000 in 12 s
# loosely), and for the attributes of one tag a time that grows with the square of their number.
MAX_TAGS: Final = 200_000
_MAX_WORDS: Final = 400
_CDATA: Final = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_LONG_TAG: Final = re.compile(rb"<[a-zA-Z][^<>]{1000,}+")
_END: Final = re.compile(rb"</(?:[a-zA-Z]\w{0,30}:)?(?:item|entry)\s*>", re.IGNORECASE)


def has_bad_shape(body: bytes) -> bool:
    """Say whether parsing would take many seconds: no real feed has that many tags."""
    if body.count(b"<") > MAX_TAGS and _CDATA.sub(b"", body).count(b"<") > MAX_TAGS:
        return True
    return any(len(tag[0].split()) > _MAX_WORDS for tag in _LONG_TAG.finditer(body))


def cut_entries(body: bytes, *, limit: int) -> bytes:
    """Return a feed without what follows its ``limit``-th entry, but with its end.

    Feeds of 50,000 entries exist, and by custom their first ones are the newest.
    """
    ends = (found.end() for found in _END.finditer(body))
    cut = next(islice(ends, limit - 1, None), None)
    if cut is None or (last := max(ends, default=0)) <= cut:
        return body
    return body[:cut] + body[last:]


def repair_feed(body: bytes, *, content_type: str) -> tuple[bytes, str]:
    """Return the bytes to parse, and the content type to tell the parser.

    Whatever decodes as UTF-8 beyond ASCII is UTF-8, whatever prolog or header say: the chance
    that text in another encoding does so by accident is nil after a few characters.
    """
    body = _without_wide_characters(body).lstrip(b" \t\r\n\x00")
    body = _DOUBLED.sub(rb"<?xml\1?>", body.removeprefix(b"\xef\xbb\xbf").lstrip())
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        if not _says_utf8(body, content_type) or (mended := _mended(body)) is None:
            return body, content_type
        body = mended
    if body.isascii() and not _says_utf8(body, content_type):
        return body, content_type  # ISO-2022-JP and UTF-7 are ASCII on the wire
    return body.translate(None, _CONTROLS), "application/xml; charset=utf-8"


def charset_of(content_type: str) -> str:
    """Return the charset a Content-Type header names, in lower case, or ``""``."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else ""


def _without_wide_characters(body: bytes) -> bytes:
    """Return UTF-16 as UTF-8 where it has no byte-order mark: feedparser reads nothing of it."""
    for codec, opening in (("utf-16-be", b"\x00<\x00"), ("utf-16-le", b"<\x00")):
        if body[:40].lstrip(b"\x00\r\n\t ")[:1] == b"<" and opening in body[:40]:
            text = body[: len(body) // 2 * 2].decode(codec, errors="replace")
            return _PROLOG.sub(b"", text.encode("utf-8", errors="replace"), count=1)
    return body


def _says_utf8(body: bytes, content_type: str) -> bool:
    prolog = _PROLOG.match(body)
    declared = _ENCODING.search(prolog[0]) if prolog else None
    said = declared[1].decode() if declared else charset_of(content_type)
    return said.lower().replace("_", "-") in ("utf-8", "utf8")


def _mended(body: bytes) -> bytes | None:
    """Return ``body`` with U+FFFD for its bad bytes, or None where they are too many."""
    text = body.decode("utf-8", errors="replace")
    bad = text.count("\ufffd") - body.count("\ufffd".encode())
    return text.encode() if bad <= len(body) * BAD_BYTES else None
