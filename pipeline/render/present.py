"""How a field's plain value appears in one flavour: what a template finds under its name.

Markdown comes as HTML or as wrapped text, a date as a ``date``, an image as something that can be
shown at a width. A field that the letter leaves out is ``None``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any, Final, Literal

from markupsafe import Markup

from pipeline.issues.issue import Image
from pipeline.render.edition import Picture
from pipeline.text.markdown import LinkList, to_html, to_inline_html, to_text
from pipeline.text.merge import protect
from pipeline.text.typography import typeset

Flavour = Literal["email", "web", "text"]

#: Pillow's format to the suffix under which it is published; WebP becomes what Outlook shows.
_SUFFIX: Final = {"JPEG": "jpg", "GIF": "gif", "PNG": "png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An image as a template shows it; sizes are in CSS pixels."""

    src: str
    width: int
    height: int


@dataclass(slots=True, kw_only=True)
class Scene:
    """What one rendering in one flavour knows, and the pictures and links it has met so far."""

    flavour: Flavour
    language: str
    values: Mapping[str, str]
    images: Mapping[str, Image]
    picture_address: Callable[[str], str]
    pictures: dict[str, Picture] = field(default_factory=dict)
    links: LinkList = field(default_factory=LinkList)

    def line(self, text: str) -> str:
        """Return one line of plain text: typeset, its merge tags resolved or tokens."""
        return typeset(protect(text, self.values), language=self.language)

    def address(self, url: str) -> str:
        """Return an address, its merge tags resolved or tokens."""
        return protect(url.strip(), self.values)

    def markdown(self, source: str, *, inline: bool = False) -> "str | Later":
        """Return CommonMark in this flavour: HTML that may be inserted as it is, or text."""
        safe = protect(source, self.values, markdown=True)
        if self.flavour == "text":
            return Later(lambda: to_text(safe, language=self.language, links=self.links))
        render = to_inline_html if inline else to_html
        return Markup(render(safe, language=self.language, flavour=self.flavour))  # noqa: S704

    def picture(self, image: Image, width: int) -> Shown:
        """Note that ``image`` is shown ``width`` pixels wide at most, and return how."""
        shown = min(width, image.width)
        pixels = min(2 * width, image.width)
        name = f"{image.digest[:16]}-{pixels}.{_suffix(image)}"
        self.pictures[name] = Picture(
            name=name, source=image.path, digest=image.digest, max_width=pixels
        )
        return Shown(
            src=self.picture_address(name),
            width=shown,
            height=max(1, round(image.height * shown / image.width)),
        )


class Later:
    """Text that is made where its template says it, so that its links are numbered in order."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make().strip("\n")


class Depiction:
    """An image field: ``{{ image.at(536).src }}``."""

    def __init__(self, image: Image, scene: Scene) -> None:
        self._image = image
        self._scene = scene

    def at(self, width: int) -> Shown:
        """Return the image shown ``width`` CSS pixels wide at most."""
        return self._scene.picture(self._image, width)


def _suffix(image: Image) -> str:
    return _SUFFIX.get(image.format, "png" if image.has_alpha else "jpg")


def present(value: Any, schema: Mapping[str, Any], scene: Scene) -> Any:
    """Return ``value`` as a template of ``scene``'s flavour shall find it."""
    if isinstance(value, str):
        return _text(value, schema.get("format", ""), scene)
    if isinstance(value, list):
        inner = schema.get("items", {})
        return [present(one, inner, scene) for one in value]
    if isinstance(value, dict):
        return SimpleNamespace(**present_fields(value, schema.get("properties", {}), scene))
    return value


def present_fields(
    values: Mapping[str, Any], properties: Mapping[str, Any], scene: Scene
) -> dict[str, Any]:
    """Return every field that ``properties`` knows, ``None`` where ``values`` has none."""
    return {
        name: present(values[name], schema, scene) if name in values else None
        for name, schema in properties.items()
    }


def _text(text: str, kind: str, scene: Scene) -> Any:
    if kind == "markdown":
        return scene.markdown(text)
    if kind == "markdown-line":
        return scene.markdown(text, inline=True)
    if kind == "date":
        return date.fromisoformat(text.strip())
    if kind == "image":
        return Depiction(scene.images[text], scene)
    if kind == "uri":
        return scene.address(text)
    if kind in ("email", "time", "language"):
        return text.strip()
    return scene.line(text)
