"""A PDF file's own description to an entry: title, authors, date, language, number of pages.

:func:`read_pdf` runs pypdf on anybody's bytes and may take its time: its caller bounds it
(``apart.py``). What a file does not say is made of its name.
"""

import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pipeline.errors import FetchError
from pipeline.veille.article import Article, Origin, entry_of
from pipeline.veille.item import MAX_AUTHORS, MAX_EXCERPT, MAX_NAME, MAX_TITLE, Entry
from pipeline.veille.links import host_of
from pipeline.veille.origins import FieldOrigin
from pipeline.veille.plain import fold, tidy
from pipeline.words import mark

_MAX_PAGES: Final = 100_000
# What programs write where nobody gave a title.
_PROGRAM: Final = re.compile(r"^microsoft (?:word|powerpoint|excel)\s*-\s*", re.IGNORECASE)
_FILE_NAME: Final = re.compile(
    r"\.(?:pdf|docx?|odt|rtf|indd|pptx?|odp|xlsx?|tex|qxp|pages)$", re.IGNORECASE
)
_NO_TITLES: Final = frozenset(
    {"", "untitled", "sans titre", "document", "document1", "presentation", "slide 1", "titre"}
    | {"powerpoint presentation", "presentation powerpoint", "pdf"}
)
_JOINTS: Final = re.compile(r"[\s_+]+|(?<=\D)-|-(?=\D)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSaid:
    """What a PDF says of itself; texts as they stand there, bounded; ``pages`` 0 is unknown."""

    title: str = ""
    authors: tuple[str, ...] = ()
    date: datetime | None = None
    language: str = ""
    subject: str = ""
    pages: int = 0


def read_pdf(body: bytes) -> PdfSaid:
    """Return what the file says; nothing where it is broken or wants a password.

    Reads the document information (ISO 32000-1, 14.3.3), then XMP for what it lacks. The page
    tree is not walked: its root says how many there are.
    """
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = _or_none(lambda: PdfReader(io.BytesIO(body), strict=False))
    if reader is None or (reader.is_encrypted and not _or_none(lambda: reader.decrypt(""))):
        return PdfSaid()
    info: Any = _or_none(lambda: reader.metadata)
    xmp: Any = _or_none(lambda: reader.xmp_metadata)
    catalog: Any = _or_none(lambda: reader.root_object) or {}
    said = PdfSaid(
        title=_text(lambda: info.title, MAX_TITLE),
        authors=_authors(_text(lambda: info.author, MAX_NAME * MAX_AUTHORS)),
        date=_or_none(lambda: info.creation_date),
        language=_text(lambda: catalog.get("/Lang"), 35),
        subject=_text(lambda: info.subject, MAX_EXCERPT),
        pages=_or_none(lambda: _page_count(catalog)) or 0,
    )
    return said if xmp is None else _completed(said, xmp)


def pdf_entry(said: PdfSaid, *, url: str, now: datetime) -> Entry:
    """Return the entry of the PDF at ``url``, seen ``now`` (aware).

    Without a title of its own it is called by the name of the file. Raises FetchError where
    ``url`` is no web address.
    """
    title = readable_name(_PROGRAM.sub("", said.title))
    is_named = fold(title) not in _NO_TITLES
    excerpt = " · ".join(one for one in (said.subject, _pages(said.pages)) if one)
    article = Article(
        links=(url,),
        title=title if is_named else readable_name(_file_name(url)) or host_of(url),
        authors=said.authors,
        published_at=said.date,
        language=said.language,
        excerpt=excerpt,
    )
    parts = urlsplit(url)
    origin = Origin(
        url=url, site=f"{parts.scheme}://{parts.netloc}/", source=host_of(url), is_feed=False
    )
    entry = entry_of(article, origin, now=now)
    if entry is None:
        raise FetchError(mark("“{url}” is no web address: correct it"), url=url)
    fields = ("authors", "published_at", "language", "excerpt")
    origins = {name: FieldOrigin.PDF for name in fields if getattr(entry, name)}
    origins["title"] = FieldOrigin.PDF if is_named else FieldOrigin.ADDRESS
    origins["source"] = FieldOrigin.ADDRESS
    return replace(entry, origins={name: str(one) for name, one in origins.items()})


def readable_name(title: str) -> str:
    """Return a file's name as words; any other title as it is.

    >>> readable_name("rapport_annuel-2025.pdf")
    'Rapport annuel 2025'
    """
    name, count = _FILE_NAME.subn("", title.strip())
    if not count:
        return title.strip()
    words = _JOINTS.sub(" ", name).strip()
    return words[:1].upper() + words[1:]


def _file_name(url: str) -> str:
    name = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return tidy(name if _FILE_NAME.search(name) or not name else f"{name}.pdf", limit=MAX_TITLE)


def _pages(count: int) -> str:
    """Return the same words in French and in English: an entry is stored in no language."""
    if not count:
        return ""
    return f"PDF, {count} page{'s' if count > 1 else ''}"


def _page_count(catalog: Any) -> int:
    found = catalog["/Pages"].get_object()["/Count"].get_object()
    return int(found) if 0 < int(found) <= _MAX_PAGES else 0


def _completed(said: PdfSaid, xmp: Any) -> PdfSaid:
    """Return ``said`` with what only the XMP packet holds."""
    languages = _or_none(lambda: list(xmp.dc_language)) or []
    creators = _or_none(lambda: list(xmp.dc_creator)) or []
    return replace(
        said,
        title=said.title or _text(lambda: next(iter(xmp.dc_title.values())), MAX_TITLE),
        authors=said.authors or _authors("; ".join(str(one) for one in creators[:MAX_AUTHORS])),
        date=said.date or _or_none(lambda: xmp.xmp_create_date),
        language=said.language or _text(lambda: languages[0], 35),
        subject=said.subject or _text(lambda: next(iter(xmp.dc_description.values())), MAX_EXCERPT),
    )


def _authors(joined: str) -> tuple[str, ...]:
    names = [tidy(name, limit=MAX_NAME) for name in joined.split(";")]
    return tuple(name for name in names if name and "@" not in name)[:MAX_AUTHORS]


def _text(read: Callable[[], Any], limit: int) -> str:
    found = _or_none(read)
    return tidy(found, limit=limit) if isinstance(found, str) else ""


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:  # anybody's file, read by others' code: what breaks is not there
        return None
