"""What an address answered with: a page, a feed, a PDF, or something that is none to read.

Judged by the first bytes before the declared type: servers call a feed text/html and a PDF
application/octet-stream.
"""

from enum import Enum, auto
from typing import Final

from pipeline.veille.discovery import looks_like_feed, looks_like_html
from pipeline.veille.jsonfeed import is_json

_JSON_FEED: Final = b"jsonfeed.org/version/1"
_WITHIN: Final = 1_024  # bytes, within which a PDF has to say so (ISO 32000-1, annex H)


class Kind(Enum):
    """What a body is."""

    PAGE = auto()
    FEED = auto()
    PDF = auto()
    IMAGE = auto()
    RECORDING = auto()
    FILE = auto()  # to be downloaded: an archive, an office document


_MAGIC: Final = (
    (b"\x89PNG", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
    (b"ID3", Kind.RECORDING),
    (b"OggS", Kind.RECORDING),
    (b"fLaC", Kind.RECORDING),
    (b"\x1aE\xdf\xa3", Kind.RECORDING),  # Matroska, WebM
    (b"PK\x03\x04", Kind.FILE),
    (b"\x1f\x8b", Kind.FILE),
    (b"7z\xbc\xaf", Kind.FILE),
    (b"\xd0\xcf\x11\xe0", Kind.FILE),  # OLE: .doc, .xls, .ppt
)
_FILES: Final = ("zip", "gzip", "tar", "7z", "rar", "officedocument", "opendocument", "msword")


def kind_of(body: bytes, *, content_type: str) -> Kind:
    """Return what ``body`` is; PAGE where nothing says otherwise."""
    declared = content_type.partition(";")[0].strip().lower()
    if b"%PDF-" in body[:_WITHIN] and not looks_like_html(body):
        return Kind.PDF
    if looks_like_feed(body) and (not is_json(body) or _JSON_FEED in body):
        return Kind.FEED
    if looks_like_html(body):
        return Kind.PAGE
    if found := next((kind for magic, kind in _MAGIC if body.startswith(magic)), None):
        return found
    if body[4:8] == b"ftyp" or declared.startswith(("audio/", "video/")):
        return Kind.RECORDING
    if declared.startswith("image/"):
        return Kind.IMAGE
    return Kind.FILE if any(one in declared for one in _FILES) else Kind.PAGE
