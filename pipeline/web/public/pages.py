"""The pages as people read them: templates filled, in their language, in the letter's colours.

Values in, text out. No script, no cookie, nothing from another host: the policy allows the one
style sheet in the page, by its digest, and forms that come back here.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipeline.audience.optin import Request
from pipeline.settings import Settings, Theme
from pipeline.text.dates import long_date
from pipeline.text.wrapping import wrap
from pipeline.words import LANGUAGES, catalogue, mark, mark_count, say, say_count

#: What is agreed to where the settings have no text of their own.
WORDING: Final = mark(
    "I agree to receive {name} by e-mail. I can leave at any time, by the link at the end of each"
    " letter."
)
_LIFE: Final = mark_count(
    "A link that confirms works for {count} day.", "A link that confirms works for {count} days."
)
_QUALITY: Final = re.compile(
    r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page and what it is answered with."""

    html: str
    status: int = 200


def choose_language(accepted: str, site: str) -> str:
    """Return the language of a page: the first that the browser wants and we speak (RFC 9110
    §12.5.4), else the site's, else French.

    >>> choose_language("de, en-GB;q=0.8, fr;q=0.5", "fr")
    'en'
    """
    own = site.partition("-")[0]
    wanted: list[tuple[float, int, str]] = []
    for part in accepted[:500].split(","):
        if (found := _QUALITY.fullmatch(part)) and found[1].lower() in LANGUAGES:
            wanted.append((-_quality(found[2]), len(wanted), found[1].lower()))
    best = min((one for one in wanted if one[0] < 0), default=(0, 0, own))[2]
    return best if best in LANGUAGES else LANGUAGES[0]


def _quality(text: str | None) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def wording_of(settings: Settings, language: str) -> str:
    """Return the exact text above the form's button, which the log keeps as well."""
    return settings.subscription.wording or say(WORDING, language, name=settings.site.name)


def request_of(fields: Mapping[str, str], settings: Settings, language: str) -> Request:
    """Return what a form asks for, with the text that it showed."""
    return Request(
        address=fields.get("email", ""),
        first_name=fields.get("first_name", ""),
        language=language,
        wording=wording_of(settings, language),
        wording_version=settings.subscription.wording_version,
        source="form",
    )


def digest_of(wording: str) -> str:
    """Return by what a form says which text it showed."""
    return hashlib.sha256(wording.encode()).hexdigest()[:16]


def mask_address(address: str) -> str:
    """Return an address that its owner knows again and nobody else learns.

    >>> mask_address("marie@example.org")
    'm…@example.org'
    """
    local, _, domain = address.partition("@")
    return f"{local[:1]}…@{domain}"


def fill_page(
    name: str, *, settings: Settings, language: str, status: int = 200, **facts: Any
) -> Page:
    """Return the page of a template of this room."""
    return Page(html=fill(f"{name}.html", settings=settings, language=language, **facts),
                status=status)  # fmt: skip


def fill(name: str, *, settings: Settings, language: str, **facts: Any) -> str:
    """Return a template of this room, filled; it knows the site and the organisation."""
    around = {
        "lang": language,
        "site": settings.site,
        "organisation": settings.organisation,
        "theme": settings.theme,
        "css": Markup(page_style(settings.theme)),  # noqa: S704 - ours, the settings' part is checked
        "mask": mask_address,
        "life": say_count(*_LIFE, settings.subscription.confirm_days, language),
        "day": lambda moment: _day(moment, settings),
    }
    return _environment(language).get_template(name).render(around | facts)


@lru_cache(maxsize=4)
def page_style(theme: Theme) -> str:
    """Return the style sheet: the theme as custom properties, then the rules."""
    light, dark = (
        "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in asdict(palette).items())
        for palette in (theme.light, theme.dark)
    )
    fonts = f"--font-body:{theme.font_body};--font-heading:{theme.font_heading};"
    return (
        f":root{{color-scheme:light dark;--radius:{theme.radius}px;{fonts}{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        + _environment(LANGUAGES[0]).get_template("public.css").render()
    )


def page_policy(theme: Theme) -> str:
    """Return the Content-Security-Policy of every page."""
    digest = base64.b64encode(hashlib.sha256(page_style(theme).encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )


def _day(moment: datetime, settings: Settings) -> date:
    """Return the day of a moment where the site is; UTC where its time zone is unknown."""
    try:
        return moment.astimezone(ZoneInfo(settings.site.timezone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return moment.date()


@lru_cache(maxsize=4)
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("pipeline.web.public"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters["long_date"] = lambda day: long_date(day, language)
    made.filters["wrap"] = wrap
    return made
