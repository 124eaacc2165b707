"""The site map, by sitemaps.org."""

from lxml import etree

from pipeline.archive.sitemap import sitemap_xml
from tests.archive.letters import a_past_letter

NAMESPACE = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def test_the_site_map_lists_the_index_and_each_letter_by_its_absolute_address() -> None:
    letters = [a_past_letter("2026-11-20-é & è"), a_past_letter("2025-01-03-b")]
    root = etree.fromstring(sitemap_xml(letters, "https://lettres.example/cercle/"))
    assert etree.QName(root).localname == "urlset"
    assert root.xpath("s:url/s:loc/text()", namespaces=NAMESPACE) == [
        "https://lettres.example/cercle/",
        "https://lettres.example/cercle/2026-11-20-%C3%A9%20%26%20%C3%A8/",
        "https://lettres.example/cercle/2025-01-03-b/",
    ]
    assert root.xpath("s:url/s:lastmod/text()", namespaces=NAMESPACE) == [
        "2026-11-20",
        "2026-11-20",
        "2025-01-03",
    ]


def test_a_site_without_letters_has_one_page() -> None:
    root = etree.fromstring(sitemap_xml([], "https://lettres.example"))
    assert root.xpath("//s:loc/text()", namespaces=NAMESPACE) == ["https://lettres.example/"]
