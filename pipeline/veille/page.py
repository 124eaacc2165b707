"""A web page's bytes to an entry: what the page says of itself, best source first.

JSON-LD, then OpenGraph, then other meta tags, then the HTML; what is missing then is asked of
trafilatura (``guess.py``). ``Entry.origins`` says which field is whence (``origins.py``).
Bytes in, values out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import chain, islice
from typing import Final, TypeVar
from urllib.parse import urlsplit

from lxml import etree

from pipeline.errors import FetchError
from pipeline.veille.article import (
    Article,
    Origin,
    entry_of,
    image_url,
    language_tag,
    parse_date,
    plausible_date,
)
from pipeline.veille.discovery import looks_like_html
from pipeline.veille.guess import Guess, guess_fields
from pipeline.veille.head import Head, Hint
from pipeline.veille.item import MAX_AUTHORS, MAX_EXCERPT, MAX_NAME, MAX_TITLE, Entry
from pipeline.veille.links import canonical_url, host_of, web_url
from pipeline.veille.markup import parse_html
from pipeline.veille.origins import FieldOrigin
from pipeline.veille.plain import plain_text
from pipeline.veille.prose import Prose
from pipeline.veille.videos import video_url
from pipeline.words import mark

_KINDS: Final = ("", "text/html", "application/xhtml+xml", "application/xml", "text/xml")
MAX_PAGE: Final = 3_000_000  # bytes that are looked at; pages of videos have 1,500,000
_PARAGRAPH: Final = 80  # characters; a shorter one is a byline or a caption
_DASHES: Final = (" | ", " - ", " – ", " — ", " · ", " : ", " : ")
_BY: Final = re.compile(r"^(?:par|by|von|por)\s+", re.IGNORECASE)
_MAX_TRIES: Final = 20  # candidates of one field

S = TypeVar("S")
T = TypeVar("T")


def read_page(body: bytes, *, url: str, now: datetime, content_type: str = "") -> Entry:
    """Return the entry of the page that was fetched from ``url``, seen ``now`` (aware).

    Raises FetchError where the bytes are no web page. A page of 100 kB takes a few milliseconds
    where it says all of itself, some fifteen where trafilatura is asked.
    """
    kind = content_type.partition(";")[0].strip().lower()
    is_page = kind in _KINDS or looks_like_html(body)
    root = parse_html(_start(body), content_type=content_type) if is_page else None
    if root is None or root.tag != "html":
        message = mark("{url} is no web page that can be read ({kind}): write the item by hand")
        raise FetchError(message, url=url, kind=kind[:60] or "?")
    page = _Page(root, url=url, now=now)
    site = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
    origin = Origin(url=url, site=site, source=page.source, is_feed=False)
    entry = entry_of(page.article(), origin, now=now)
    if entry is None:
        raise FetchError(mark("“{url}” is no web address: correct it"), url=url)
    # a page without any title is called by its first words, else by its address
    page.origins.setdefault("title", page.origins.get("excerpt", FieldOrigin.ADDRESS))
    filled = {name: str(one) for name, one in page.origins.items() if getattr(entry, name)}
    return replace(entry, origins=filled)


def _start(body: bytes) -> bytes:
    """Return what is looked at of a page; cut before a tag, so within no character."""
    return body if len(body) <= MAX_PAGE else body[:MAX_PAGE].rpartition(b"<")[0]


class _Page:
    """Chooses among what a page says, and notes in ``origins`` what came whence."""

    def __init__(self, root: etree._Element, *, url: str, now: datetime) -> None:
        self._root = root
        self._url = url
        self._now = now
        self._head = Head(root, url=url)
        self._base = web_url(self._head.base(), base=url) or url
        self._is_video = bool(video_url(url))
        self.origins: dict[str, FieldOrigin] = {}

    @cached_property
    def _prose(self) -> Prose:
        return Prose(self._root)

    @cached_property
    def _guess(self) -> Guess:
        # a video's page is all script: there is nothing to find
        if self._is_video:
            return Guess()
        return guess_fields(self._root, url=self._url, now=self._now)

    def article(self) -> Article:
        """Return the article with each field from its best source."""
        return Article(
            links=(video_url(self._url) or self._own_link() or self._url,),
            title=self._title(),
            authors=self._authors(),
            published_at=self._date(),
            language=self._language(),
            excerpt=self._excerpt(),
            image=self._image(),
            words=self._words(),
        )

    @cached_property
    def source(self) -> str:
        """Return the site's name, else its host's."""
        found = self._first("source", self._head.sites(), lambda text: _plain(text, MAX_NAME))
        if not found:
            self.origins["source"] = FieldOrigin.ADDRESS
        return found or host_of(self._url)

    def _title(self) -> str:
        names = (self.source, host_of(self._url))
        hints: Iterable[Hint] = chain(
            self._head.titles(),
            _later(lambda: self._prose.titles(), FieldOrigin.HTML),
            _later(lambda: [self._guess.title], FieldOrigin.TRAFILATURA),
        )
        return self._first("title", hints, lambda text: _headline(text, names)) or ""

    def _authors(self) -> tuple[str, ...]:
        sources: Iterable[tuple[Iterable[str], FieldOrigin]] = chain(
            self._head.authors(),
            _later(lambda: self._prose.authors(), FieldOrigin.HTML),
            _later(lambda: [self._guess.authors], FieldOrigin.TRAFILATURA),
        )
        return self._first("authors", sources, self._names) or ()

    def _names(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the names; an address of a profile is none."""
        found = (_BY.sub("", _plain(text, MAX_NAME)) for text in islice(texts, 2 * MAX_AUTHORS))
        return tuple(name for name in found if name and not web_url(name) and "@" not in name)

    def _date(self) -> datetime | None:
        def read(text: str) -> datetime | None:
            return plausible_date(parse_date(text), now=self._now)

        hints = chain(self._head.dates(), _later(lambda: self._prose.dates(), FieldOrigin.HTML))
        if found := self._first("published_at", hints, read):
            return found
        if found := plausible_date(self._guess.date, now=self._now):
            self.origins["published_at"] = FieldOrigin.TRAFILATURA
        return found

    def _language(self) -> str:
        hints: Iterable[Hint] = self._head.languages()
        if self._is_video:  # the page speaks the language of who asks for it
            hints = [(self._head.said.language, FieldOrigin.JSON_LD)]
        return self._first("language", hints, language_tag) or ""

    def _excerpt(self) -> str:
        def real() -> Iterator[str]:
            found = (_plain(text, MAX_EXCERPT) for text in self._prose.paragraphs)
            return (text for text in found if len(text) >= _PARAGRAPH)

        hints = chain(self._head.descriptions(), _later(real, FieldOrigin.HTML))
        return self._first("excerpt", hints, lambda text: _plain(text, MAX_EXCERPT)) or ""

    def _image(self) -> str:
        hints = chain(self._head.images(), _later(lambda: self._prose.images(), FieldOrigin.HTML))
        return self._first("image", hints, lambda link: image_url(link, base=self._base)) or ""

    def _words(self) -> int:
        """Return the words of the whole text, 0 where a part of it is for subscribers."""
        said = self._head.said
        self.origins["minutes"] = FieldOrigin.JSON_LD
        if said.words or said.is_paid or self._is_video:
            return said.words
        self.origins["minutes"] = FieldOrigin.HTML
        return self._prose.word_count()

    def _own_link(self) -> str:
        """Return the page's own address if it is to be trusted, else ``""``.

        Trusted on the same site only, and never the home page: both mistakes are common.
        """
        for link in self._head.own_links():
            found = web_url(link, base=self._base)
            if found and _same_site(found, self._url) and not _is_home(found):
                return found
        return ""

    def _first(
        self,
        field: str,
        hints: Iterable[tuple[S, FieldOrigin]],
        read: Callable[[S], T],
    ) -> T | None:
        """Return what the first hint gives that gives anything, and note its origin."""
        tries = 0
        for text, origin in hints:
            if not text:
                continue
            if found := read(text):
                self.origins[field] = origin
                return found
            tries += 1
            if tries == _MAX_TRIES:
                break
        return None


def _later(look: Callable[[], Iterable[S]], origin: FieldOrigin) -> Iterator[tuple[S, FieldOrigin]]:
    """Yield what ``look`` finds, looking only when the first one is asked for."""
    for one in look():
        yield one, origin


def _headline(text: str, names: Iterable[str]) -> str:
    """Return a title without the site's name behind it."""
    title = _plain(text, MAX_TITLE)
    for name in names:
        head, tail = title[: -len(name)], title[-len(name) :]
        dash = next((one for one in _DASHES if head.endswith(one)), "")
        if dash and tail.casefold() == name.casefold() and len(head) > len(dash):
            return head.removesuffix(dash).strip()
    return title


def _is_home(url: str) -> bool:
    """Say whether an address is that of a site's first page (``/?p=12`` is not)."""
    parts = urlsplit(canonical_url(url))
    return parts.path in ("", "/", "/index.html", "/index.php") and not parts.query


def _same_site(one: str, other: str) -> bool:
    """Say whether both hosts are one but for a leading www, m or amp.

    Stricter than "the same registrable domain", which nobody knows without a list that ages.
    """
    hosts = [host_of(address) for address in (one, other)]
    for prefix in ("m.", "amp.", "mobile."):
        hosts = [host.removeprefix(prefix) for host in hosts]
    return hosts[0] == hosts[1] != ""


def _plain(text: str, limit: int) -> str:
    return plain_text(text, limit=limit)
