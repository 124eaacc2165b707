"""Edits of the text of ``watchlists.opml`` that leave every other byte as it was.

The outlines are located by expat, changes are spliced in at their place, and the result is read
back before anyone sees it. Core: bytes in, bytes out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from pipeline.errors import InputError
from pipeline.veille.opml import decode_opml
from pipeline.veille.outline import escaped, feed_address, is_feed, name_of, read_attributes
from pipeline.veille.plain import fold
from pipeline.veille.watchlists import Feed, Watchlist, feed_key, outline_lines, read_watchlists
from pipeline.words import mark

_TAG: Final = re.compile(rb"""<[^\s/>]+(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE: Final = re.compile(rb"""\s([^\s=]++)\s*+=\s*+("[^"]*+"|'[^']*+')""")
_STEP: Final = b"  "

Splice = tuple[int, int, bytes]


@dataclass(slots=True, eq=False)
class _Element:
    """An element and its places in the text: ``end_tag`` is None where it is ``<…/>``."""

    name: str
    start: int
    behind_tag: int
    attributes: dict[str, str]
    end_tag: int | None = None
    end: int = 0
    children: list["_Element"] = field(default_factory=list)

    @property
    def outlines(self) -> list["_Element"]:
        return [one for one in self.children if one.name == "outline"]

    def inner(self) -> Iterable["_Element"]:
        """Yield every outline within, in the order of the file."""
        waiting = self.outlines[::-1]
        while waiting:
            yield (one := waiting.pop())
            waiting += one.outlines[::-1]


def add_feeds(opml: bytes, added: Sequence[Watchlist], *, path: str) -> bytes:
    """Return the file with the feeds of ``added`` at the end of the watchlists of their names.

    Watchlists and folders are found by their titles, whatever the case and accents, and made
    where there are none. A feed takes the settings of the outlines around it where it has none
    of its own. Raises MistakesError for a file with mistakes, InputError for one that cannot be
    edited.
    """
    before = read_watchlists(opml, path=path)
    text = _Text(opml, path=path)
    places: dict[_Element, list[tuple[tuple[str, ...], Feed]]] = {}
    ways: dict[tuple[str, ...], tuple[_Element, tuple[str, ...]]] = {}
    for one in added:
        for feed in one.feeds:
            names = (one.title, *feed.folders)
            if names not in ways:
                ways[names] = _place_of(text.body, names, before)
            place, missing = ways[names]
            places.setdefault(place, []).append((missing, feed))
    changed = text.spliced([text.insertion(at, feeds) for at, feeds in places.items()])
    after = read_watchlists(changed, path=path)
    wanted = [feed.url for one in added for feed in one.feeds]
    if _feeds(before) - _feeds(after) or _urls(after) != _urls(before) + Counter(wanted):
        raise _unsafe(path)
    return changed


def remove_feed(opml: bytes, url: str, *, path: str) -> bytes:
    """Return the file without the feed, wherever it stands; raises as :func:`add_feeds` does."""
    before = read_watchlists(opml, path=path)
    text = _Text(opml, path=path)
    splices = [one for found in text.feeds(url) for one in text.removal(found)]
    changed = text.spliced(splices)
    after = read_watchlists(changed, path=path)
    left = [(title, feed) for title, feed in _feeds(before) if feed_key(feed.url) != feed_key(url)]
    if set(left) != set(_feeds(after)):
        raise _unsafe(path)
    return changed


def change_address(opml: bytes, old: str, new: str, *, path: str) -> bytes:
    """Return the file with another address for a feed; raises as :func:`add_feeds` does."""
    before = read_watchlists(opml, path=path)
    text = _Text(opml, path=path)
    changed = text.spliced([text.address(found, new) for found in text.feeds(old)])
    wanted = Counter(
        {new if feed_key(url) == feed_key(old) else url: n for url, n in _urls(before).items()}
    )
    if set(_urls(read_watchlists(changed, path=path))) != set(wanted):
        raise _unsafe(path)
    return changed


class _Text:
    """The text of a file as UTF-8, where its outlines are, and how it is laid out."""

    def __init__(self, opml: bytes, *, path: str) -> None:
        decoded = decode_opml(opml)
        if decoded.mended:
            raise _broken(path, decoded.mended[0].line)
        self._codec = decoded.codec
        self.data = decoded.text.encode()
        self.body = _locate(self.data, path=path)
        self.newline = b"\r\n" if b"\r\n" in self.data else b"\n"

    def feeds(self, url: str) -> list[_Element]:
        """Return the outlines of the feed with this address."""
        key = feed_key(url)
        found = ((one, feed_address(one.attributes.get("xmlurl", ""))) for one in self.body.inner())
        return [one for one, address in found if address and feed_key(address) == key]

    def spliced(self, splices: Iterable[Splice]) -> bytes:
        """Return the file with each place replaced, in the encoding that it came in."""
        data = self.data
        for start, end, new in sorted(splices, reverse=True):
            data = data[:start] + new + data[end:]
        # what the encoding does not have is written as a character reference
        return data.decode().encode(self._codec, errors="xmlcharrefreplace")

    def insertion(self, place: _Element, feeds: Iterable[tuple[tuple[str, ...], Feed]]) -> Splice:
        """Return the change that puts outlines behind the last thing within ``place``."""
        step = self._step()
        margin, last = self._margin(place), place.outlines[-1:]
        beside = self._margin(last[0]) if last else None if margin is None else margin + step
        if beside is None:  # all in one line: so be it
            lines = [line.strip().encode() for line in outline_lines(feeds)]
            opening = closing = b""
        else:
            lines = [beside + line.encode() for line in outline_lines(feeds, step=step.decode())]
            opening, closing = self.newline, self.newline + (margin or b"")
        new = opening + (self.newline if opening else b"").join(lines)
        if place.end_tag is None:
            start = place.behind_tag - 2
            tag = f"</{place.name}>".encode()
            return start, place.behind_tag, b">" + new + closing + tag
        inside = self.data[place.behind_tag : place.end_tag]
        at = place.behind_tag + len(inside.rstrip())
        is_broken = b"\n" in self.data[at : place.end_tag]
        return at, at, new if is_broken else new + closing

    def removal(self, one: _Element) -> list[Splice]:
        """Return the changes that take an outline away; what lies within it stays."""
        if one.end_tag is None or not one.outlines:
            return [self._cut(one.start, one.end)]
        return [self._cut(one.start, one.behind_tag), self._cut(one.end_tag, one.end)]

    def address(self, one: _Element, url: str) -> Splice:
        """Return the change that gives an outline another xmlUrl."""
        for found in _ATTRIBUTE.finditer(self.data, one.start, one.behind_tag):
            if found[1].lower() == b"xmlurl":
                quote = found[2][:1]
                value = escaped(url).replace("'", "&#39;").encode()
                return found.start(2), found.end(2), quote + value + quote
        raise AssertionError("an outline of a feed has an address")

    def _cut(self, start: int, end: int) -> Splice:
        """Return the change that removes a place, and its line where nothing else is on it."""
        first = self.data.rfind(b"\n", 0, start) + 1
        last = self.data.find(b"\n", end)
        last = len(self.data) if last < 0 else last + 1
        if not self.data[first:start].strip() and not self.data[end:last].strip():
            return first, last, b""
        return start, end, b""

    def _margin(self, one: _Element) -> bytes | None:
        """Return what stands before an element on its line, or None where that is not blank."""
        before = self.data[self.data.rfind(b"\n", 0, one.start) + 1 : one.start]
        return None if before.strip() else before

    def _step(self) -> bytes:
        """Return by how much what lies within is indented in this file."""
        for outer in (self.body, *self.body.inner()):
            if outer.outlines:
                margin, inner = self._margin(outer), self._margin(outer.outlines[0])
                if margin is not None and inner is not None and inner != margin:
                    return inner.removeprefix(margin)
        return _STEP


def _locate(data: bytes, *, path: str) -> _Element:
    """Return the body; raises InputError where the text is not well-formed."""
    root = _Element(name="", start=0, behind_tag=0, attributes={})
    around = [root]
    parser = expat.ParserCreate("utf-8")

    def begin(name: str, attributes: dict[str, str]) -> None:
        start = parser.CurrentByteIndex
        tag = _TAG.match(data, start)
        behind = tag.end() if tag else start
        one = _Element(
            name=name,
            start=start,
            behind_tag=behind,
            attributes=read_attributes(attributes.items()),
        )
        around[-1].children.append(one)
        around.append(one)

    def end(name: str) -> None:
        one = around.pop()
        if data[one.behind_tag - 2 : one.behind_tag] == b"/>":
            one.end = one.behind_tag
        else:
            one.end_tag = parser.CurrentByteIndex
            one.end = data.index(b">", one.end_tag) + 1

    def declare(*_: object) -> None:
        raise _broken(path, parser.CurrentLineNumber)

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.EntityDeclHandler = declare  # its names are read as text: what they hide is not edited
    parser.specified_attributes = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _broken(path, error.lineno) from None
    bodies = [one for opml in root.children for one in opml.children if one.name == "body"]
    if not bodies:
        raise _broken(path, 1)
    return bodies[0]


def _place_of(
    body: _Element, names: tuple[str, ...], known: Sequence[Watchlist]
) -> tuple[_Element, tuple[str, ...]]:
    """Return the innermost outline there is on the way of ``names``, and the names still to make.

    The watchlist of the feeds that stand in none has no outline: its place is the body.
    """
    place = body
    for at, name in enumerate(names):
        lists = [one for one in place.outlines if not is_feed(one.attributes)]
        found = [one for one in lists if fold(name_of(one.attributes)) == fold(name)]
        if found:
            place = found[0]
        elif at or all(fold(one.title) != fold(name) for one in known):
            return place, names[at:]
    return place, ()


def _feeds(lists: Iterable[Watchlist]) -> Counter[tuple[str, Feed]]:
    return Counter((one.title, feed) for one in lists for feed in one.feeds)


def _urls(lists: Iterable[Watchlist]) -> Counter[str]:
    return Counter(feed.url for one in lists for feed in one.feeds)


def _broken(path: str, line: int) -> InputError:
    message = mark(
        "{file}, line {line}: this is not well-formed XML, so nothing was changed in the file;"
        " “infolettre veille import {file}” mends it and tells what it mended"
    )
    return InputError(message, file=path, line=line)


def _unsafe(path: str) -> InputError:
    message = mark("{file} is written in a way that cannot be edited safely: edit it by hand")
    return InputError(message, file=path)
