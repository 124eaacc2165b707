"""The preview as an editor meets it: in a browser, while the files are saved."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.web.conftest import serving
from tests.web.workshop import Room

pytestmark = pytest.mark.chromium
VIEWS = ("phone", "desktop", "dark", "images-off", "text", "inbox")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    elsewhere: list[str] = []
    page.on("request", lambda asked: elsewhere.append(asked.url))
    page.goto(address)
    expect(letter(page).get_by_text("Bonjour Camille")).to_be_attached()
    yield page
    assert [url for url in elsewhere if not url.startswith(address)] == []
    context.close()


def letter(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.front")


def show(page: Page, view: str) -> FrameLocator:
    page.locator(f"#tab-{view}").click()
    expect(page.locator("html")).to_have_attribute("data-view", view)
    return letter(page)


def in_letter(page: Page, script: str) -> Any:
    """Evaluate ``script`` with the letter's ``window`` as ``w``."""
    return page.evaluate(
        f"() => {{ const w = document.querySelector('iframe.front').contentWindow; {script} }}"
    )


def test_the_phone_view_is_as_wide_as_a_phone(page: Page) -> None:
    assert in_letter(page, "return w.innerWidth") == 375


def test_the_desktop_view_shows_the_letter_at_its_full_width(page: Page) -> None:
    show(page, "desktop")

    assert 700 <= in_letter(page, "return w.innerWidth") <= 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_views_do_not_depend_on_the_machine(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    ink = "return w.getComputedStyle(w.document.querySelector('h1')).color"

    assert in_letter(page, ink) == "rgb(29, 36, 51)"
    show(page, "dark")
    assert in_letter(page, ink) == "rgb(236, 231, 221)"


def test_without_images_the_alternative_text_stands_in_their_place(page: Page) -> None:
    with_image = "return [...w.document.images].filter(i => i.naturalWidth).length"
    assert in_letter(page, with_image) == 1
    frame = show(page, "images-off")

    expect(frame.get_by_alt_text("Une lampe verte sur une table")).to_be_visible()
    assert in_letter(page, with_image) == 0


def test_the_plain_text_is_shown_in_76_columns(page: Page) -> None:
    frame = show(page, "text")
    columns = """
      const pre = w.document.querySelector('pre'), style = w.getComputedStyle(pre);
      const room = pre.clientWidth - parseFloat(style.paddingLeft) * 2;
      const pen = w.document.createElement('canvas').getContext('2d');
      pen.font = style.font;
      return Math.round(room / pen.measureText('0').width)"""

    expect(frame.locator("pre")).to_contain_text("Bonjour Camille")
    assert in_letter(page, columns) == 76


def test_the_inbox_shows_sender_subject_and_preheader(page: Page) -> None:
    frame = show(page, "inbox")

    for said in ("Le Cercle des cafés", "Camille, une veillée vous attend", "Trois offres"):
        expect(frame.locator(".narrow.light")).to_contain_text(said)
        expect(page.locator("#strip")).to_contain_text(said)


def test_each_view_has_a_digit_and_arrows_walk_through_them(page: Page) -> None:
    for digit, view in enumerate(VIEWS, 1):
        page.keyboard.press(str(digit))
        expect(page.locator("html")).to_have_attribute("data-view", view)
    page.locator("#tab-inbox").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-phone")).to_be_focused()
    expect(page.locator("html")).to_have_attribute("data-view", "phone")


def test_digits_also_work_while_the_letter_has_the_focus(page: Page) -> None:
    letter(page).locator("h1").click()
    page.keyboard.press("3")

    expect(page.locator("html")).to_have_attribute("data-view", "dark")


def test_the_letter_can_be_read_as_somebody_without_a_first_name(page: Page) -> None:
    page.get_by_role("button", name="Without a first name").click()

    expect(letter(page).get_by_text("Bonjour à toutes et tous")).to_be_attached()
    expect(page.locator("#strip")).to_contain_text("Chers lecteurs")


def test_a_save_is_shown_in_the_same_page_view_and_place(page: Page, room: Room) -> None:
    show(page, "desktop")
    page.evaluate("window.isSamePage = true")
    in_letter(page, "w.scrollTo(0, 400)")
    room.replace("Lecture 3", "Lecture trois")

    expect(letter(page).get_by_text("Lecture trois")).to_be_attached()
    assert page.evaluate("window.isSamePage")
    assert page.locator("html").get_attribute("data-view") == "desktop"
    assert in_letter(page, "return w.scrollY") == 400


def test_each_view_remembers_how_far_it_was_read(page: Page) -> None:
    in_letter(page, "w.scrollTo(0, 300)")
    show(page, "text")
    show(page, "phone")

    assert in_letter(page, "return w.scrollY") == 300


def test_a_broken_file_keeps_the_letter_and_says_where_until_it_is_mended(
    page: Page, room: Room
) -> None:
    room.replace("block: edito", "block: editoo")
    panel = page.locator("#mistakes")

    expect(panel).to_contain_text("issue.yaml:9:12")
    expect(panel).to_contain_text("editoo")
    expect(page.locator(".ribbon")).to_contain_text("Last good version")
    expect(page.locator(".ribbon")).to_be_visible()
    expect(page.locator(".verdict")).to_have_text("1 mistake")
    expect(letter(page).get_by_text("Bonjour Camille")).to_be_visible()

    room.replace("block: editoo", "block: edito")
    expect(panel).to_contain_text("No mistake")
    expect(page.locator(".ribbon")).to_be_hidden()


def test_a_changed_block_is_shown(page: Page, room: Room) -> None:
    template = room.blocks / "edito" / "email.mjml"
    room.replace("<mj-text", '<mj-text css-class="new-face"', template)

    expect(letter(page).locator(".new-face").first).to_be_attached()


def test_a_changed_theme_is_shown(page: Page, room: Room) -> None:
    room.replace('accent = "#b5442c"', 'accent = "#123456"', room.settings)
    colour = "return w.getComputedStyle(w.document.querySelector('.kicker')).color"

    wait_for(lambda: in_letter(page, colour) == "rgb(18, 52, 86)")


def test_a_changed_picture_is_shown(page: Page, room: Room) -> None:
    picture = letter(page).get_by_alt_text("Une lampe verte sur une table")
    before = picture.get_attribute("src")
    room.paint("red")

    expect(picture).not_to_have_attribute("src", before or "")
    shown = "return [...w.document.images].every(image => image.naturalWidth)"
    assert in_letter(page, shown)


def test_a_letter_that_was_broken_from_the_start_appears_when_it_is_mended(
    browser: Browser, tmp_path: Path
) -> None:
    room = Room.build(tmp_path)
    room.replace("number: 46", "number: [")
    with serving(room) as address, browser.new_page() as page:
        page.goto(address)
        expect(letter(page).get_by_text("No letter yet")).to_be_visible()
        room.replace("number: [", "number: 46")
        expect(letter(page).get_by_text("Bonjour Camille")).to_be_visible()


def test_two_pages_follow_the_same_letter(page: Page, address: str, room: Room) -> None:
    other = page.context.new_page()
    other.goto(f"{address}?view=text&reader=nobody")
    expect(letter(other).locator("pre")).to_contain_text("Bonjour à toutes et tous")
    room.replace("voici le n°", "voilà le n°")

    expect(letter(page).get_by_text("voilà le n°")).to_be_attached()
    expect(letter(other).locator("pre")).to_contain_text("voilà le n°")


def test_a_stopped_preview_says_so_and_the_page_lives_on_when_it_is_back(
    browser: Browser, room: Room
) -> None:
    with browser.new_page() as page:
        with serving(room) as address:
            page.goto(address)
            expect(letter(page).get_by_text("Bonjour Camille")).to_be_attached()
        expect(page.get_by_text("Connection lost")).to_be_visible()
        room.replace("Bonjour", "Bonsoir")
        with serving(room, port=int(address.rstrip("/").rpartition(":")[2])):
            expect(letter(page).get_by_text("Bonsoir Camille")).to_be_attached(timeout=15_000)
            expect(page.get_by_text("Connection lost")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_itself_is_accessible(page: Page, room: Room, width: int, scheme: Any) -> None:
    room.replace("block: edito", "block: editoo")
    expect(page.locator("#mistakes li")).to_have_count(1)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    for view in ("text", "inbox"):
        show(page, view)
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0


def wait_for(claim: Any) -> None:
    end = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
