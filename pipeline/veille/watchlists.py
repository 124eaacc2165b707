"""``watchlists.opml``: which feeds a team follows. One top-level outline is one watchlist.

OPML 2.0 (http://opml.org/spec2.opml) as people really have it: of 118 published files 80 are
not well-formed, by raw ``&`` and stray quotes, so reading recovers. Nothing here writes OPML or
opens an address.
"""

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import Final

from lxml import etree

from pipeline.errors import Mistake, MistakesError
from pipeline.veille.links import web_url
from pipeline.veille.plain import tidy
from pipeline.words import mark

MAX_BYTES: Final = 5_000_000  # some 20,000 feeds
_TITLE: Final = 200  # characters
_LOOSE: Final = "Veille"  # the watchlist of feeds that stand in none, where the file has no title
_ENTITY: Final = re.compile(rb"&(?:(#[0-9]+|#x[0-9a-f]+|amp|lt|gt|quot|apos);|(\w{2,31};)?)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed: its address, its site's, and the folders it lies in within its watchlist.

    ``interval`` (minutes between two pulls) and ``max_bytes`` are 0 where the settings decide.
    ``rules`` names those of the settings that are for feeds which ask for them. Of one that
    ``is_whitelisted`` only what a rule keeps or tags is there to sort.
    """

    title: str
    url: str
    site: str = ""
    folders: tuple[str, ...] = ()
    interval: int = 0
    max_bytes: int = 0
    rules: tuple[str, ...] = ()
    is_whitelisted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """A named list of feeds, in the order of the file."""

    title: str
    feeds: tuple[Feed, ...] = ()


def read_watchlists(opml: bytes, *, path: str) -> list[Watchlist]:
    """Return the watchlists of an OPML file of at most MAX_BYTES.

    Feeds at the top, outside of any outline, form a watchlist named by the file's title. Raises
    MistakesError with every mistake and its line: no OPML, a feed whose address is none.
    """
    body = _parse(opml, path=path)
    reader = _Reader(path=path)
    lists = [reader.watchlist(one) for one in _outlines(body) if not _is_feed(one)]
    if loose := tuple(
        feed for one in _outlines(body) if _is_feed(one) for feed in reader.feed(one)
    ):
        lists.insert(0, Watchlist(title=_file_title(body), feeds=loose))
    if reader.mistakes:
        raise MistakesError(reader.mistakes)
    return lists


def _parse(opml: bytes, *, path: str) -> etree._Element:
    if len(opml) > MAX_BYTES:
        message = mark("this file has more than {limit} MB: that is no list of feeds")
        raise MistakesError([_mistake(path, 0, message, limit=MAX_BYTES // 1_000_000)])
    is_wide = opml.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if is_wide:
        opml = opml.decode("utf-16", errors="replace").encode()
    parser = etree.XMLParser(
        encoding="utf-8" if is_wide else None,  # None: as the file itself declares
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(_ENTITY.sub(_mend_entity, opml), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    body = root.find("body") if root is not None and root.tag == "opml" else None
    if body is None:
        message = mark(
            'this is no OPML: write <opml version="2.0"><body>, with one <outline> a watchlist'
        )
        raise MistakesError([_mistake(path, _line(root), message)])
    return body


def _mend_entity(found: re.Match[bytes]) -> bytes:
    """Turn a raw ``&`` into ``&amp;`` and HTML's names into characters: XML knows five names.

    No entity that a file declares itself survives, so none can grow or read a file.
    """
    if found[1]:
        return found[0]
    name = (found[2] or b"").decode("ascii", errors="ignore")
    if name in html5:
        return "".join(f"&#{ord(one)};" for one in html5[name]).encode()
    return b"&amp;" + (found[2] or b"")


class _Reader:
    """Reads outlines and keeps every mistake that it meets."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []

    def watchlist(self, outline: etree._Element) -> Watchlist:
        return Watchlist(title=_name(outline) or _LOOSE, feeds=tuple(self.feeds(outline, ())))

    def feeds(self, outline: etree._Element, folders: tuple[str, ...]) -> Iterator[Feed]:
        for inner in _outlines(outline):
            if _is_feed(inner):
                yield from self.feed(inner, folders)
            else:
                yield from self.feeds(inner, (*folders, _name(inner)))

    def feed(self, outline: etree._Element, folders: tuple[str, ...] = ()) -> Iterator[Feed]:
        given = _attribute(outline, "xmlurl")
        # readers hand out feed:https://… and feed://… (the draft "feed" URI scheme)
        url = web_url(re.sub(r"^feed:(?://(?!/)|(?=https?:))", "", given).strip())
        if url is None and given.startswith("feed://"):
            url = web_url("http://" + given.removeprefix("feed://"))
        if url is None:
            message = mark("“{url}” is no address of a feed: it begins with https:// or http://")
            self.mistakes.append(_mistake(self.path, _line(outline), message, url=given))
            return
        site = web_url(_attribute(outline, "htmlurl")) or ""
        yield Feed(title=_name(outline) or url, url=url, site=site, folders=folders)


def _outlines(parent: etree._Element) -> list[etree._Element]:
    return [child for child in parent if child.tag == "outline"]


def _is_feed(outline: etree._Element) -> bool:
    return bool(_attribute(outline, "xmlurl"))


def _attribute(outline: etree._Element, name: str) -> str:
    """Return an attribute whatever its case: xmlUrl, xmlurl and XMLURL are all met."""
    for key, value in outline.attrib.items():
        if str(key).lower() == name:
            return str(value).strip()
    return ""


def _name(outline: etree._Element) -> str:
    name = _attribute(outline, "title") or _attribute(outline, "text")
    return tidy(html.unescape(name), limit=_TITLE)


def _file_title(body: etree._Element) -> str:
    parent = body.getparent()
    found = parent.findtext("head/title") if parent is not None else None
    return tidy(found or "", limit=_TITLE) or _LOOSE


def _line(element: etree._Element | None) -> int:
    found = 1 if element is None else element.sourceline
    return found if isinstance(found, int) else 1


def _mistake(path: str, line: int, message: str, **facts: object) -> Mistake:
    return Mistake(path=path, line=line, column=min(line, 1), message=message, facts=facts)
