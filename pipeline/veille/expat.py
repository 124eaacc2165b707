"""What makes feedparser quicker: an XML parser that hands over a text in one piece.

The standard library's driver hands over every line and every entity by itself, each of which
costs feedparser several calls. ``feedparser.api.PREFERRED_XML_PARSERS`` names drivers by their
module, as :func:`xml.sax.make_parser` wants them: with a function :func:`create_parser`.
"""

from typing import Final
from xml.sax.expatreader import ExpatParser

import feedparser.api
import feedparser.mixin

_BUFFER: Final = 65_536  # bytes of text that are gathered at a time
_COMMON: Final = (*range(0x250), *range(0x2010, 0x2040))  # Latin letters, punctuation


class _Parser(ExpatParser):
    def reset(self) -> None:
        super().reset()
        self._parser.buffer_text = True  # type: ignore[attr-defined]
        self._parser.buffer_size = _BUFFER  # type: ignore[attr-defined]


def create_parser() -> _Parser:
    """Return a parser; called by ``xml.sax``."""
    return _Parser()


def speed_up() -> None:
    """Have feedparser use it, and look up common characters where they are found at once.

    feedparser 6.0 translates every text by a table of 27 characters of windows-1252, and for each
    character that is not in it Python raises and drops an error: a sixth of all its time.
    """
    feedparser.api.PREFERRED_XML_PARSERS[:] = [__name__]
    table = getattr(feedparser.mixin, "_cp1252", {})
    for code in _COMMON:
        table.setdefault(code, chr(code))
