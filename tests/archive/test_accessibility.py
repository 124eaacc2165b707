"""The archive in a real browser: axe finds nothing serious, nothing overflows (T19–T21)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.archive.letters import Workshop

pytestmark = pytest.mark.chromium

Scheme = Literal["light", "dark"]
PAGES = ["index.html", "2026-11-20-des-cafes/index.html"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workshop = Workshop(root=tmp_path_factory.mktemp("workspace"))
    for year in range(2022, 2026):
        workshop.letter(f"{year}-11-21-avant", number=year, more="subtitle: Un sous-titre.\n")
    workshop.letter("2026-11-20-des-cafes", more="subtitle: Un sous-titre.\n")
    workshop.build()
    return workshop.out


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(page: Page, out: Path, path: str, scheme: Scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto((out / path).as_uri())
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


@pytest.mark.parametrize("width", [320, 600, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window(page: Page, out: Path, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((out / path).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_tab_stop_skips_to_the_letters(page: Page, out: Path) -> None:
    page.goto((out / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_images_show_when_the_folder_is_opened_from_a_disk(page: Page, out: Path) -> None:
    page.goto((out / PAGES[1]).as_uri())
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
