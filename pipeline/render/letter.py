"""One letter, one variant, three outputs: the way from an issue to its edition."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from pipeline.issues.issue import Issue, Part
from pipeline.render.compose import Press, compose
from pipeline.render.edition import Edition, Picture, picture_cid
from pipeline.render.inline import inline_css
from pipeline.render.mjml import to_html
from pipeline.render.present import Flavour, Scene
from pipeline.text.dates import long_date
from pipeline.text.merge import protect, restore
from pipeline.text.typography import typeset

_BLANK_LINES: Final = re.compile(r"\n{3,}")
_TRAILING: Final = re.compile(r"[ \t]+$", re.MULTILINE)


def render_edition(
    issue: Issue, press: Press, *, segments: frozenset[str] = frozenset()
) -> Edition:
    """Return what a reader in ``segments`` gets, frozen. Same input, same bytes.

    Raises BlockError where a block's template is at fault.
    """
    pictures: dict[str, Picture] = {}
    values = _values(issue, press)
    variant = issue.segments & segments
    mailed = [part for part in issue.parts if part.is_shown_to(variant)]
    published = [part for part in issue.parts if not part.only or part.archive]
    subject = typeset(protect(issue.subject, values), language=issue.language)
    preheader = typeset(protect(issue.preheader, values), language=issue.language)

    def flavour(name: Flavour, parts: Iterable[Part]) -> str:
        scene = Scene(
            flavour=name,
            language=issue.language,
            values=values,
            images=issue.images,
            picture_address=_picture_address(name, issue.slug, press),
            pictures=pictures,
        )
        return compose(issue, parts, press, scene, subject=subject, preheader=preheader)

    html = inline_css(to_html(flavour("email", mailed)))
    web = restore(flavour("web", published), lambda tag: tag.fallback)
    return Edition(
        slug=issue.slug,
        number=issue.number,
        date=issue.date,
        language=issue.language,
        title=typeset(issue.title, language=issue.language),
        sender=issue.sender,
        subject=subject,
        preheader=preheader,
        html=html,
        text=_tidy(flavour("text", mailed)),
        web=web,
        web_url=press.page_address(issue.slug),
        pictures=tuple(pictures[name] for name in sorted(pictures)),
        variant=variant,
    )


def _values(issue: Issue, press: Press) -> dict[str, str]:
    """Return the merge values that are the same for all readers."""
    return {
        "date": long_date(issue.date, issue.language),
        "number": str(issue.number),
        "title": issue.title,
        "online_url": press.page_address(issue.slug),
        "archive_url": press.settings.site.url,
    }


def _picture_address(flavour: Flavour, slug: str, press: Press) -> Callable[[str], str]:
    if flavour == "web":
        return lambda name: f"images/{name}"
    if press.settings.render.images == "embedded" or not press.settings.site.url:
        return lambda name: f"cid:{picture_cid(name)}"
    return lambda name: f"{press.page_address(slug)}images/{name}"


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip("\n") + "\n"
