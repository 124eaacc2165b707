import io

import pytest
from PIL import Image

from pipeline.render.edition import Picture
from pipeline.render.pictures import make_picture


def an_image(kind: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, kind, **options)
    return out.getvalue()


def a_picture(name: str, width: int) -> Picture:
    return Picture(name=name, source=name, digest="0", max_width=width)


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("JPEG", "a.jpg"), ("WEBP", "a.jpg")])
def test_a_picture_is_scaled_to_its_width(kind: str, name: str) -> None:
    made = make_picture(an_image(kind, (1200, 600)), a_picture(name, 536))
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (536, 268)
        assert picture.format == ("PNG" if name.endswith("png") else "JPEG")


def test_transparency_stays() -> None:
    source = an_image("PNG", (40, 40), "RGBA")
    with Image.open(io.BytesIO(make_picture(source, a_picture("a.png", 20)))) as picture:
        assert picture.has_transparency_data


def test_a_photograph_comes_upright_and_without_its_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "where I live"
    source = an_image("JPEG", (100, 50), exif=exif)
    made = make_picture(source, a_picture("a.jpg", 50))
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (50, 100)
        assert not picture.getexif()
    assert b"where I live" not in made


def test_a_moving_gif_stays_as_it_is() -> None:
    source = an_image("GIF", (30, 30))
    assert make_picture(source, a_picture("a.gif", 20)) == source


def test_the_same_source_gives_the_same_bytes() -> None:
    source = an_image("JPEG", (300, 200))
    first, second = (make_picture(source, a_picture("a.jpg", 100)) for _ in range(2))
    assert first == second


def test_a_drawing_with_a_palette_keeps_one() -> None:
    drawing = Image.linear_gradient("L").resize((400, 400)).convert("P")
    out = io.BytesIO()
    drawing.save(out, "PNG")
    made = make_picture(out.getvalue(), a_picture("a.png", 200))
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.mode == "P"
        assert picture.size == (200, 200)
    assert len(made) < len(out.getvalue())
