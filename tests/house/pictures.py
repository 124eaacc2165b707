"""The pictures of ``docs/``: blocks, the letter, the preview and the archive, by Chromium.

``make docs`` makes those whose source has changed; each PNG holds the number of its source.
"""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, sync_playwright

from pipeline.blocks.block import FRAME, Block
from pipeline.cli.open import make_pictures, open_issue, open_press
from pipeline.render.letter import render_edition
from pipeline.render.view import viewed_html
from pipeline.workspace import Workspace, find_workspace
from tests.builders import a_library
from tests.conftest import CHROMIUM_FLAGS
from tests.house.pages import IMAGES, ROOT, block_yaml
from tests.journeys.workshop import COMMAND, NEWEST, copy_workspace, run

Scheme = Literal["light", "dark"]

_SOURCE: Final = "source"  # of a picture: the number of what it shows
LETTER_LIMIT: Final = 300_000
PAGE_LIMIT: Final = 150_000
BLOCK_LIMIT: Final = 60_000


def block_picture(name: str) -> Path:
    """Return the file of a block's picture."""
    return IMAGES / "blocs" / f"{name}.png"


def block_source(block: Block) -> str:
    """Return the number of what a block's picture shows: its folder and the mail's frame."""
    shipped = ROOT / "blocks"
    files = [*sorted((shipped / block.name).iterdir()), *sorted((shipped / FRAME).glob("*.mjml"))]
    shown = [one for one in files if one.suffix in (".mjml", ".yaml", ".png", ".jpg")]
    return _number(shown)


def letter_source() -> str:
    """Return the number of what the README's picture shows: a letter, the settings, the frame."""
    letter = sorted((ROOT / "issues" / NEWEST).iterdir())
    settings = ROOT / "infolettre.toml"
    return _number([settings, *letter, *sorted((ROOT / "blocks").glob("*/*.mjml"))])


def _sources(*folders: str) -> list[Path]:
    """Return the files below ``folders`` that a picture of a page shows."""
    found = [file for folder in folders for file in sorted((ROOT / folder).rglob("*"))]
    return [one for one in found if one.suffix in (".html", ".css", ".js", ".svg", ".yaml", ".png")]


def _number(files: list[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return found.hexdigest()[:16]


def picture_source(file: Path) -> str:
    """Return the number that a picture was made from, or nothing where it is not there."""
    if not file.exists():
        return ""
    with Image.open(file) as picture:
        return str(picture.info.get(_SOURCE, ""))


def save_picture(png: bytes, file: Path, *, source: str, limit: int) -> None:
    """Write a screenshot with as many colours as ``limit`` bytes allow."""
    info = PngInfo()
    info.add_text(_SOURCE, source)
    file.parent.mkdir(parents=True, exist_ok=True)
    for colours in (256, 128, 64, 32, 16):
        out = BytesIO()
        with Image.open(BytesIO(png)) as picture:
            few = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
            few.save(out, "PNG", optimize=True, pnginfo=info)
        if out.tell() <= limit:
            break
    else:
        raise ValueError(f"{file.name}: {out.tell()} bytes, {limit} at most")
    file.write_bytes(out.getvalue())
    print(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file, out.tell(), colours)


def write_pictures(browser: Browser) -> None:
    """Make the pictures whose source has changed."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = find_workspace(copy_workspace(Path(folder) / "cercle"))
        for block in a_library().blocks.values():
            file, source = block_picture(block.name), block_source(block)
            if picture_source(file) != source:
                png = shoot_block(browser, block, workspace)
                save_picture(png, file, source=source, limit=BLOCK_LIMIT)
        file, source = IMAGES / "letter.png", letter_source()
        if picture_source(file) != source:
            png = shoot_letter(browser, workspace)
            save_picture(png, file, source=source, limit=LETTER_LIMIT)
        for name, shoot, files in (
            ("apercu", shoot_preview, _sources("pipeline/web/preview")),
            ("archive", shoot_archive, _sources("pipeline/archive/templates", "issues")),
        ):
            file, source = IMAGES / f"{name}.png", _number(files)
            if picture_source(file) != source:
                save_picture(shoot(browser, workspace), file, source=source, limit=PAGE_LIMIT)
    for file in (IMAGES / "blocs").glob("*.png"):
        if file.stem not in a_library():
            file.unlink()


#: A contents list needs something to list.
_AROUND: Final = {
    "sommaire": [
        "- {block: texte, heading: ☕ La veillée cette vieille application, body: a}",
        "- {block: texte, heading: 📅 Où veille-t-on cette semaine ?, body: a}",
        "- {block: texte, heading: 🔎 Ce que nous avons lu, body: a}",
        "- {block: texte, heading: 🏃 Trois postes à pourvoir, body: a}",
    ]
}
#: Only the block is left: the mail's sections are header, title, …, rounded end, footer.
_ONLY_THE_BLOCK: Final = """() => {
  const sections = [...document.querySelectorAll("div.s")];
  const shown = sections[2];
  for (const one of sections) if (one !== shown) one.style.display = "none";
  const box = shown.getBoundingClientRect();
  return [box.top, box.height];
}"""


def shoot_block(browser: Browser, block: Block, workspace: Workspace) -> bytes:
    """Return the picture of a block's example in a mail of 640 pixels, by day."""
    folder = workspace.issues / f"exemple-{block.name}"
    folder.mkdir()
    for image in (ROOT / "blocks" / block.name).glob("*.png"):
        shutil.copy(image, folder)
    head = "number: 46\ntitle: Exemple\ndate: 2026-11-20\nsender: redaction\nblocks:\n"
    letter = "\n".join([block_yaml(block), *_AROUND.get(block.name, [])])
    (folder / "issue.yaml").write_text(f"{head}{letter}\n", encoding="utf-8")
    mail = write_mail(folder, workspace)
    page = browser.new_page(viewport={"width": 640, "height": 800}, device_scale_factor=1.5)
    page.goto(mail.as_uri())
    top, height = page.evaluate(_ONLY_THE_BLOCK)
    page.set_viewport_size({"width": 640, "height": int(top + height) + 40})
    page.evaluate("() => { document.body.style.paddingTop = '14px' }")
    png = page.screenshot(clip={"x": 0, "y": 0, "width": 640, "height": top + height + 28})
    page.close()
    shutil.rmtree(folder)
    return png


def write_mail(folder: Path, workspace: Workspace) -> Path:
    """Render the letter of ``folder`` beside it, with its pictures; return the page's file."""
    press = open_press(workspace)
    edition = render_edition(open_issue(workspace, folder, press), press)
    (folder / "images").mkdir(exist_ok=True)
    for name, data in make_pictures(edition, folder, workspace).items():
        (folder / "images" / name).write_bytes(data)
    file = folder / "email.html"
    file.write_text(viewed_html(edition, {"first_name": "Maëlle"}), encoding="utf-8")
    return file


_SHEET: Final = """
body { margin: 0; display: flex; gap: 44px; padding: 40px 48px; align-items: center;
  background: #24474c; }
figure { margin: 0; overflow: hidden; background: #191d24; box-shadow: 0 6px 20px #12272b; }
img { display: block; }
.desk { border-radius: 12px; } .desk img { width: 640px; }
.bar { display: flex; gap: 7px; padding: 11px 14px; }
.bar i { width: 11px; height: 11px; border-radius: 50%; background: #767c88; }
.phone { border-radius: 36px; padding: 10px; } .phone img { width: 330px; border-radius: 27px; }
"""


def shoot_letter(browser: Browser, workspace: Workspace) -> bytes:
    """Return the newest letter as three readers see it: a desk, a phone, a phone at night."""
    mail = write_mail(workspace.find_issue(NEWEST), workspace).as_uri()

    def seen(width: int, height: int, *, scheme: Scheme = "light", at: str = "body") -> str:
        """Photograph the mail, scrolled to the element ``at``."""
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            device_scale_factor=1.5,
        )
        page.goto(mail)
        down = page.locator(at).first.evaluate("one => one.getBoundingClientRect().top - 26")
        page.evaluate("down => window.scrollTo(0, down)", down)
        png = base64.b64encode(page.screenshot()).decode()
        page.close()
        return f'<img src="data:image/png;base64,{png}">'

    desk, article, night = (
        seen(640, 880),
        seen(360, 770, at="#veillee"),
        seen(360, 770, at="#ou-veille-t-on-cette-semaine", scheme="dark"),
    )
    figures = (
        f'<figure class="desk"><div class="bar"><i></i><i></i><i></i></div>{desk}</figure>'
        f'<figure class="phone">{article}</figure><figure class="phone">{night}</figure>'
    )
    page = browser.new_page(viewport={"width": 1524, "height": 900}, device_scale_factor=1)
    page.set_content(f"<!doctype html><style>{_SHEET}</style>{figures}")
    png = page.screenshot(full_page=True)
    page.close()
    return png


def shoot_preview(browser: Browser, workspace: Workspace) -> bytes:
    """Return the page of ``infolettre preview`` as an editor has it beside the text."""
    with subprocess.Popen(
        [COMMAND, "preview", NEWEST, "--port", "0"],
        cwd=workspace.root,
        env={**os.environ, "INFOLETTRE_LANGUAGE": "fr", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            address = next(word for word in said.split() if word.startswith("http"))
            page = browser.new_page(viewport={"width": 1240, "height": 820})
            page.goto(address)
            page.frame_locator("iframe.front").get_by_text("Bonjour").first.wait_for()
            png = page.screenshot()
            page.close()
        finally:
            process.send_signal(signal.SIGINT)
    return png


def shoot_archive(browser: Browser, workspace: Workspace) -> bytes:
    """Return the first page of the archive."""
    done = run(workspace.root, "archive", "build", "--drafts")
    assert done.code == 0, done.err
    page = browser.new_page(viewport={"width": 900, "height": 760})
    page.goto((workspace.var / "site" / "index.html").as_uri())
    png = page.screenshot()
    page.close()
    return png


def main() -> None:
    """Make the pictures whose source has changed, where Chromium is there."""
    if not (program := shutil.which("chromium")):
        print("no chromium: the pictures stay as they are")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        write_pictures(browser)
        browser.close()
