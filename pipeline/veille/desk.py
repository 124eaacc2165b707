"""The door to this room: what commands and pages ask for, on the files of a workspace.

Each function reads, lets the core decide, and writes; none of them prints or asks. The clock
comes in as ``now``, an aware time.
"""

import asyncio
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import FetchError, InputError, LetterError, WorkspaceError
from pipeline.issues.folder import read_document
from pipeline.text.document import Document, parse_document
from pipeline.veille.discovery import looks_like_feed
from pipeline.veille.fetch import Fetched, Request, open_fetcher
from pipeline.veille.files import write_whole
from pipeline.veille.item import Entry, item_of
from pipeline.veille.keep import cited, keep_item
from pipeline.veille.links import host_of
from pipeline.veille.notice import Notice
from pipeline.veille.page import read_page
from pipeline.veille.pull import FeedOutcome, Report, pull
from pipeline.veille.shelf import ShelfFile
from pipeline.veille.watchlists import Watchlist, read_watchlists
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, Workspace

SHELF_FILE: Final = "veille.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was written: the entries, into which file, and what to know about them."""

    file: Path
    entries: tuple[Entry, ...]
    notices: tuple[Notice, ...] = ()


def pull_watchlists(
    workspace: Workspace,
    *,
    now: datetime,
    on_feed: Callable[[FeedOutcome], None] | None = None,
) -> Report:
    """Fetch the feeds of ``watchlists.opml`` and keep what they bring.

    ``on_feed`` hears of each feed, in the order of the file. Raises WorkspaceError (no
    watchlists, a shelf that cannot be read or written) or MistakesError (the file's mistakes).
    """
    watchlists = load_watchlists(workspace)
    file = _shelf(workspace)
    report = pull(watchlists, file.load(), settings=workspace.settings, now=now, on_feed=on_feed)
    # read again: what was added by hand during the pull must not be lost
    shelf = file.load()
    report.record(shelf)
    file.save(shelf)
    return report


def load_watchlists(workspace: Workspace) -> list[Watchlist]:
    """Read ``watchlists.opml``; raises WorkspaceError where there is none, or MistakesError."""
    file = workspace.watchlists
    try:
        return read_watchlists(file.read_bytes(), path=str(file))
    except FileNotFoundError:
        message = mark(
            "there is no {file} yet: write one by hand, or export it from your feed reader (OPML)"
        )
        raise WorkspaceError(message, file=file) from None


def list_entries(
    workspace: Workspace,
    *,
    watchlist: str | None = None,
    since: datetime | None = None,
    text: str | None = None,
) -> list[Entry]:
    """Return the kept entries, newest first.

    ``watchlist`` is a title or a part of one, ``since`` is aware, ``text`` is looked for in
    title, source, authors and excerpt; neither case nor accents count. Raises InputError for a
    watchlist that is nowhere, MistakesError for watchlists with mistakes, WorkspaceError for a
    damaged shelf.
    """
    watchlists = load_watchlists(workspace) if workspace.watchlists.exists() else []
    # a feed that was moved to another watchlist takes its entries along
    present = {feed.url: one.title for one in reversed(watchlists) for feed in one.feeds}
    entries = [
        replace(entry, watchlist=present.get(entry.feed_url, entry.watchlist))
        for entry in _shelf(workspace).load().entries.values()
    ]
    if watchlist is not None:
        known = {one.title for one in watchlists} | {entry.watchlist for entry in entries}
        wanted = _watchlists_named(watchlist, known - {""})
        entries = [entry for entry in entries if entry.watchlist in wanted]
    if since is not None:
        entries = [entry for entry in entries if entry.dated_at >= since]
    if text is not None:
        entries = [entry for entry in entries if _fold(text) in _fold(_searched(entry))]
    return sorted(entries, key=lambda entry: (entry.dated_at, entry.id), reverse=True)


def keep_entries(workspace: Workspace, ids: Iterable[str], issue_folder: Path) -> Kept:
    """Write the entries, by id or the beginning of one, into the letter of ``issue_folder``.

    All or nothing. Raises InputError (no such entry, an id that several have, a page that is in
    the letter already) or LetterError; a page that another letter cites is a notice only.
    """
    entries = find_entries(_shelf(workspace).load().entries, ids)
    document = read_document(issue_folder)
    zone = _zone(workspace.settings.site.timezone)
    language = _language(document, default=workspace.settings.site.language)
    for entry in entries:
        item = item_of(entry, letter_language=language, timezone=zone)
        text = keep_item(document, item)
        document = parse_document(text.encode(), path=document.path)
    file = issue_folder / ISSUE_FILE
    try:
        write_whole(file, document.text.encode())
    except OSError as error:
        message = mark("{file} cannot be written ({reason}): check the folder's rights")
        raise WorkspaceError(message, file=file, reason=error.strerror) from None
    notices = tuple(_citations(workspace, entries, besides=issue_folder.resolve()))
    return Kept(file=file, entries=entries, notices=notices)


def find_entries(known: Mapping[str, Entry], ids: Iterable[str]) -> tuple[Entry, ...]:
    """Return the entries of ``ids``, each the beginning of one id, in the order given.

    Raises InputError for the first one that names no entry or several.
    """
    found: dict[str, Entry] = {}
    for given in ids:
        wanted = given.strip().lower()
        matches = [entry for one, entry in known.items() if wanted and one.startswith(wanted)]
        if not matches:
            message = mark("no entry “{id}”: “infolettre veille list” shows them")
            raise InputError(message, id=given)
        if len(matches) > 1:
            message = mark("“{id}” begins several ids ({ids}): write a longer part")
            raise InputError(message, id=given, ids=", ".join(one.id for one in matches[:5]))
        found[matches[0].id] = matches[0]
    return tuple(found.values())


def add_page(workspace: Workspace, url: str, *, now: datetime) -> Entry:
    """Fetch one web page and keep it as an entry; a page that a feed brought stays the feed's.

    Raises FetchError (it cannot be had, is no page), InputError or WorkspaceError.
    """
    answer = asyncio.run(_fetch(workspace, url))
    if looks_like_feed(answer.body):
        message = mark("{url} is a feed, not a page: add it to watchlists.opml")
        raise FetchError(message, url=url)
    entry = read_page(answer.body, url=answer.url, now=now, content_type=answer.content_type)
    file = _shelf(workspace)
    shelf = file.load()
    if known := shelf.entries.get(entry.id):
        if known.feed_url:
            return known
        entry = replace(entry, seen_at=known.seen_at)
    shelf.entries[entry.id] = entry
    file.save(shelf)
    return entry


async def _fetch(workspace: Workspace, url: str) -> Fetched:
    async with open_fetcher(workspace.settings.veille) as fetcher:
        return await fetcher.fetch(Request(url=url.strip()))


def _shelf(workspace: Workspace) -> ShelfFile:
    return ShelfFile(workspace.var / SHELF_FILE)


def _watchlists_named(given: str, known: set[str]) -> set[str]:
    exact = {title for title in known if _fold(title) == _fold(given)}
    found = exact or {title for title in known if _fold(given) in _fold(title)}
    if not found:
        message = mark("no watchlist “{name}”; there are: {known}")
        raise InputError(message, name=given, known=", ".join(sorted(known)) or "—")
    return found


def _citations(
    workspace: Workspace, entries: Iterable[Entry], *, besides: Path
) -> Iterator[Notice]:
    """Yield a notice for each entry that another letter cites, the newest letter first."""
    letters = [folder for folder in reversed(workspace.all_issues()) if folder != besides]
    for entry in entries:
        key = entry.canonical_url
        for folder in letters:
            values = _values_if_it_names(folder, host_of(key))
            if values is not None and cited(values, key) is not None:
                number = values.get("number") or folder.name
                message = mark("“{title}” was cited already in letter no. {number}")
                yield Notice(message=message, facts={"title": entry.title, "number": number})
                break


def _values_if_it_names(folder: Path, host: str) -> Mapping[str, object] | None:
    """Return a letter's values if its text holds ``host``; to parse all letters takes seconds.

    A letter with mistakes is passed over: they are told when it is that letter's turn.
    """
    try:
        data = (folder / ISSUE_FILE).read_bytes()
        needle = b"" if host.startswith("xn--") else host.encode()
        if needle not in data.lower():
            return None
        values = parse_document(data, path=str(folder)).values
    except (OSError, LetterError):
        return None
    return values if isinstance(values, dict) else None


def _language(document: Document, *, default: str) -> str:
    values = document.values
    found = values.get("language") if isinstance(values, dict) else None
    return found if isinstance(found, str) and found else default


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = mark("site.timezone: “{name}” is no time zone; write one such as Europe/Paris")
        raise InputError(message, name=name) from None


def _searched(entry: Entry) -> str:
    return " ".join((entry.title, entry.source, *entry.authors, entry.excerpt))


def _fold(text: str) -> str:
    """Return ``text`` without case and accents, for comparing."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one)).strip()
