"""The letters as a browser shows them: contrast, width, headings, and nothing from outside."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pipeline.cli.open import make_pictures, open_issue, open_press
from pipeline.render.letter import render_edition
from pipeline.render.view import viewed_html
from pipeline.workspace import find_workspace

pytestmark = pytest.mark.chromium

ROOT = Path(__file__).parents[2]
LETTERS = [file.parent.name for file in sorted((ROOT / "issues").glob("*/issue.yaml"))]
Scheme = Literal["light", "dark"]
#: A mail is no page: it has no <main>, and what is outside of it is the mail program's.
INHERENT = {"landmark-one-main", "region"}


@lru_cache(maxsize=8)
def a_mail(slug: str, folder: Path) -> str:
    """Write the mail of a letter and its pictures into ``folder``; return its address."""
    workspace = find_workspace(ROOT)
    press = open_press(workspace)
    letter = workspace.find_issue(slug)
    edition = render_edition(open_issue(workspace, letter, press), press)
    (folder / slug / "images").mkdir(parents=True)
    for name, data in make_pictures(edition, letter, workspace).items():
        (folder / slug / "images" / name).write_bytes(data)
    file = folder / slug / "email.html"
    file.write_text(viewed_html(edition), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mails")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("slug", LETTERS)
def test_axe_finds_nothing_but_what_a_mail_is(
    page: Page, folder: Path, slug: str, scheme: Scheme
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(a_mail(slug, folder))
    found = Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["id"] not in INHERENT
    ] == []


@pytest.mark.parametrize("width", [320, 360, 600, 1280])
@pytest.mark.parametrize("slug", LETTERS)
def test_nothing_is_wider_than_the_window(page: Page, folder: Path, slug: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(a_mail(slug, folder))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("slug", LETTERS)
def test_opening_a_mail_asks_nobody_for_anything(page: Page, folder: Path, slug: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(a_mail(slug, folder))
    assert [url for url in asked if not url.startswith("file:")] == []


@pytest.mark.parametrize("slug", LETTERS)
def test_headings_skip_no_level(page: Page, folder: Path, slug: str) -> None:
    page.goto(a_mail(slug, folder))
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => +one.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
