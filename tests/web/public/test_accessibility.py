"""The public pages in a real browser: axe finds nothing, nothing overflows, keys suffice (T21)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.web.public.house import ZOE, House, serving

pytestmark = pytest.mark.chromium

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_file: Path) -> Iterator[House]:
    with serving(tmp_path_factory.mktemp("site"), sqlite_file) as house:
        house.subscribe()
        yield house


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(locale="fr-FR")
    yield opened
    opened.close()


def paths(house: House) -> list[str]:
    links = [house.link(one) for one in ("desabonnement", "preferences")]
    return ["/abonnement", house.confirm_link().removeprefix(house.base), *links, "/rien"]


def press(page: Page, name: str) -> None:
    page.locator(f"button{name}").click()


def check(page: Page) -> None:
    """Look at the page in both schemes, and as wide as a phone, an old one, and a screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], page.url
    for width in (320, 360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "fr"


def test_every_page_that_a_link_leads_to_is_accessible(page: Page, site: House) -> None:
    for path in paths(site):
        page.goto(site.base + path)
        check(page)


def test_every_answer_to_a_button_is_accessible(page: Page, site: House) -> None:
    page.goto(f"{site.base}/abonnement")
    page.locator("#email").fill("zoe@lettre")
    press(page, "")
    expect(page.locator("#error")).to_be_visible()
    expect(page.locator("#email")).to_be_focused()
    check(page)
    page.locator("#email").fill(ZOE)
    press(page, "")
    expect(page.locator("form")).to_have_count(0)
    check(page)
    for path in (site.confirm_link(), site.base + site.link("desabonnement")):
        page.goto(path)
        press(page, "")
        check(page)


def test_the_form_is_filled_in_and_sent_by_keys_alone(page: Page, site: House) -> None:
    page.goto(f"{site.base}/abonnement")
    page.keyboard.press("Tab")
    expect(page.locator("#email")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.type("lea@lettre.example")
    page.keyboard.press("Tab")
    page.keyboard.type("Léa")
    page.keyboard.press("Tab")  # past the field that nobody sees
    expect(page.locator("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("lea@lettre.example")).to_be_visible()
    assert str(site.mails()[-1]["To"]) == "lea@lettre.example"
