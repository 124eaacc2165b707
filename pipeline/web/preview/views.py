"""The letter as six documents: what a reader's phone, computer, dark mode, inbox… would show.

Each is a page of its own for a sandboxed frame. Only text goes in and out; who serves it, under
which policy and in which frame, is the business of ``app`` and of the page's script.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Literal, get_args

from pipeline.render.edition import Edition
from pipeline.render.view import viewed_html, viewed_subject

View = Literal["phone", "desktop", "dark", "images-off", "text", "inbox"]
VIEWS: Final[tuple[View, ...]] = get_args(View)

Reader = Literal["named", "nobody"]
#: Whose letter is shown: somebody who gave a name, or somebody of whom only the address is known.
READERS: Final[Mapping[Reader, Mapping[str, str]]] = MappingProxyType(
    {
        "named": {
            "first_name": "Camille",
            "last_name": "Martin",
            "email": "camille.martin@example.org",
        },
        "nobody": {"email": "camille.martin@example.org"},
    }
)

_STYLES: Final = re.compile(r"<style\b[^>]*>.*?</style>|(?<=\smedia=)\"[^\"]*\"", re.DOTALL)
_SCHEME: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_IMAGE: Final = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_SOURCE: Final = re.compile(r"\s(?:src|srcset|background)=(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_ANCHOR: Final = re.compile(r"<a\b([^>]*\shref=\"#)", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)

#: What mail programs draw in the place of an image that they do not load: its alt text in a box.
_IMAGES_OFF: Final = (
    "<style>img{box-sizing:border-box;overflow:hidden;border:1px solid #9aa0a6!important;"
    "background:#f1f3f4!important;color:#3c4043!important;font:14px/1.35 sans-serif!important;"
    "padding:6px 8px!important}img[alt='']{padding:0!important}</style>"
)


def letter_page(edition: Edition, view: View, reader: Reader) -> str:
    """Return the e-mail's HTML as it looks in ``view``, whatever this machine prefers itself."""
    page = viewed_html(edition, READERS[reader])
    if edition.web_url:  # linked pictures are not published yet: those of the folder stand in
        page = page.replace(f"{edition.web_url}images/", "images/")
    page = _in_scheme(page, "dark" if view == "dark" else "light")
    # Inside the letter (its table of contents) a link scrolls; all others open beside the page.
    page = _ANCHOR.sub(r'<a target="_self"\1', page)
    extra = f'<base target="_blank"><style>:root{{color-scheme:{_only(view)}!important}}</style>'
    if view == "images-off":
        page, extra = _without_images(page), extra + _IMAGES_OFF
    return _HEAD.sub(lambda head: head[0] + extra, page, count=1)


def viewed_preheader(edition: Edition, reader: Reader) -> str:
    """Return the preheader with its places filled."""
    return viewed_subject(replace(edition, subject=edition.preheader), READERS[reader])


def _only(view: View) -> str:
    return "only dark" if view == "dark" else "only light"


def _in_scheme(page: str, scheme: Literal["dark", "light"]) -> str:
    """Decide each ``prefers-color-scheme`` here: a script cannot force it inside a frame.

    A feature that is always true, or never, takes its place, so that queries which ask for more
    (``screen and …``) go on working.
    """

    def decided(match: re.Match[str]) -> str:
        return "(min-width:0px)" if match[1].lower() == scheme else "(max-width:0px)"

    return _STYLES.sub(lambda style: _SCHEME.sub(decided, style[0]), page)


def _without_images(page: str) -> str:
    """Return the page with images that load nothing and show their alt text."""
    return _IMAGE.sub(lambda image: _SOURCE.sub("", image[0]), page)
