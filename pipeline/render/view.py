"""An edition as a person looks at it on this machine: places filled, images beside the page."""

import html
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.render.edition import Edition, picture_cid
from pipeline.text.merge import MergeTag, restore

_NOBODY: Mapping[str, str] = MappingProxyType({})


def viewed_html(edition: Edition, values: Mapping[str, str] = _NOBODY) -> str:
    """Return the e-mail's HTML for a browser; its pictures are under ``images/``."""
    page = edition.html
    for picture in edition.pictures:
        page = page.replace(f"cid:{picture_cid(picture.name)}", f"images/{picture.name}")
    return restore(page, lambda tag: html.escape(_value(tag, values)))


def viewed_text(edition: Edition, values: Mapping[str, str] = _NOBODY) -> str:
    """Return the plain text."""
    return restore(edition.text, lambda tag: _value(tag, values))


def viewed_subject(edition: Edition, values: Mapping[str, str] = _NOBODY) -> str:
    """Return the subject line."""
    return restore(edition.subject, lambda tag: _value(tag, values))


def _value(tag: MergeTag, values: Mapping[str, str]) -> str:
    return values.get(tag.name) or tag.fallback or ("#" if tag.name.endswith("_url") else "")
