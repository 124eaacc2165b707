"""What the head of a web page says of it: JSON-LD, OpenGraph, other meta tags, links.

Each function yields texts with their origin, the most trusted first, as the page wrote them;
``page.py`` judges and chooses.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from lxml import etree

from pipeline.veille.jsonld import Said, read_json_ld
from pipeline.veille.origins import FieldOrigin

Hint = tuple[str, FieldOrigin]

_MAX_SCRIPTS: Final = 30
_MAX_TAGS: Final = 2_000  # of one name; real pages have 60
# In each list, OpenGraph's names come first.
_TITLE: Final = ("og:title", "twitter:title", "dc.title", "dcterms.title", "citation_title")
_SITE: Final = ("og:site_name", "application-name", "citation_journal_title", "dc.publisher")
_AUTHORS: Final = (
    "article:author",
    "author",
    "authors",
    "dc.creator",
    "dcterms.creator",
    "citation_author",
    "parsely-author",
    "sailthru.author",
    "byl",
)
_DATE: Final = (
    "article:published_time",
    "og:published_time",
    "datepublished",
    "date",
    "pubdate",
    "publish-date",
    "publication_date",
    "dc.date",
    "dc.date.issued",
    "dcterms.date",
    "dcterms.issued",
    "citation_publication_date",
    "citation_online_date",
    "citation_date",
    "parsely-pub-date",
    "sailthru.date",
)
_DESCRIPTION: Final = (
    "og:description",
    "description",
    "twitter:description",
    "dc.description",
    "dcterms.abstract",
)
_IMAGE: Final = (
    "og:image:secure_url",
    "og:image:url",
    "og:image",
    "twitter:image",
    "twitter:image:src",
    "thumbnail",
)
_LANGUAGE: Final = ("content-language", "dc.language", "dcterms.language", "language")
# Yoast SEO, of many WordPress sites, names the author in the label of a card.
_LABELS: Final = ("écrit par", "written by", "verfasst von", "geschrieben von", "escrito por")


class Head:
    """The machine-readable part of a page that was fetched from ``url``."""

    def __init__(self, root: etree._Element, *, url: str) -> None:
        self._root = root
        self._meta = _read_meta(root)
        self.said: Said = read_json_ld(_scripts(root), url=url)

    def titles(self) -> Iterator[Hint]:
        """Yield headlines."""
        yield self.said.title, FieldOrigin.JSON_LD
        yield from self._hints(_TITLE)

    def sites(self) -> Iterator[Hint]:
        """Yield names of the site; the publisher last, as that often is a company's name."""
        yield self.said.site, FieldOrigin.JSON_LD
        yield from self._hints(_SITE)
        yield self.said.publisher, FieldOrigin.JSON_LD

    def authors(self) -> Iterator[tuple[list[str], FieldOrigin]]:
        """Yield lists of names: those of one source belong together."""
        yield list(self.said.authors), FieldOrigin.JSON_LD
        for name in _AUTHORS:
            yield self._meta.get(name, []), _origin(name)
        for number in ("1", "2"):
            label = self._first(f"twitter:label{number}").casefold()
            if label in _LABELS:
                yield [self._first(f"twitter:data{number}")], FieldOrigin.META

    def dates(self) -> Iterator[Hint]:
        """Yield dates of publication, in whatever notation."""
        yield self.said.date, FieldOrigin.JSON_LD
        yield from self._hints(_DATE)

    def languages(self) -> Iterator[Hint]:
        """Yield language tags.

        ``og:locale`` is last of all, against the usual order: many themes leave it at en_US.
        """
        yield self.said.language, FieldOrigin.JSON_LD
        yield self._root.get("lang") or self._root.get("xml:lang") or "", FieldOrigin.HTML
        yield from self._hints((*_LANGUAGE, "og:locale"))

    def descriptions(self) -> Iterator[Hint]:
        """Yield descriptions."""
        yield self.said.description, FieldOrigin.JSON_LD
        yield from self._hints(_DESCRIPTION)

    def images(self) -> Iterator[Hint]:
        """Yield addresses of the image, relative ones too."""
        for link in self.said.images:
            yield link, FieldOrigin.JSON_LD
        yield from self._hints(_IMAGE)
        for link in self._links("image_src"):
            yield link, FieldOrigin.HTML

    def own_links(self) -> Iterator[str]:
        """Yield the addresses that the page calls its own."""
        yield from self._links("canonical")
        yield from self._meta.get("og:url", [])

    def base(self) -> str:
        """Return what relative addresses are relative to, where the page says so."""
        found = next(self._root.iter("base"), None)
        return "" if found is None else found.get("href") or ""

    def _links(self, relation: str) -> Iterator[str]:
        for link in islice(self._root.iter("link"), _MAX_TAGS):
            if relation in (link.get("rel") or "").lower().split():
                yield link.get("href") or ""

    def _hints(self, names: Iterable[str]) -> Iterator[Hint]:
        for name in names:
            for text in self._meta.get(name, []):
                yield text, _origin(name)

    def _first(self, name: str) -> str:
        return next(iter(self._meta.get(name, [])), "")


def _origin(name: str) -> FieldOrigin:
    is_open_graph = name.startswith(("og:", "article:"))
    return FieldOrigin.OPEN_GRAPH if is_open_graph else FieldOrigin.META


def _scripts(root: etree._Element) -> list[str]:
    found = (
        script.text or ""
        for script in islice(root.iter("script"), _MAX_TAGS)
        if (script.get("type") or "").partition(";")[0].strip().lower() == "application/ld+json"
    )
    return list(islice(found, _MAX_SCRIPTS))


def _read_meta(root: etree._Element) -> dict[str, list[str]]:
    """Return the contents of the meta tags by name; ``DC:title`` is the same as ``dc.title``."""
    found: dict[str, list[str]] = {}
    for tag in islice(root.iter("meta"), _MAX_TAGS):
        name = tag.get("property") or tag.get("name") or tag.get("itemprop") or ""
        name = (name or tag.get("http-equiv") or "").strip().lower()
        if name.startswith(("dc:", "dcterms:")):
            name = name.replace(":", ".")
        if content := (tag.get("content") or "").strip():
            found.setdefault(name, []).append(content)
    return found
