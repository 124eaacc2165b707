"""An editor's minutes with `infolettre preview`: start it, write, break, mend, stop."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import CHROMIUM_FLAGS
from tests.web.workshop import Room

INFOLETTRE = Path(sys.executable).with_name("infolettre")


@contextmanager
def previewing(room: Room) -> Iterator[str]:
    """Run the command in the room's folder, yield the address that it prints, then Ctrl-C it."""
    with subprocess.Popen(
        [INFOLETTRE, "preview", "des-cafes", "--port", "0"],
        cwd=room.root,
        env={**os.environ, "INFOLETTRE_LANGUAGE": "en", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            assert "http://127.0.0.1:" in line, line + process.stderr.read()
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0
            assert "Traceback" not in process.stderr.read()


@pytest.mark.chromium
def test_the_page_follows_a_letter_that_is_written_broken_and_mended(
    tmp_path: Path, chromium: str
) -> None:
    room = Room.build(tmp_path)
    with previewing(room) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page()
        letter = page.frame_locator("iframe.front")

        page.goto(address)
        expect(letter.get_by_text("Bonjour Camille")).to_be_visible()
        expect(page.locator("#strip")).to_contain_text("Le Cercle des cafés")

        room.replace("Bonjour", "Bonsoir")
        expect(letter.get_by_text("Bonsoir Camille")).to_be_visible()

        room.replace("block: edito", "block: editoo")
        expect(page.locator("#mistakes")).to_contain_text("issue.yaml:9:12")
        expect(letter.get_by_text("Bonsoir Camille")).to_be_visible()

        room.replace("block: editoo", "block: edito")
        room.paint("red")
        expect(page.locator("#mistakes li")).to_have_count(0)
        loaded = "() => document.querySelector('iframe.front').contentDocument.images[0].complete"
        assert page.evaluate(loaded)
        browser.close()
