"""The Jinja environments of a library's templates: sandboxed, strict, escaped by default."""

import gettext
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from jinja2 import DictLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from pipeline.blocks.block import FRAME, Library
from pipeline.text.dates import (
    clock,
    day_month,
    long_date,
    month,
    short_date,
    time_range,
    weekday,
)
from pipeline.text.languages import language_name
from pipeline.text.wrapping import WIDTH, display_width, wrap
from pipeline.words import catalogue

PARTS = {
    "email": f"{FRAME}/parts.mjml",
    "web": f"{FRAME}/parts.html",
    "text": f"{FRAME}/parts.txt",
}


class _Environment(SandboxedEnvironment):
    """The sandbox, with a short way to the plain values that ``present`` hands in."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is SimpleNamespace and attribute in obj.__dict__:
            return obj.__dict__[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=8)
def environment(library: Library, language: str) -> SandboxedEnvironment:
    """Return the environment for ``library`` in ``language``: its filters speak that language.

    Filters: ``long_date short_date day_month weekday month clock language_name wrap columns`` and,
    for events, ``chronological``; function: ``hours(start, end)``.
    """
    made = _Environment(
        loader=DictLoader(library.templates),
        undefined=StrictUndefined,
        autoescape=lambda name: bool(name) and not str(name).endswith(".txt"),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        cache_size=-1,
        bytecode_cache=library.bytecode,
    )
    words: gettext.NullTranslations = catalogue(language)
    made.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    del made.filters["safe"]  # nothing but Markdown's own output goes in unescaped
    spoken: dict[str, Callable[..., str]] = {
        "long_date": long_date,
        "short_date": short_date,
        "day_month": day_month,
        "weekday": weekday,
        "month": month,
        "clock": clock,
        "language_name": language_name,
    }
    for name, say in spoken.items():
        made.filters[name] = _spoken(say, language)
    made.filters["wrap"] = wrap
    made.filters["columns"] = lambda text: min(display_width(text), WIDTH)
    made.filters["chronological"] = chronological
    made.globals["hours"] = lambda start, end: _hours(start, end, language)
    return made


def _spoken(say: Callable[..., str], language: str) -> Callable[[Any], str]:
    """Return a filter that says nothing for a field that the letter leaves out."""

    def said(value: Any) -> str:
        return "" if value is None else say(value, language)

    return said


def chronological(events: Iterable[Any]) -> list[Any]:
    """Return ``events`` by date, then by hour; one without an hour stands first in its day."""
    return sorted(events, key=lambda event: (event.date, (event.time or "").rjust(5, "0")))


def _hours(start: str | None, end: str | None, language: str) -> str:
    """Say from when until when, as far as the letter tells."""
    if start and end:
        return time_range(start, end, language)
    return clock(start, language) if start else ""


def block_template(library: Library, block: str, file: str, language: str) -> Template:
    """Return one template of a block, or of the frame."""
    return environment(library, language).get_template(f"{block}/{file}")


@lru_cache(maxsize=32)
def parts_of(library: Library, flavour: str, language: str) -> Any:
    """Return the macros that the frame offers to every block of one flavour."""
    return environment(library, language).get_template(PARTS[flavour]).module
