"""Adding a page by its address: from the command line, a bookmarklet, or a reader's proposal.

Reads (guarded, ``fetch.py``), lets ``page.py`` or ``pdf.py`` say what the page is, and puts it on
the desk (``entries.py``).
"""

import asyncio
import ssl
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Engine

from pipeline.errors import FetchError, InputError
from pipeline.settings import Settings
from pipeline.veille.apart import run_apart
from pipeline.veille.article import Article, Origin, entry_of
from pipeline.veille.card import Card
from pipeline.veille.entries import find_cards, put_page
from pipeline.veille.fetch import Fetched, Request, open_fetcher
from pipeline.veille.item import MAX_NAME, MAX_TITLE, Entry, entry_id, page_key
from pipeline.veille.kinds import Kind, kind_of
from pipeline.veille.links import host_of, unwrap_url, web_url
from pipeline.veille.origins import FieldOrigin
from pipeline.veille.page import read_page
from pipeline.veille.pdf import PdfSaid, pdf_entry, read_pdf
from pipeline.veille.plain import tidy
from pipeline.veille.videos import video_url
from pipeline.words import mark

#: The tag of what a reader proposed; tags are words of the team's own language.
PROPOSED: Final = "proposé"
MAX_MESSAGE: Final = 1_000  # characters, of who proposes a page
_PDF_SECONDS: Final = 8.0
_PDF_MEGABYTES: Final = 1_024  # of address space; Python and pypdf take some 300
_REFUSALS: Final = frozenset({401, 402, 403, 406, 451})  # to programs; a person's browser may pass
_CONSENT: Final = frozenset({"consent.youtube.com", "consent.google.com"})
_NO_PAGES: Final = {
    Kind.FEED: mark("{url} is a feed, not a page: follow it (infolettre veille follow {url})"),
    Kind.IMAGE: mark("{url} is an image, not a page: add the page that shows it"),
    Kind.RECORDING: mark("{url} is a recording, not a page: add the page that presents it"),
    Kind.FILE: mark("{url} is a file to download, not a page: add the page that offers it"),
}


def add_page(
    engine: Engine,
    settings: Settings,
    url: str,
    *,
    by: str,
    now: datetime,
    note: str = "",
    tags: Collection[str] = (),
    tls: ssl.SSLContext | None = None,
) -> Card:
    """Fetch the page at ``url`` and put it on the desk; one that is there already is not fetched.

    ``note`` and ``tags`` are added to what the card has. ``tls`` says whom to trust (default: the
    system's roots). Not to be called within a running event loop. Raises FetchError (it cannot be
    had, may not be fetched, is no page) or InputError (a setting).
    """
    address = _address(url)
    page = _known(engine, address) or _fetch_entry(settings, address, now=now, tls=tls)
    return put_page(engine, page, by=by, now=now, note=note, tags=tuple(tags))


def add_by_hand(
    engine: Engine,
    url: str,
    *,
    title: str,
    source: str = "",
    by: str,
    now: datetime,
    note: str = "",
    tags: Collection[str] = (),
) -> Card:
    """Put a page on the desk that nobody fetches: its title is what the person typed.

    For pages that refuse programs. Without ``source`` its host's name is shown. Raises FetchError
    where ``url`` is no web address, InputError where there is no title.
    """
    address = _address(url)
    if not (typed := tidy(title, limit=MAX_TITLE)):
        raise InputError(mark("a page that is added by hand needs a title: type it"))
    given = tidy(source, limit=MAX_NAME)
    parts = urlsplit(address)
    origin = Origin(
        url=address,
        site=f"{parts.scheme}://{parts.netloc}/",
        source=given or host_of(address),
        is_feed=False,
    )
    page = entry_of(Article(links=(address,), title=typed), origin, now=now)
    if page is None:
        raise _no_address(url)
    whence = FieldOrigin.HAND if given else FieldOrigin.ADDRESS
    page = replace(page, origins={"title": str(FieldOrigin.HAND), "source": str(whence)})
    return put_page(engine, page, by=by, now=now, note=note, tags=tuple(tags))


def may_be_typed(error: FetchError) -> bool:
    """Say whether a page that could not be had may be there all the same, for a person's browser.

    Not so where the address leads to no page at all, or to where nothing is fetched.
    """
    return error.retryable or "status" in error.facts or "--title" in error.message


def proposed(
    engine: Engine,
    settings: Settings,
    url: str,
    *,
    name: str = "",
    message: str = "",
    now: datetime,
    tls: ssl.SSLContext | None = None,
) -> Card:
    """Put a page on the desk that a stranger proposes, tagged PROPOSED, with what they say of it.

    ``name`` and ``message`` become the card's note, as plain text of bounded length. A page that
    was proposed before is left as it is: nobody fills a card by sending it again. Raises
    FetchError or InputError, whose sentences are for the team: a form shows its own.
    """
    known = _known_card(engine, _address(url))
    if known is not None and PROPOSED in known.tags:
        return known
    parts = (tidy(message, limit=MAX_MESSAGE), tidy(name, limit=MAX_NAME))
    note = " — ".join(part for part in parts if part)
    return add_page(engine, settings, url, by="", now=now, note=note, tags=(PROPOSED,), tls=tls)


def _address(url: str) -> str:
    """Return the address to fetch: of an alert's link its target, of a video its own page."""
    found = web_url(url)
    if found is None:
        raise _no_address(url)
    parts = urlsplit(found)
    if parts.username is not None or parts.password is not None:
        message = mark("{host}: an address with a user name or password is not added: remove them")
        raise FetchError(message, host=host_of(found))
    target = unwrap_url(found)
    return video_url(target) or target


def _no_address(url: str) -> FetchError:
    message = mark("“{url}” is no web address: it begins with https:// or http://")
    return FetchError(message, url=tidy(url, limit=200))


def _known(engine: Engine, address: str) -> Entry | None:
    card = _known_card(engine, address)
    return card.entry if card else None


def _known_card(engine: Engine, address: str) -> Card | None:
    try:
        return find_cards(engine, [entry_id(page_key(address))])[0]
    except InputError:
        return None


def _fetch_entry(
    settings: Settings, address: str, *, now: datetime, tls: ssl.SSLContext | None
) -> Entry:
    answer = _fetch_page(settings, address, tls=tls)
    kind = kind_of(answer.body, content_type=answer.content_type)
    if kind in _NO_PAGES:
        raise FetchError(_NO_PAGES[kind], url=answer.url)
    if kind is Kind.PDF:
        said = run_apart(read_pdf, answer.body, seconds=_PDF_SECONDS, megabytes=_PDF_MEGABYTES)
        return pdf_entry(said or PdfSaid(), url=answer.url, now=now)
    return read_page(answer.body, url=answer.url, now=now, content_type=answer.content_type)


def _fetch_page(settings: Settings, address: str, *, tls: ssl.SSLContext | None) -> Fetched:
    """Return the answer; where the site lets no program in, the error says what to do."""
    try:
        answer = asyncio.run(_fetch(settings, address, tls=tls))
    except FetchError as error:
        status = error.facts.get("status")
        if status not in _REFUSALS:
            raise
        message = mark("{url} refuses programs ({status}): add it again, with its title (--title)")
        raise FetchError(message, url=address, status=status) from error
    if host_of(answer.url) in _CONSENT:
        message = mark("{url} asks for consent to cookies: add it again, with its title (--title)")
        raise FetchError(message, url=address)
    return answer


async def _fetch(settings: Settings, address: str, *, tls: ssl.SSLContext | None) -> Fetched:
    async with open_fetcher(settings.veille, tls=tls) as fetcher:
        return await fetcher.fetch(Request(url=address))
