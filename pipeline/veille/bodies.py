"""The markup of an entry's body: its beginning as text, its length in words, its first picture.

Plain values in and out, in a time that grows with the body's length and no faster, whatever it
holds. What becomes of them is the business of ``feeds.py`` and ``jsonfeed.py``.
"""

import html
import re
from typing import Final

from pipeline.veille.plain import plain_text, tidy

# Without “<” inside, a row of a million “<” is gone through once.
_TAG: Final = re.compile(r"<[^<>]*>")
_IMAGE: Final = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_SOURCE: Final = re.compile(r"""\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_PIXEL: Final = re.compile(r"""\b(?:width|height)\s*=\s*["']?[012]\b""", re.IGNORECASE)
_MAX_BODY: Final = 500_000  # characters that are looked at
_MAX_IMAGES: Final = 20
_SLACK: Final = 60  # characters of text behind the cut, so that what is cut off cannot matter


def beginning(markup: str, *, limit: int) -> str:
    """Return the text of ``markup`` in one line of at most ``limit`` characters.

    The same as ``plain_text`` gives, but of a long body no more is read than it takes.
    """
    start = markup[: limit * 2]
    if len(start) < len(markup):
        found = plain_text(start, limit=limit + _SLACK)
        if found.endswith("…") and len(found) > limit:
            return tidy(found, limit=limit)
    return plain_text(markup, limit=limit)


def count_words(markup: str) -> int:
    """Return how many words a reader reads.

    >>> count_words("<p>Un <b>deux</b></p><p>trois</p>")
    3
    """
    text = markup[:_MAX_BODY]
    return len((_TAG.sub(" ", text) if "<" in text else text).split())


def first_image(markup: str) -> str:
    """Return the address of the first picture as it is written, or ``""``.

    Pictures of a pixel count readers; ``data:`` is no address.
    """
    text = markup[:_MAX_BODY]
    if "<img" not in text and "<IMG" not in text:
        return ""
    for number, image in enumerate(_IMAGE.finditer(text)):
        if number >= _MAX_IMAGES:
            break
        if _PIXEL.search(image[0]) or not (source := _source(image[0])):
            continue
        if not source.startswith("data:"):
            return source
    return ""


def _source(image: str) -> str:
    for found in _SOURCE.finditer(image):
        if image[found.start() - 1 : found.start()] != "-":  # data-src is for scripts
            return html.unescape(found[1] or found[2] or found[3] or "").strip()
    return ""
