"""The catalogue's tool: finds the sentences in code and templates, updates and compiles the French.

``make words`` runs it; ``test_words.py`` holds the catalogue against the same extraction.
"""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
PO_FILE = ROOT / "pipeline/locale/fr/LC_MESSAGES/infolettre.po"
MO_FILE = PO_FILE.with_suffix(".mo")

_KEYWORDS: dict[str, Any] = {
    "mark": None,
    "tell": None,
    "mark_count": (1, 2),
    "tell_count": (1, 2),
}
_PYTHON = [("**.py", "python")]
_TEMPLATES = [
    ("**.html", "jinja2.ext:babel_extract"),
    ("**.mjml", "jinja2.ext:babel_extract"),
    ("**.txt", "jinja2.ext:babel_extract"),
    ("**.xml", "jinja2.ext:babel_extract"),
]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false", "newstyle": "true"}


def extract() -> Catalog:
    """Return every sentence of the house, in a steady order."""
    found = Catalog(project="infolettre", charset="utf-8")
    places: list[tuple[str, list[tuple[str, str]], dict[str, Any]]] = [
        ("pipeline", _PYTHON, _KEYWORDS),
        ("pipeline", _TEMPLATES, {"_": None}),
        ("blocks", _TEMPLATES, {"_": None}),
    ]
    for folder, methods, keywords in places:
        options = {pattern: _JINJA for pattern, _ in methods} if methods is _TEMPLATES else {}
        for name, _line, message, _comments, _context in extract_from_dir(
            str(ROOT / folder), methods, options, keywords=keywords
        ):
            if "shipped/" not in name:
                found.add(message)
    return found


def read_catalogue() -> Catalog:
    """Return the French catalogue as it is committed."""
    with PO_FILE.open("rb") as file:
        return read_po(file, locale="fr", charset="utf-8")


def compiled(catalogue: Catalog) -> bytes:
    """Return the bytes of the ``.mo`` file of ``catalogue``: the same whenever it is made."""
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def written(catalogue: Catalog) -> bytes:
    """Return the bytes of the ``.po`` file: sorted, without places and dates, for quiet diffs."""
    out = io.BytesIO()
    write_po(
        out, catalogue, omit_header=True, sort_output=True, no_location=True, ignore_obsolete=True
    )
    header = b'msgid ""\nmsgstr ""\n"Language: fr\\n"\n' + (
        b'"Content-Type: text/plain; charset=utf-8\\n"\n'
        b'"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
    )
    return header + out.getvalue()


def update() -> Catalog:
    """Bring the catalogue up to date: new sentences empty, gone ones dropped. Writes both files."""
    catalogue = read_catalogue() if PO_FILE.exists() else Catalog(locale="fr", charset="utf-8")
    catalogue.update(extract(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    PO_FILE.write_bytes(written(catalogue))
    MO_FILE.write_bytes(compiled(read_catalogue()))
    return catalogue


if __name__ == "__main__":
    missing = [message.id for message in update() if message.id and not message.string]
    print(f"{PO_FILE.relative_to(ROOT)}: {len(missing)} without a translation")
    for sentence in missing:
        print("  ", sentence)
