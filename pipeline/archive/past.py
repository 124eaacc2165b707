"""A letter as the archive lists it, and the names by which the world knows it.

What does not live here: the letter's own page, which the room of rendering makes.
"""

import datetime
import uuid
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from pipeline.issues.issue import Issue
from pipeline.render.edition import Edition
from pipeline.settings import Settings
from pipeline.text.dates import long_date
from pipeline.text.merge import protect, restore
from pipeline.text.typography import typeset


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLetter:
    """One line of the index; its texts are plain, typeset, without merge tags."""

    slug: str
    number: int
    title: str
    subtitle: str
    summary: str
    date: datetime.date
    language: str

    @property
    def href(self) -> str:
        """Return the link from the index to the page; the file's name makes it work on a disk."""
        return f"{quote(self.slug)}/index.html"

    @property
    def age(self) -> tuple[datetime.date, int, str]:
        """Return what letters are sorted by: the newest has the greatest."""
        return self.date, self.number, self.slug

    def address(self, site_url: str) -> str:
        """Return the page's absolute address below ``site_url``, which has one."""
        return f"{site_url.rstrip('/')}/{quote(self.slug)}/"


def past_letter(issue: Issue, edition: Edition) -> PastLetter:
    """Return what the archive says of ``issue``, rendered as ``edition``."""
    return PastLetter(
        slug=issue.slug,
        number=issue.number,
        title=plain(issue.title, issue),
        subtitle=plain(issue.subtitle, issue),
        summary=restore(edition.preheader, lambda tag: tag.fallback),
        date=issue.date,
        language=issue.language,
    )


def plain(text: str, issue: Issue) -> str:
    """Return one of the letter's texts as its page shows it; a reader's own tag is its fallback."""
    values = {"number": str(issue.number), "date": long_date(issue.date, issue.language)}
    safe = typeset(protect(text, values), language=issue.language)
    return restore(safe, lambda tag: tag.fallback)


def stable_id(settings: Settings, *names: str) -> uuid.UUID:
    """Return the id of what ``names`` lead to, the same for ever (RFC 4287 §4.2.6).

    It hangs on the list's id, which survives a move of the site (RFC 2919), else on the site's
    host, else on its name.
    """
    host = urlsplit(settings.site.url).hostname or ""
    root = settings.delivery.list_id or host or settings.site.name
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join((root, *names)))
