"""What trafilatura finds where a page does not say who wrote it, or when.

A library's guess: it comes last, and of its dates only those are believed that stand on the
page in a short line of their own. It is given the tree without what can hold neither: so it takes
half of the time, and finds nothing in the running text. It takes a tenth of a second to load, so
that is done when it is first needed.
"""

import copy
import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree

from pipeline.veille.article import parse_date
from pipeline.veille.prose import text_of

_MAX_ELEMENTS: Final = 20_000  # 100 kB of real page have 2,000
_MAX_TEXT: Final = 1_000_000  # characters
_NO_PLACES: Final = ("script", "style", "nav", "svg", "form", "noscript", "iframe", "template")
_BESIDE: Final = etree.XPath("//footer[not(ancestor::article)] | //aside[not(ancestor::article)]")
_PROSE: Final = etree.XPath("//p[string-length(.) > 300]")
_COUNT: Final = etree.XPath("count(//*)")
_LENGTH: Final = etree.XPath("string-length(/)")
_SHORT_TEXTS: Final = etree.XPath(
    "//body//text()[contains(., $year) and string-length(.) <= 120]"
    "[not(ancestor::footer or ancestor::nav or ancestor::aside or ancestor::script)]"
)
_SHORT_LINE: Final = 200  # characters
_MAX_LINES: Final = 200
_MAX_NAME_WORDS: Final = 6
_NO_NAME: Final = re.compile(r"[\d@/|<>{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What was found; empty where nothing was, or nothing to be believed."""

    title: str = ""
    authors: tuple[str, ...] = ()
    date: datetime | None = None


def guess_fields(root: etree._Element, *, url: str, now: datetime) -> Guess:
    """Return what trafilatura reads in a page of ``lxml.html`` elements; it leaves them alone.

    Larger pages than any real article are not looked through.
    """
    if float(str(_COUNT(root))) > _MAX_ELEMENTS or float(str(_LENGTH(root))) > _MAX_TEXT:
        return Guess()
    from trafilatura import extract_metadata

    for name in ("trafilatura", "htmldate"):  # it would print its troubles between our lines
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dates = {
        "original_date": True,
        "extensive_search": False,  # the other mode makes 1996-01-01 of any four digits
        "max_date": now.date().isoformat(),
    }
    try:
        found = extract_metadata(_pruned(root), default_url=url, extensive=False, date_config=dates)
    except Exception:  # anybody's page, read by others' code: what breaks on it finds nothing
        return Guess()
    return Guess(
        title=found.title or "",
        authors=tuple(_names(found.author or "")),
        date=_believed(parse_date(found.date or ""), root, url=url),
    )


def _pruned(root: etree._Element) -> etree._Element:
    """Return a copy without scripts, menus, what stands beside an article, and its long texts."""
    root = copy.deepcopy(root)
    etree.strip_elements(root, *_NO_PLACES, with_tail=False)
    beside: list[etree._Element] = _BESIDE(root)  # type: ignore[assignment]
    prose: list[etree._Element] = _PROSE(root)  # type: ignore[assignment]
    for element in (*beside, *prose):
        element.clear(keep_tail=True)  # type: ignore[call-arg]
    return root


def _names(joined: str) -> list[str]:
    """Return names out of "A; B"; half a sentence is none."""
    names = [name.strip() for name in joined.split(";")]
    return [
        name
        for name in names
        if name and len(name.split()) <= _MAX_NAME_WORDS and not _NO_NAME.search(name)
    ]


def _believed(date: datetime | None, root: etree._Element, *, url: str) -> datetime | None:
    """Return the date if the address or a short line outside of footers writes its year and day.

    A date within a running text is one that the text tells of; one in an attribute may be that
    of a picture. The first of January is what a bare year becomes.
    """
    if date is None:
        return None
    if date.strftime("%Y/%m/%d") in url or date.strftime("%Y-%m-%d") in url:
        return date
    if (date.month, date.day) == (1, 1):
        return None
    day = re.compile(rf"(?<!\d)0?{date.day}(?!\d)")
    texts: list[etree._ElementUnicodeResult] = _SHORT_TEXTS(  # type: ignore[assignment]
        root, year=str(date.year)
    )
    for text in texts[:_MAX_LINES]:
        parent = text.getparent()
        if day.search(text) and parent is not None and len(text_of(_line(parent))) <= _SHORT_LINE:
            return date
    return None


def _line(element: etree._Element) -> etree._Element:
    """Return the paragraph around an element, else the element."""
    return next(element.iterancestors("p", "li", "td", "blockquote"), element)
