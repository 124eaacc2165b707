"""Reads a letter's folder: its text and the facts of its images. The edge of this room."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from pipeline.blocks.block import Library
from pipeline.errors import LetterError, Mistake
from pipeline.issues.issue import Image, Issue, make_issue
from pipeline.text.document import Document, parse_document
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, shown

#: Pillow's names of the formats that mail programs show, or that are converted to one.
FORMATS: Final = frozenset({"PNG", "JPEG", "GIF", "WEBP"})
SUFFIXES: Final = frozenset(
    ".png .jpg .jpeg .gif .webp .avif .svg .bmp .tif .tiff .heic .ico .pdf".split()
)
MAX_OCTETS: Final = 20_000_000
MAX_PIXELS: Final = 60_000_000  # 60 megapixels: beyond lie decompression bombs


def read_document(folder: Path) -> Document:
    """Return the document of ``folder``'s ``issue.yaml``; raises LetterError."""
    file = folder / ISSUE_FILE
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        message = mark("there is no issue.yaml in {folder}")
        mistake = Mistake(path=str(file), message=message, facts={"folder": str(folder)})
        raise LetterError([mistake]) from None
    except OSError as error:
        message = mark("this file cannot be read: {reason}")
        raise LetterError(
            [Mistake(path=str(file), message=message, facts={"reason": error.strerror})]
        ) from None
    return parse_document(data, path=shown(file))


def read_issue(folder: Path, *, library: Library, senders: Iterable[str]) -> Issue:
    """Return the validated letter of ``folder``; raises LetterError with every mistake."""
    document = read_document(folder)
    return make_issue(
        document,
        slug=folder.name,
        library=library,
        images={image.path: image for image in read_images(folder)},
        senders=senders,
    )


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a letter's text and images: another as soon as one was edited.

    Empty where there is no letter (any more).
    """
    try:
        digest = hashlib.sha256((folder / ISSUE_FILE).read_bytes())
    except OSError:
        return ""
    for image in read_images(folder):
        digest.update(f"\0{image.path}\0{image.digest}".encode())
    return digest.hexdigest()


def read_images(folder: Path) -> Iterator[Image]:
    """Yield the facts of every image below ``folder``, usable or with its problem."""
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            name = file.relative_to(folder).as_posix()
            if not file.resolve().is_relative_to(folder.resolve()):
                problem = mark("“{name}” is a link to outside the letter's folder: copy it here")
                yield Image(path=name, problem=problem)
                continue
            facts = file.stat()
            yield _read_image(file, name, facts.st_mtime_ns, facts.st_size)


def read_image(file: Path) -> Image:
    """Return the facts of one image that is no letter's, such as the logo; its path is absolute.

    Raises LetterError where it is missing or cannot be used.
    """
    name = str(file.resolve())
    if not file.is_file():
        message = mark("the logo {name} does not exist: correct theme.logo in infolettre.toml")
        raise LetterError([Mistake(path=name, message=message, facts={"name": file.name})])
    facts = file.stat()
    image = _read_image(file, name, facts.st_mtime_ns, facts.st_size)
    if image.problem:
        raise LetterError(
            [Mistake(path=name, message=image.problem, facts={"name": file.name, "known": "—"})]
        )
    return image


@lru_cache(maxsize=1024)
def _read_image(file: Path, name: str, changed_ns: int, octets: int) -> Image:
    """Read an image once for each time that it was saved."""
    del changed_ns
    if octets > MAX_OCTETS:
        problem = mark("“{name}” is too heavy (20 MB at most): make it smaller")
        return Image(path=name, octets=octets, problem=problem)
    if file.suffix.lower() == ".svg":
        problem = mark("“{name}” is an SVG, which mail programs do not show: save it as PNG")
        return Image(path=name, octets=octets, problem=problem)
    from PIL import Image as Pillow  # lazily: a letter without images never pays for it

    try:
        data = file.read_bytes()
        with Pillow.open(file) as picture:
            width, height = picture.size
            kind = picture.format or ""
            has_alpha = picture.has_transparency_data
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        problem = mark("“{name}” cannot be read as an image: save it again as PNG or JPEG")
        return Image(path=name, octets=octets, problem=problem)
    if kind not in FORMATS:
        problem = mark(
            "“{name}” is of a kind that mail programs do not show: save it as PNG or JPEG"
        )
        return Image(path=name, octets=octets, problem=problem)
    if width * height > MAX_PIXELS:
        problem = mark("“{name}” has too many pixels: make it smaller")
        return Image(path=name, octets=octets, problem=problem)
    return Image(
        path=name,
        digest=hashlib.sha256(data).hexdigest(),
        width=width,
        height=height,
        octets=octets,
        format=kind,
        has_alpha=has_alpha,
    )
