"""The index of the archive: the newest letter first, then all the others by year.

What does not live here: the page of a letter, which is the frame's ``web.html`` around its
blocks; the style sheet, which both share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.archive.past import PastLetter
from pipeline.render.compose import Press, page_css
from pipeline.render.edition import Picture
from pipeline.render.present import Depiction, Scene
from pipeline.text.dates import day_month, long_date
from pipeline.words import catalogue

#: From so many years on the index begins with links to them.
YEARS_TO_JUMP: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page and the pictures that it shows under ``images/``."""

    html: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The letters of one year, newest first."""

    number: int
    letters: tuple[PastLetter, ...]


def index_page(letters: Iterable[PastLetter], press: Press) -> Page:
    """Return the index of ``letters`` in the site's language. All its links are relative."""
    letters = sorted(letters, key=lambda one: one.age, reverse=True)
    scene = _scene(press)
    years = list(_years(letters[1:]))
    html = (
        _environment(press.settings.site.language)
        .get_template("index.html")
        .render(
            lang=press.settings.site.language,
            site=press.settings.site,
            organisation=press.settings.organisation,
            theme=press.settings.theme,
            logo=Depiction(press.logo, scene) if press.logo else None,
            css=Markup(page_css(press)),  # noqa: S704
            newest=letters[0] if letters else None,
            years=years,
            jump=len(years) >= YEARS_TO_JUMP,
        )
    )
    return Page(html=html, pictures=tuple(scene.pictures[name] for name in sorted(scene.pictures)))


def _years(letters: Iterable[PastLetter]) -> Iterable[Year]:
    for number, group in groupby(letters, key=lambda one: one.date.year):
        yield Year(number=number, letters=tuple(group))


def _scene(press: Press) -> Scene:
    return Scene(
        flavour="web",
        language=press.settings.site.language,
        values={},
        images={},
        picture_address=lambda name: f"images/{name}",
    )


@lru_cache(maxsize=4)
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("pipeline.archive"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters["long_date"] = lambda day: long_date(day, language)
    made.filters["day_month"] = lambda day: day_month(day, language)
    return made
