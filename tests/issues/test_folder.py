import io
from pathlib import Path

import pytest
from PIL import Image as Pillow

from pipeline.errors import LetterError
from pipeline.issues.folder import read_image, read_images, read_issue
from tests.builders import a_library

LETTER = """\
number: 1
title: A
date: 2026-11-20
sender: redaction
blocks:
- {block: image, image: NAME, image_alt: a}
"""


def a_png(size: tuple[int, int] = (30, 20)) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", size).save(out, "PNG")
    return out.getvalue()


def letter(folder: Path, name: str) -> Path:
    (folder / "issue.yaml").write_text(LETTER.replace("NAME", name), encoding="utf-8")
    return folder


def mistakes_of(folder: Path) -> str:
    with pytest.raises(LetterError) as caught:
        read_issue(folder, library=a_library(), senders=["redaction"])
    return caught.value.say("en")


def test_an_image_brings_its_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "sous").mkdir()
    (tmp_path / "sous" / "a.png").write_bytes(a_png())
    (image,) = read_images(tmp_path)
    assert (image.path, image.width, image.height, image.format) == ("sous/a.png", 30, 20, "PNG")
    assert len(image.digest) == 64
    folder = letter(tmp_path, "sous/a.png")
    assert read_issue(folder, library=a_library(), senders=["redaction"]).images


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.svg", b"<svg/>", "is an SVG, which mail programs do not show"),
        ("a.png", b"not an image", "cannot be read as an image"),
        ("a.png", a_png()[:40], "cannot be read as an image"),
        ("a.jpg", b"", "cannot be read as an image"),
        ("a.bmp", None, "is of a kind that mail programs do not show"),
        ("a.png", b"\x89PNG" + b"0" * 20_000_001, "is too heavy"),
    ],
)
def test_an_image_that_cannot_be_used_is_told_at_its_line(
    tmp_path: Path, name: str, data: bytes | None, expected: str
) -> None:
    if data is None:
        out = io.BytesIO()
        Pillow.new("RGB", (3, 3)).save(out, "BMP")
        data = out.getvalue()
    (tmp_path / name).write_bytes(data)
    assert f"issue.yaml:6:25: “{name}” {expected}" in mistakes_of(letter(tmp_path, name))


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside, inside = tmp_path / "secret.png", tmp_path / "letter"
    outside.write_bytes(a_png())
    inside.mkdir()
    (inside / "a.png").symlink_to(outside)
    assert "is a link to outside the letter's folder" in mistakes_of(letter(inside, "a.png"))


def test_a_folder_without_a_letter_says_so(tmp_path: Path) -> None:
    assert "there is no issue.yaml" in mistakes_of(tmp_path)


def test_an_image_saved_again_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(a_png())
    (first,) = read_images(tmp_path)
    file.write_bytes(a_png((40, 50)))
    (second,) = read_images(tmp_path)
    assert (first.width, second.width) == (30, 40)


def test_a_logo_that_is_missing_says_which_setting_to_correct(tmp_path: Path) -> None:
    with pytest.raises(LetterError, match=r"theme\.logo"):
        read_image(tmp_path / "logo.png")
