"""What people read, in their language: one gettext catalogue, French first, English complete.

A sentence is written in English in the code and marked with :func:`mark`; that English is its
key. ``pipeline/locale/fr`` holds the French. Nothing here knows who speaks or where it is shown.
"""

import gettext as _gettext
from functools import lru_cache
from pathlib import Path
from typing import Final

DOMAIN: Final = "infolettre"
LOCALE_DIR: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("fr", "en")


class Marked(str):
    """A sentence that the catalogue translates, also where it is a fact inside another."""

    __slots__ = ()


def mark(message: str) -> Marked:
    """Return ``message`` as it is; the catalogue's extractor finds it by this name."""
    return Marked(message)


@lru_cache(maxsize=8)
def catalogue(language: str) -> _gettext.NullTranslations:
    """Return the catalogue of a language such as ``fr`` or ``fr-CA``; English needs none."""
    return _gettext.translation(
        DOMAIN, LOCALE_DIR, languages=[language.partition("-")[0]], fallback=True
    )


def say(message: str, language: str, **facts: object) -> str:
    """Translate a marked ``message`` and put its ``facts`` in their places.

    >>> say("{count} recipients", "en", count=3)
    '3 recipients'
    """
    translate = catalogue(language).gettext
    told = {
        name: translate(fact) if isinstance(fact, Marked) else fact for name, fact in facts.items()
    }
    return translate(message).format(**told)


def say_count(one: str, many: str, count: int, language: str, **facts: object) -> str:
    """Translate a sentence that counts; ``count`` is one of its facts."""
    return catalogue(language).ngettext(one, many, count).format(count=count, **facts)


def mark_count(one: str, many: str) -> tuple[str, str]:
    """Return both forms as they are; the extractor finds them by this name."""
    return one, many
