"""Every link of every page leads somewhere, wherever the archive is put."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import lxml.html
import pytest
from lxml import etree

from pipeline.settings import Settings
from tests.archive.letters import NO_SITE, SETTINGS, Workshop, files_in

BASES = ["https://lettres.example/", "https://lettres.example/a/b/", "file:///media/cle/site/"]


@pytest.fixture(params=[SETTINGS, NO_SITE], ids=["site", "no site"])
def out(request: pytest.FixtureRequest, workshop: Workshop) -> Path:
    settings = request.param
    assert isinstance(settings, Settings)
    workshop.settings = settings
    for number, slug in enumerate(
        ["2026-11-20-des-cafes", "2026-11-13 thé & # 50%", "2024-01-05-a"]
    ):
        workshop.letter(slug, number=number)
    workshop.build()
    return workshop.out


def links_in(data: bytes) -> Iterator[str]:
    page = lxml.html.document_fromstring(data)
    assert isinstance(page, lxml.html.HtmlElement)
    for _element, _attribute, link, _position in page.iterlinks():
        yield link


def is_ours(link: str) -> bool:
    return not urlsplit(link).scheme


@pytest.mark.parametrize("base", BASES)
def test_every_link_and_anchor_of_every_page_exists(out: Path, base: str) -> None:
    files = files_in(out)
    pages = {path: data for path, data in files.items() if path.endswith(".html")}
    seen = 0
    for path, data in pages.items():
        for link in filter(is_ours, links_in(data)):
            target, _, anchor = urljoin(base + _quoted(path), link).partition("#")
            assert target.startswith(base), f"{path}: {link} leads out of the archive"
            name = unquote(target.removeprefix(base))
            assert name in files, f"{path}: {link} leads nowhere"
            if anchor:
                page = lxml.html.document_fromstring(pages[name])
                assert page.xpath("//*[@id=$anchor]", anchor=anchor), f"{path}: no #{anchor}"
            seen += 1
    assert seen > 30


def test_no_page_names_a_place_of_this_machine_or_of_the_hosts_root(out: Path) -> None:
    for path, data in files_in(out).items():
        assert b"file:" not in data, path
        assert str(out.parent).encode() not in data, path
        if path.endswith(".html"):
            assert not [link for link in links_in(data) if link.startswith("/")]


def test_no_page_fetches_anything_from_elsewhere(out: Path) -> None:
    for path, data in files_in(out).items():
        if path.endswith(".html"):
            page = lxml.html.document_fromstring(data)
            assert not page.xpath("//script | //iframe | //form | //link[@rel='stylesheet']")
            sources = [one.get("src") or "" for one in page.iterfind(".//*[@src]")]
            assert all(map(is_ours, sources))
            assert not page.xpath("//@srcset | //@poster")
            assert b"url(" not in data
            assert b"@import" not in data


def test_the_feed_leads_to_the_same_files(out: Path) -> None:
    files = files_in(out)
    atom = "{http://www.w3.org/2005/Atom}"
    root = etree.fromstring(files["feed.xml"])
    bodies = [one.text or "" for one in root.iter(f"{atom}content")]
    assert len(bodies) == 3
    links = [str(one.get("href")) for one in root.iter(f"{atom}link")]
    links += [link for body in bodies for link in links_in(body.encode())]
    home = "https://lettres.example/cercle/"
    for link in links:
        place = link.removeprefix(home) if link.startswith(home) else link
        if is_ours(place):
            name = unquote(place.partition("#")[0])
            assert (f"{name}index.html" if name.endswith("/") or not name else name) in files
    assert any("images/" in link for link in links)


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("#", "%23").replace(" ", "%20")
