"""What the letters of ``issues/`` link to, kept in the database, so that nothing is cited twice.

A letter is read again only when its file has another stamp (time of change and size). Which cards
are cited is asked by ``rows.py`` and ``matching.py``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select

from pipeline.errors import LetterError
from pipeline.issues.folder import read_document
from pipeline.store.engine import reading, writing
from pipeline.store.entries import citation, cited_letter
from pipeline.store.rowsets import insert_new
from pipeline.veille.keep import linked_pages, page_keys
from pipeline.veille.links import web_url
from pipeline.veille.plain import tidy
from pipeline.workspace import ISSUE_FILE, Workspace

_BATCH: Final = 50  # letters a transaction
_TITLE: Final = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """What was read of a letter; ``titles`` (by the page's key) is None for one with mistakes."""

    slug: str
    stamp: str
    number: str = ""
    titles: Mapping[str, str] | None = field(default=None)


def refresh_citations(engine: Engine, workspace: Workspace) -> int:
    """Read the letters whose file changed, forget those that are gone; return how many were read.

    One with mistakes is passed over until it changes: what it cited before stays.
    """
    stamps = dict(_stamps(workspace.issues))
    with reading(engine) as connection:
        known = {row.slug: row.stamp for row in connection.execute(select(cited_letter))}
    changed = sorted(slug for slug, stamp in stamps.items() if known.get(slug) != stamp)
    for start in range(0, len(changed), _BATCH):
        some = changed[start : start + _BATCH]
        letters = [_read(workspace.issues / slug, stamps[slug]) for slug in some]
        with writing(engine) as connection:
            for one in letters:
                _write(connection, one)
    if gone := known.keys() - stamps.keys():
        with writing(engine) as connection:
            connection.execute(delete(cited_letter).where(cited_letter.c.slug.in_(sorted(gone))))
    return len(changed)


def _stamps(issues: Path) -> Iterator[tuple[str, str]]:
    for file in issues.glob(f"*/{ISSUE_FILE}"):
        try:
            facts = file.stat()
        except OSError:  # it went away just now
            continue
        yield file.parent.name, f"{facts.st_mtime_ns}:{facts.st_size}"


def _read(folder: Path, stamp: str) -> _Letter:
    try:
        values = read_document(folder).values
    except LetterError:
        return _Letter(slug=folder.name, stamp=stamp)
    titles: dict[str, str] = {}
    for title, url in linked_pages(values):
        if found := web_url(url):
            for key in page_keys(found):
                titles.setdefault(key, tidy(title, limit=_TITLE))
    number = values.get("number") if isinstance(values, dict) else None
    return _Letter(
        slug=folder.name, stamp=stamp, number=tidy(str(number or ""), limit=40), titles=titles
    )


def _write(connection: Connection, letter: _Letter) -> None:
    """Write a letter's citations in the place of its old ones; its row is the lock for both."""
    told = {"stamp": letter.stamp, "number": letter.number}
    if letter.titles is None:
        del told["number"]
    new = insert_new(connection, cited_letter).values(
        slug=letter.slug, stamp=letter.stamp, number=letter.number
    )
    connection.execute(new.on_conflict_do_update(index_elements=["slug"], set_=told))
    if letter.titles is None:
        return
    connection.execute(delete(citation).where(citation.c.slug == letter.slug))
    rows = [
        {"slug": letter.slug, "canonical_url": key, "title": title}
        for key, title in letter.titles.items()
    ]
    if rows:
        connection.execute(insert(citation), rows)
