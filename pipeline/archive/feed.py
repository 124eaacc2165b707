"""The Atom feed of the letters (RFC 4287): the newest ones, in full.

What does not live here: the files, and the clock (a letter is dated by its editor).
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urljoin

import lxml.html
from lxml import etree

from pipeline.archive.past import PastLetter, stable_id
from pipeline.settings import Settings

#: As many as a reader catches up with; the index has all the others.
MAX_ENTRIES: Final = 20

_ATOM: Final = "http://www.w3.org/2005/Atom"
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
#: What XML 1.0 §2.2 does not allow, even as a reference.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def feed_xml(
    letters: Iterable[PastLetter],
    bodies: Mapping[str, str],
    *,
    settings: Settings,
    zone: datetime.tzinfo,
    today: datetime.date,
) -> bytes:
    """Return ``feed.xml``: the first ``letters`` (they come newest first), with bodies by slug.

    A letter is ``updated`` at midnight of its date in ``zone``; ``today`` dates a feed that has
    none yet. Without a ``site.url`` all links are relative to the feed's own address.
    """
    newest = tuple(letters)[:MAX_ENTRIES]
    site = settings.site
    home = f"{site.url.rstrip('/')}/" if site.url else ""
    feed = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})  # type: ignore[dict-item]
    feed.set(_LANG, site.language)
    _add(feed, "id", stable_id(settings).urn)
    _add(feed, "title", site.name)
    if site.description:
        _add(feed, "subtitle", site.description)
    _add(feed, "updated", _moment(newest[0].date if newest else today, zone))
    _author(feed, settings)
    if home:  # RFC 4287 §4.1.1: a feed should name its own address
        _add(feed, "link", rel="self", type="application/atom+xml", href=f"{home}feed.xml")
    _add(feed, "link", rel="alternate", type="text/html", href=home or "index.html")
    _add(feed, "generator", "Infolettre")
    for letter in newest:
        _entry(feed, letter, bodies.get(letter.slug, ""), settings=settings, zone=zone)
    return etree.tostring(feed, xml_declaration=True, encoding="utf-8", pretty_print=True)


def letter_body(page: str, base: str) -> str:
    """Return the letter inside its web ``page``, without its title; its links start at ``base``.

    Nothing where a workspace's own frame has no ``<article class="letter">``.
    """
    letter = lxml.html.document_fromstring(page).find(".//article[@class='letter']")
    if not isinstance(letter, lxml.html.HtmlElement):
        return ""
    for header in letter.findall("header"):
        letter.remove(header)
    letter.rewrite_links(lambda link: urljoin(base, link), resolve_base_href=False)
    return "".join(lxml.html.tostring(child, encoding="unicode") for child in letter).strip()


def _entry(
    feed: etree._Element,
    letter: PastLetter,
    body: str,
    *,
    settings: Settings,
    zone: datetime.tzinfo,
) -> None:
    url = settings.site.url
    node = etree.SubElement(feed, f"{{{_ATOM}}}entry")
    node.set(_LANG, letter.language)
    _add(node, "id", stable_id(settings, letter.slug).urn)
    _add(node, "title", letter.title)
    _add(node, "updated", _moment(letter.date, zone))
    _add(node, "published", _moment(letter.date, zone))
    href = letter.address(url) if url else letter.href
    _add(node, "link", rel="alternate", type="text/html", href=href)
    if letter.summary:
        _add(node, "summary", letter.summary)
    if body:
        _add(node, "content", body, type="html")


def _author(feed: etree._Element, settings: Settings) -> None:
    author = etree.SubElement(feed, f"{{{_ATOM}}}author")
    _add(author, "name", settings.organisation.name or settings.site.name)
    if settings.organisation.contact:
        _add(author, "email", settings.organisation.contact)


def _add(parent: etree._Element, name: str, text: str = "", **attributes: str) -> None:
    node = etree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    if text:
        node.text = _NOT_XML.sub("", text)


def _moment(day: datetime.date, zone: datetime.tzinfo) -> str:
    """Return midnight of ``day`` with its offset, as RFC 3339 writes it."""
    return datetime.datetime.combine(day, datetime.time(), zone).isoformat()
