"""One letter, one variant, three outputs: the way from an issue to its edition."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

_BLANK_LINES: Final = re.compile(r"\n{4,}")


def render_edition(
    issue: Issue, press: Press, *, segments: frozenset[str] = frozenset()
) -> Edition:
    """Return what a reader in ``segments`` gets, frozen. Same input, same bytes.

    Raises BlockError where a block's template is at fault.
    """
    variant = issue.segments & segments
    setting = _Setting.of(issue, press, variant)
    html = inline_css(to_html(setting.compose("email")))
    text = _tidy(setting.compose("text"))
    web = restore(setting.compose("web"), lambda tag: tag.fallback)
    return Edition(
        slug=issue.slug,
        number=issue.number,
        date=issue.date,
        language=issue.language,
        title=typeset(protect(issue.title, setting.values), language=issue.language),
        sender=issue.sender,
        subject=setting.subject,
        preheader=setting.preheader,
        html=html,
        text=text,
        web=web,
        web_url=press.page_address(issue.slug),
        pictures=tuple(setting.pictures[name] for name in sorted(setting.pictures)),
        variant=variant,
    )


def make_mjml(issue: Issue, press: Press) -> str:
    """Return the MJML of the e-mail for a reader in no segment."""
    return _Setting.of(issue, press, frozenset()).compose("email")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What the three flavours of one variant share; ``pictures`` fills as they are composed."""

    issue: Issue
    press: Press
    variant: frozenset[str]
    values: Mapping[str, str]
    subject: str
    preheader: str
    pictures: dict[str, Picture]

    @classmethod
    def of(cls, issue: Issue, press: Press, variant: frozenset[str]) -> "_Setting":
        values = _values(issue, press)
        subject, preheader = (
            typeset(protect(text, values), language=issue.language)
            for text in (issue.subject, issue.preheader)
        )
        return cls(
            issue=issue,
            press=press,
            variant=variant,
            values=values,
            subject=subject,
            preheader=preheader,
            pictures={},
        )

    def parts(self, flavour: Flavour) -> list[Part]:
        """Return the blocks to show: the archive has none that are reserved, unless told so."""
        if flavour == "web":
            return [part for part in self.issue.parts if not part.only or part.archive]
        return [part for part in self.issue.parts if part.is_shown_to(self.variant)]

    def compose(self, flavour: Flavour) -> str:
        scene = Scene(
            flavour=flavour,
            language=self.issue.language,
            values=self.values,
            images=self.issue.images,
            picture_address=_picture_address(flavour, self.issue.slug, self.press),
            pictures=self.pictures,
        )
        return compose(
            self.issue,
            self.parts(flavour),
            self.press,
            scene,
            subject=self.subject,
            preheader=self.preheader,
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
    """Return ``text`` without spaces at the ends of lines, two blank lines in a row at most."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n\n", lines).strip("\n") + "\n"
