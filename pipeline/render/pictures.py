"""The bytes of an edition's pictures: scaled, stripped of metadata, the same each time."""

import io
from typing import TYPE_CHECKING, Final

from pipeline.render.edition import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

#: Raise it whenever the same source shall give other bytes: what was kept is then made anew.
RECIPE: Final = 2
_JPEG_QUALITY: Final = 84


def make_picture(data: bytes, picture: Picture) -> bytes:
    """Return the file that is published as ``picture.name``, from its source's ``data``.

    At most ``picture.max_width`` pixels wide, upright, without EXIF or colour profile. A GIF stays
    as it is, for its movement. Raises OSError or ValueError where Pillow cannot read ``data``.
    """
    from PIL import Image, ImageOps  # lazily: validating a letter needs no pixels

    if picture.name.endswith(".gif"):
        return data
    with Image.open(io.BytesIO(data)) as source:
        upright = ImageOps.exif_transpose(source)
        height = max(1, round(upright.height * picture.max_width / upright.width))
        size = (picture.max_width, height)
        kind = "JPEG" if picture.name.endswith(".jpg") else "PNG"
        if kind == "JPEG":
            small = upright.convert("RGB")
        elif upright.mode == "P" and size != upright.size:
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        else:
            small = upright
        if size != small.size:
            small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if kind == "PNG" and upright.mode == "P" and small.mode != "P":
            # a drawing saved with a palette would weigh four times as much without one
            small = small.quantize(256, method=Image.Quantize.FASTOCTREE)
        return _written(small, kind)


def _written(image: "Image", kind: str) -> bytes:
    clean = image.copy()
    clean.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    out = io.BytesIO()
    if kind == "JPEG":
        clean.save(out, kind, quality=_JPEG_QUALITY, optimize=True, progressive=True)
    else:
        clean.save(out, kind, optimize=True)
    return out.getvalue()
