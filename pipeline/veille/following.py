"""Following feeds: ``watchlists.opml`` read, added to, imported into and exported.

Reads a file or an address, lets the core decide (``watchlists.py``, ``outlines.py``,
``discovery.py``), writes the file whole. What the feeds bring is the business of ``pull.py``.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.errors import FetchError, InputError, WorkspaceError
from pipeline.veille.discovery import find_feeds, looks_like_html, usual_addresses
from pipeline.veille.feeds import ParsedFeed, parse_feed
from pipeline.veille.fetch import Fetched, Fetcher, Request, open_fetcher
from pipeline.veille.files import write_whole
from pipeline.veille.links import host_of, web_url
from pipeline.veille.opml import MAX_BYTES, Mend
from pipeline.veille.outline import MAX_TITLE, feed_address
from pipeline.veille.outlines import add_feeds, change_address, remove_feed
from pipeline.veille.plain import fold, tidy
from pipeline.veille.watchlists import (
    LOOSE,
    Feed,
    Watchlist,
    feed_key,
    read_watchlists,
    recover_watchlists,
    write_watchlists,
)
from pipeline.words import mark
from pipeline.workspace import Workspace

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://|feed:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an OPML file brought: the feeds that are new, how many were followed before.

    ``backup`` is the file as it was where the workspace's own was broken and is written anew.
    """

    added: tuple[Feed, ...] = ()
    known: int = 0
    mended: tuple[Mend, ...] = ()
    left_out: tuple[Mend, ...] = ()
    backup: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The feed that is followed now, in which watchlist, and what else the page names."""

    feed: Feed
    watchlist: str
    others: tuple[str, ...] = ()


def load_watchlists(workspace: Workspace) -> list[Watchlist]:
    """Read ``watchlists.opml``; raises WorkspaceError where there is none, or MistakesError."""
    file = workspace.watchlists
    if (opml := _read(file)) is None:
        message = mark(
            "there is no {file} yet: begin it with “infolettre veille follow ADDRESS”, or with"
            " “infolettre veille import FILE” from what your feed reader exports (OPML)"
        )
        raise WorkspaceError(message, file=file)
    return read_watchlists(opml, path=str(file))


def export_opml(workspace: Workspace) -> bytes:
    """Return the watchlists as OPML 2.0 that any feed reader takes, our settings as attributes.

    Raises as :func:`load_watchlists` does.
    """
    return write_watchlists(load_watchlists(workspace), title=workspace.settings.site.name)


def import_opml(workspace: Workspace, file: Path) -> Imported:
    """Add the feeds of an OPML file that are not followed yet, into watchlists of its names.

    The file may be broken: what was mended is returned. Given the workspace's own file, that is
    mended where it is broken, and the old one kept. Raises InputError (no such file, no OPML, no
    feed in it, an own file that is broken) or WorkspaceError.
    """
    if (opml := _read(file)) is None:
        raise InputError(mark("there is no file {file}: give the path of an OPML file"), file=file)
    found = recover_watchlists(opml, path=str(file))
    if not any(one.feeds for one in found.watchlists):
        message = mark("there is no feed in {file}: an <outline> with an xmlUrl is one")
        raise InputError(message, file=file)
    told = Imported(mended=found.mended, left_out=found.left_out)
    if file.resolve() == workspace.watchlists.resolve():
        known = sum(len(one.feeds) for one in found.watchlists)
        is_broken = bool(found.mended or found.left_out)
        backup = _mend(workspace, opml, found.watchlists) if is_broken else None
        return replace(told, known=known, backup=backup)
    own = _own(workspace)
    known_keys = {feed_key(feed.url) for one in own for feed in one.feeds}
    lists = [
        replace(one, feeds=tuple(f for f in one.feeds if feed_key(f.url) not in known_keys))
        for one in found.watchlists
    ]
    added = tuple(feed for one in lists for feed in one.feeds)
    if added:
        _add(workspace, [one for one in lists if one.feeds])
    total = sum(len(one.feeds) for one in found.watchlists)
    return replace(told, added=added, known=total - len(added))


def follow(
    workspace: Workspace,
    address: str,
    *,
    watchlist: str | None = None,
    now: datetime,
    tls: ssl.SSLContext | None = None,
) -> Followed:
    """Follow a feed, or the feed of a site, by its address; ``https://`` may be left out.

    It goes into ``watchlist``, which is made where there is none of that name; without a name
    into the first one of the file. Raises InputError (no address, followed already), FetchError
    (it cannot be had, no feed is found), MistakesError or WorkspaceError.
    """
    url = _url_of(address)
    _refuse_known(_own(workspace), url)
    found = asyncio.run(_search(workspace, url, now=now, tls=tls))
    own = _own(workspace)  # again: the search may have taken a while
    _refuse_known(own, found.url)
    title = tidy(found.parsed.title, limit=MAX_TITLE) or host_of(found.url)
    feed = Feed(title=title, url=found.url, site=found.parsed.site or found.page)
    name = _watchlist_for(own, watchlist)
    _add(workspace, [Watchlist(title=name, feeds=(feed,))])
    others = tuple(one for one in found.others if feed_key(one) != feed_key(found.url))
    return Followed(feed=_find(_own(workspace), found.url) or feed, watchlist=name, others=others)


def unfollow(workspace: Workspace, name: str) -> Feed:
    """Take the feed of this title or address, or of a part of one, out of the file.

    What it brought stays. Raises InputError where ``name`` means none or several, MistakesError
    or WorkspaceError.
    """
    feed = _feed_named(name, load_watchlists(workspace))
    file = workspace.watchlists
    _write(file, remove_feed(_read(file) or b"", feed.url, path=str(file)))
    return feed


def move_feed(workspace: Workspace, old_url: str, new_url: str) -> bool:
    """Give a feed its new address; say whether the file was changed.

    It is not where the feed is not followed (any more), where the new address is followed
    already, or where the file cannot be edited: the feed then goes on under its old address.
    """
    file = workspace.watchlists
    try:
        lists = _own(workspace)
        old, new = _find(lists, old_url), _find(lists, new_url)
        is_other = new is not None and feed_key(new_url) != feed_key(old_url)
        if old is None or is_other or web_url(new_url) != new_url:
            return False
        opml = _read(file) or b""
        changed = change_address(opml, old_url, new_url, path=str(file))
        if changed != opml:
            _write(file, changed)
    except InputError:
        return False
    return changed != opml


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A feed that was read: where, what it says, on which page it was named, beside what."""

    url: str
    parsed: ParsedFeed
    page: str = ""
    others: tuple[str, ...] = ()


async def _search(
    workspace: Workspace, url: str, *, now: datetime, tls: ssl.SSLContext | None
) -> _Found:
    """Return the feed at ``url``, else the first good one that its page names, else by custom."""
    settings = workspace.settings.veille
    async with open_fetcher(settings, tls=tls) as fetcher:
        first = await fetcher.fetch(Request(url=url))
        is_page = looks_like_html(first.body)
        named = _named(first) if is_page else []
        if not named:
            try:
                return _read_feed(first, asked=url, now=now)
            except FetchError:
                if not is_page:
                    raise
        tried = [one for one in usual_addresses(first.url) if one not in named]
        # a site may be slow each time: as long as five answers may take, and the pauses between all
        seconds = 5 * settings.timeout + (len(named) + len(tried)) * settings.spacing
        found, errors = None, list[FetchError]()
        try:
            async with asyncio.timeout(seconds):
                found = await _first_good(fetcher, [*named, *tried], errors, now=now)
        except TimeoutError:
            pass  # what was found out by then is told
    if found is None and named and errors:
        raise errors[0]  # of the feed that the page names: nearer to the truth than our guesses
    if found is None:
        message = mark(
            "no feed is found for {url}: its page names none, and there is none at {tried}. Look"
            " for “RSS”, “Atom” or “flux” on the page and give the address of that link"
        )
        raise FetchError(message, url=url, tried=", ".join(_path(one) for one in tried))
    return replace(found, page=first.url, others=tuple(one for one in named if one != found.url))


async def _first_good(
    fetcher: Fetcher, urls: Iterable[str], errors: list[FetchError], *, now: datetime
) -> _Found | None:
    for url in urls:
        try:
            return _read_feed(await fetcher.fetch(Request(url=url)), asked=url, now=now)
        except FetchError as error:
            errors.append(error)
    return None


def _named(page: Fetched) -> list[str]:
    return find_feeds(page.body, url=page.url, content_type=page.content_type)


def _read_feed(answer: Fetched, *, asked: str, now: datetime) -> _Found:
    """Return what a feed says; its address is the new one where it has moved for good."""
    parsed = parse_feed(answer.body, url=answer.url, content_type=answer.content_type, now=now)
    return _Found(url=answer.moved_to or asked, parsed=parsed)


def _url_of(address: str) -> str:
    """Return what a person typed as an address: ``lemonde.fr`` means ``https://lemonde.fr``."""
    given = address.strip()
    url = feed_address(given if _SCHEME.match(given) else f"https://{given}")
    if url is None or not given:
        message = mark(
            "“{address}” is no address of a site or a feed: write one such as lemonde.fr"
        )
        raise InputError(message, address=given)
    return url


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[-1]


def _refuse_known(lists: Sequence[Watchlist], url: str) -> None:
    for one in lists:
        for feed in one.feeds:
            if feed_key(feed.url) == feed_key(url):
                message = mark("“{title}” ({url}) is followed already, in “{watchlist}”")
                raise InputError(message, title=feed.title, url=feed.url, watchlist=one.title)


def _find(lists: Iterable[Watchlist], url: str) -> Feed | None:
    feeds = (feed for one in lists for feed in one.feeds)
    return next((feed for feed in feeds if feed_key(feed.url) == feed_key(url)), None)


def _watchlist_for(lists: Sequence[Watchlist], name: str | None) -> str:
    wanted = tidy(name or "", limit=MAX_TITLE)
    if not wanted:
        return lists[0].title if lists else LOOSE
    same = (one.title for one in lists if fold(one.title) == fold(wanted))
    return next(same, wanted)


def _feed_named(name: str, lists: Iterable[Watchlist]) -> Feed:
    feeds = {feed_key(feed.url): feed for one in lists for feed in one.feeds}
    wanted = fold(name)
    given = feed_address(name if _SCHEME.match(name.strip()) else f"https://{name.strip()}")
    if given and feed_key(given) in feeds:
        return feeds[feed_key(given)]
    found = [feed for feed in feeds.values() if wanted and fold(feed.title) == wanted]
    found = found or [
        feed
        for feed in feeds.values()
        if wanted and (wanted in fold(feed.title) or wanted in feed.url.lower())
    ]
    if not found:
        message = mark(
            "no feed is called “{name}”: write its title or its address as in watchlists.opml, or a"
            " part of one"
        )
        raise InputError(message, name=name)
    if len(found) > 1:
        message = mark(
            "“{name}” fits several feeds ({feeds}): write more of the title, or the address"
        )
        some = ", ".join(f"{feed.title} <{feed.url}>" for feed in found[:5])
        raise InputError(message, name=name, feeds=some)
    return found[0]


def _own(workspace: Workspace) -> list[Watchlist]:
    """Return the watchlists of the workspace; no file is none."""
    opml = _read(workspace.watchlists)
    return [] if opml is None else read_watchlists(opml, path=str(workspace.watchlists))


def _add(workspace: Workspace, added: Sequence[Watchlist]) -> None:
    file = workspace.watchlists
    opml = _read(file)
    if opml is None:
        changed = write_watchlists(added, title=workspace.settings.site.name)
    else:
        changed = add_feeds(opml, added, path=str(file))
    _write(file, changed)


def _mend(workspace: Workspace, opml: bytes, lists: Iterable[Watchlist]) -> Path:
    """Write the workspace's file anew; return where the old one is kept."""
    file = workspace.watchlists
    names = (f"{file.stem}.old{n or ''}{file.suffix}" for n in range(1000))
    backup = next(one for name in names if not (one := file.with_name(name)).exists())
    _write(backup, opml)
    _write(file, write_watchlists(lists, title=workspace.settings.site.name))
    return backup


def _read(file: Path) -> bytes | None:
    """Return a file, or None where there is none; of a larger one than may be, a byte more."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = mark("{file} cannot be read ({reason}): check its rights")
        raise WorkspaceError(message, file=file, reason=error.strerror) from None


def _write(file: Path, data: bytes) -> None:
    try:
        write_whole(file, data)
    except OSError as error:
        message = mark("{file} cannot be written ({reason}): check the folder's rights")
        raise WorkspaceError(message, file=file, reason=error.strerror) from None
