"""``watchlists.opml``: which feeds a team follows. One top-level outline is one watchlist.

OPML 2.0 (http://opml.org/spec2.opml), with four attributes of our own: ``interval``, ``maxBytes``,
``rules`` and ``whitelist``, on a feed or on an outline around it; the nearest one counts. How
broken bytes become a tree is the business of ``opml.py``, edits of a file's text are that of
``outlines.py``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from pipeline.errors import Mistake, MistakesError
from pipeline.veille.links import canonical_url, web_url
from pipeline.veille.opml import MAX_BYTES as MAX_BYTES
from pipeline.veille.opml import Mend as Mend
from pipeline.veille.opml import in_order, line_of, mistake, parse_opml
from pipeline.veille.outline import (
    MAX_TITLE,
    escaped,
    feed_address,
    is_feed,
    minutes_of,
    name_of,
    opening,
    quoted,
    read_attributes,
    size_of,
)
from pipeline.veille.plain import tidy
from pipeline.words import mark

LOOSE: Final = "Veille"  # the watchlist of feeds that stand in none, where the file has no title


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What an OPML file holds, each feed once; what was mended, and what had to be left out."""

    watchlists: tuple[Watchlist, ...]
    mended: tuple[Mend, ...] = ()
    left_out: tuple[Mend, ...] = ()


def read_watchlists(opml: bytes, *, path: str) -> list[Watchlist]:
    """Return the watchlists of an OPML file of at most MAX_BYTES.

    Feeds at the top, outside of any outline, form a watchlist named by the file's title; what
    lies in a feed is read as if it stood behind it. Raises MistakesError with every mistake and
    its line: no OPML, a feed whose address is none, a setting with a value that is not allowed.
    """
    reader = _Reader(path=path)
    lists = reader.watchlists(parse_opml(opml, path=path).body)
    if reader.mistakes:
        raise MistakesError(reader.mistakes)
    return lists


def recover_watchlists(opml: bytes, *, path: str) -> Recovered:
    """Return what can be had of somebody's OPML file of at most MAX_BYTES.

    Raises MistakesError only where it is too large or no OPML at all.
    """
    parsed = parse_opml(opml, path=path)
    reader = _Reader(path=path)
    lists = reader.watchlists(parsed.body, is_once=True)
    return Recovered(
        watchlists=tuple(lists),
        mended=in_order((*parsed.mended, *reader.mended)),
        left_out=in_order((*parsed.left_out, *reader.left_out)),
    )


def write_watchlists(watchlists: Iterable[Watchlist], *, title: str) -> bytes:
    """Return an OPML 2.0 file that any feed reader takes; reading it gives the same watchlists."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">', "  <head>"]
    lines += [
        f"    <title>{escaped(tidy(title, limit=MAX_TITLE))}</title>",
        "  </head>",
        "  <body>",
    ]
    for one in watchlists:
        inner = outline_lines(((feed.folders, feed) for feed in one.feeds), depth=1)
        lines += ["    " + line for line in (opening(one.title), *inner, "</outline>")]
    return "\n".join((*lines, "  </body>", "</opml>", "")).encode()


def outline_lines(
    feeds: Iterable[tuple[tuple[str, ...], Feed]], *, depth: int = 0, step: str = "  "
) -> list[str]:
    """Return the outlines of feeds, each with the folders that it lies in, one a line."""
    lines: list[str] = []
    around: tuple[str, ...] = ()
    for folders, feed in feeds:
        shared = 0
        while shared < min(len(around), len(folders)) and around[shared] == folders[shared]:
            shared += 1
        lines += [step * (depth + n) + "</outline>" for n in reversed(range(shared, len(around)))]
        lines += [step * (depth + n) + opening(folders[n]) for n in range(shared, len(folders))]
        lines.append(step * (depth + len(folders)) + _outline(feed))
        around = folders
    return [*lines, *(step * (depth + n) + "</outline>" for n in reversed(range(len(around))))]


def feed_key(url: str) -> str:
    """Return what two addresses of one feed have in common: scheme, www and a last slash go."""
    return canonical_url(url).rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The settings that an outline hands down."""

    interval: int = 0
    max_bytes: int = 0
    rules: tuple[str, ...] = ()
    is_whitelisted: bool = False


class _Reader:
    """Reads outlines; keeps every mistake, and what one who recovers tells instead of it."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self.mended: list[Mend] = []
        self.left_out: list[Mend] = []
        self._lines: dict[str, int] = {}  # of each feed that was met, by its key
        self._is_once = False

    def watchlists(self, body: etree._Element, *, is_once: bool = False) -> list[Watchlist]:
        """Return the watchlists; ``is_once`` leaves out a feed that was met before."""
        self._is_once = is_once
        lists: list[Watchlist] = []
        loose: list[Feed] = []
        for outline, attributes in _outlines(body):
            if is_feed(attributes):
                loose += self._feed(outline, attributes, (), _Asked())
            elif self._is_list(outline, attributes):
                asked = self._asked(outline, attributes, _Asked())
                title = name_of(attributes) or LOOSE
                feeds = tuple(self._feeds(outline, (), asked))
                lists.append(Watchlist(title=title, feeds=feeds))
        return [
            *([Watchlist(title=_file_title(body), feeds=tuple(loose))] if loose else []),
            *lists,
        ]

    def _feeds(
        self, parent: etree._Element, folders: tuple[str, ...], asked: _Asked
    ) -> Iterator[Feed]:
        for outline, attributes in _outlines(parent):
            if is_feed(attributes):
                yield from self._feed(outline, attributes, folders, asked)
            elif self._is_list(outline, attributes):
                inner = self._asked(outline, attributes, asked)
                yield from self._feeds(outline, (*folders, name_of(attributes)), inner)

    def _is_list(self, outline: etree._Element, attributes: Mapping[str, str]) -> bool:
        """Say whether an outline holds others: one that was meant as a feed does not."""
        kind = (attributes.get("type") or "").lower()
        is_meant = kind in ("rss", "atom") or attributes.get("htmlurl")
        if len(outline) or not is_meant:
            return True
        message = mark("“{title}” was left out: it has no address (xmlUrl)")
        self._leave_out(outline, message, title=name_of(attributes))
        return False

    def _feed(
        self,
        outline: etree._Element,
        attributes: Mapping[str, str],
        folders: tuple[str, ...],
        asked: _Asked,
    ) -> Iterator[Feed]:
        given = attributes.get("xmlurl") or ""
        url = feed_address(given)
        line, title = line_of(outline), name_of(attributes)
        if url is None:
            message = mark("“{url}” is no address of a feed: it begins with https:// or http://")
            self.mistakes.append(mistake(self.path, line, message, url=given))
            message = mark("“{title}” was left out: “{url}” is no web address")
            self._leave_out(outline, message, title=title, url=given)
            return
        if given.lower().startswith("feed:"):
            message = mark("“{given}” was read as {url}")
            self.mended.append(Mend(line=line, message=message, facts={"given": given, "url": url}))
        asked = self._asked(outline, attributes, asked)
        first = self._lines.get(feed_key(url))
        if first and self._is_once:
            message = mark("“{title}” is there twice: only line {first} was read")
            facts = {"title": title or url, "first": first}
            self.mended.append(Mend(line=line, message=message, facts=facts))
            return
        self._lines[feed_key(url)] = line
        yield Feed(
            title=title or tidy(url, limit=MAX_TITLE),
            url=url,
            site=web_url(attributes.get("htmlurl") or "") or "",
            folders=folders,
            interval=asked.interval,
            max_bytes=asked.max_bytes,
            rules=asked.rules,
            is_whitelisted=asked.is_whitelisted,
        )

    def _asked(
        self, outline: etree._Element, attributes: Mapping[str, str], above: _Asked
    ) -> _Asked:
        """Return the settings of one outline: its own, else those of the outlines above it."""
        line = line_of(outline)
        if given := attributes.get("interval"):
            if minutes := minutes_of(given):
                above = replace(above, interval=minutes)
            else:
                message = mark(
                    "interval: “{value}” is no time between two pulls: write minutes (45), hours"
                    " (2h) or days (1d), from 5 minutes to 30 days"
                )
                self._fault(line, "interval", given, message)
        if given := attributes.get("maxbytes"):
            if size := size_of(given):
                above = replace(above, max_bytes=size)
            else:
                message = mark(
                    "maxBytes: “{value}” is no size: write bytes, from 10000 to 50000000"
                )
                self._fault(line, "maxBytes", given, message)
        if given := attributes.get("whitelist"):
            if given.lower() in ("true", "false"):
                above = replace(above, is_whitelisted=given.lower() == "true")
            else:
                message = mark("whitelist: “{value}” is neither “true” nor “false”")
                self._fault(line, "whitelist", given, message)
        if (rules := attributes.get("rules")) is not None:  # rules="" takes none
            above = replace(above, rules=tuple(dict.fromkeys(rules.split())))
        return above

    def _fault(self, line: int, name: str, value: str, message: str) -> None:
        self.mistakes.append(mistake(self.path, line, message, value=value))
        message = mark("{name}: “{value}” is not allowed here and was left out")
        self.mended.append(Mend(line=line, message=message, facts={"name": name, "value": value}))

    def _leave_out(self, outline: etree._Element, message: str, **facts: object) -> None:
        self.left_out.append(Mend(line=line_of(outline), message=message, facts=facts))


def _outlines(parent: etree._Element) -> Iterator[tuple[etree._Element, dict[str, str]]]:
    """Yield the outlines of ``parent``; those within a feed as if they stood behind it."""
    for child in parent:
        if child.tag == "outline":
            attributes = read_attributes(child.attrib.items())
            yield child, attributes
            if is_feed(attributes):
                yield from _outlines(child)


def _file_title(body: etree._Element) -> str:
    parent = body.getparent()
    found = parent.findtext("head/title") if parent is not None else None
    return tidy(found or "", limit=MAX_TITLE) or LOOSE


def _outline(feed: Feed) -> str:
    title = quoted(feed.title)
    given = {
        "htmlUrl": feed.site,
        "interval": str(feed.interval or ""),
        "maxBytes": str(feed.max_bytes or ""),
        "rules": " ".join(feed.rules),
        "whitelist": "true" if feed.is_whitelisted else "",
    }
    more = "".join(f' {name}="{escaped(value)}"' for name, value in given.items() if value)
    return f'<outline type="rss" text={title} title={title} xmlUrl="{escaped(feed.url)}"{more}/>'
