"""The pieces of the page around the letter, filled from the templates in the editor's language.

The same pieces make the first page and each refresh: the server writes them, the script only puts
them in their places, so that every sentence stands in one catalogue.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import Mistake
from pipeline.render.edition import Edition
from pipeline.render.view import viewed_subject, viewed_text
from pipeline.text.dates import day_month
from pipeline.web.preview.desk import Preview
from pipeline.web.preview.views import (
    READERS,
    VIEWS,
    Reader,
    View,
    letter_page,
    viewed_preheader,
)
from pipeline.words import catalogue, mark, mark_count, say, say_count

GMAIL_LIMIT: Final = 102 * 1024  # octets; beyond, Gmail cuts the letter and its unsubscribe link
PIECES: Final = ("bar", "strip", "mistakes")

_LABELS: Final[dict[View, str]] = {
    "phone": mark("Phone"),
    "desktop": mark("Desktop"),
    "dark": mark("Dark"),
    "images-off": mark("Images off"),
    "text": mark("Plain text"),
    "inbox": mark("Inbox"),
}
_MISTAKES: Final = mark_count("{count} mistake", "{count} mistakes")
_CHARACTERS: Final = mark_count("{count} character", "{count} characters")
_READ_LIMIT: Final = 2_000_000
_BEFORE: Final = 40  # characters of a long line that are shown before and after the place
_AFTER: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A mistake as the panel lists it; ``before`` and ``after`` are its line, cut at the column."""

    folder: str
    place: str
    what: str
    before: str
    after: str


def render_page(preview: Preview, *, view: View, reader: Reader, language: str) -> str:
    """Return the whole page, opened on ``view`` of the letter as ``reader`` gets it."""
    tabs = [(one, say(_LABELS[one], language)) for one in VIEWS]
    facts = _facts(preview, reader, language) | {
        "view": view,
        "reader": reader,
        "tabs": tabs,
        "somebody": READERS["named"]["first_name"],
        "state": state_of(preview),
        "letter": letter_key(preview),
    }
    return _environment(language).get_template("page.html").render(facts)


def render_pieces(preview: Preview, *, reader: Reader, language: str) -> dict[str, str]:
    """Return what surrounds the letter, by the id of the element that it fills."""
    made = _environment(language)
    facts = _facts(preview, reader, language)
    return {name: made.get_template(f"{name}.html").render(facts) for name in PIECES}


def render_view(preview: Preview, *, view: View, reader: Reader, language: str) -> str:
    """Return the document of one view: the letter, or a word in its place while there is none."""
    made = _environment(language)
    if preview.edition is None:
        return made.get_template("nothing.html").render(language=language)
    if view in ("text", "inbox"):
        return made.get_template(f"{view}.html").render(_facts(preview, reader, language))
    return letter_page(preview.edition, view, reader)


def page_title(preview: Preview, language: str) -> str:
    """Return the window's title: the count of mistakes first, where a narrow tab shows it."""
    title = preview.edition.title if preview.edition else say(mark("Preview"), language)
    return f"({len(preview.mistakes)}) {title}" if preview.mistakes else title


def state_of(preview: Preview) -> str:
    """Return ``good``, ``stale`` (an older letter is shown) or ``broken`` (there is none)."""
    if preview.edition is None:
        return "broken"
    return "stale" if preview.mistakes else "good"


def letter_key(preview: Preview) -> str:
    """Return what changes exactly when the letter itself does, even across two servers."""
    return preview.edition.digest[:16] if preview.edition else ""


def _facts(preview: Preview, reader: Reader, language: str) -> dict[str, Any]:
    return {
        "language": language,
        "title": page_title(preview, language),
        "edition": preview.edition,
        "is_stale": preview.is_stale,
        "faults": [_fault(one, language) for one in preview.mistakes],
        "count": say_count(*_MISTAKES, len(preview.mistakes), language),
        **(_letter_facts(preview, preview.edition, reader, language) if preview.edition else {}),
    }


def _letter_facts(
    preview: Preview, edition: Edition, reader: Reader, language: str
) -> dict[str, Any]:
    octets = len(edition.html.encode())
    subject = viewed_subject(edition, READERS[reader])
    preheader = viewed_preheader(edition, reader)
    return {
        "sender": preview.sender,
        "initial": preview.sender[:1].upper(),
        "subject": subject,
        "subject_length": say_count(*_CHARACTERS, len(subject), language),
        "preheader": preheader,
        "preheader_length": say_count(*_CHARACTERS, len(preheader), language),
        "day": day_month(edition.date, language),
        "text": viewed_text(edition, READERS[reader]),
        "kilobytes": max(1, round(octets / 1024)),
        "limit": GMAIL_LIMIT // 1024,
        "weight": min(100, round(100 * octets / GMAIL_LIMIT)),
        "is_heavy": octets > GMAIL_LIMIT,
    }


def _fault(mistake: Mistake, language: str) -> Fault:
    folder, slash, name = mistake.where().rpartition("/")
    before, after = _source_line(mistake)
    return Fault(
        folder=folder + slash,
        place=name,
        what=mistake.what(language),
        before=before,
        after=after,
    )


def _source_line(mistake: Mistake) -> tuple[str, str]:
    """Return the line at fault, cut at its column; empty where it cannot be had."""
    if not mistake.line:
        return "", ""
    try:
        with Path(mistake.path).open(encoding="utf-8", errors="replace") as file:
            line = file.read(_READ_LIMIT).split("\n")[mistake.line - 1]
    except (OSError, IndexError):  # the panel does without; the place itself is said anyway
        return "", ""
    at = max(0, mistake.column - 1)
    start = max(0, at - _BEFORE)
    before = line[start:at] if start else line[:at].lstrip()
    return ("…" if start else "") + before, line[at : at + _AFTER].rstrip()


@lru_cache(maxsize=4)
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    return made
