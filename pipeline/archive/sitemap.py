"""The site map for search engines (sitemaps.org, version 0.9).

There is no robots.txt: it counts only at the root of a host, which the archive may not own, and
what it would say (everything may be read) is what its absence says.
"""

from collections.abc import Iterable
from typing import Final

from lxml import etree

from pipeline.archive.past import PastLetter

_NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"


def sitemap_xml(letters: Iterable[PastLetter], site_url: str) -> bytes:
    """Return ``sitemap.xml``; ``site_url`` is absolute, as the protocol wants every address."""
    letters = tuple(letters)
    root = etree.Element(f"{{{_NAMESPACE}}}urlset", nsmap={None: _NAMESPACE})  # type: ignore[dict-item]
    newest = max((letter.date.isoformat() for letter in letters), default="")
    _add(root, f"{site_url.rstrip('/')}/", newest)
    for letter in letters:
        _add(root, letter.address(site_url), letter.date.isoformat())
    return etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)


def _add(root: etree._Element, address: str, changed: str) -> None:
    url = etree.SubElement(root, f"{{{_NAMESPACE}}}url")
    etree.SubElement(url, f"{{{_NAMESPACE}}}loc").text = address
    if changed:
        etree.SubElement(url, f"{{{_NAMESPACE}}}lastmod").text = changed
