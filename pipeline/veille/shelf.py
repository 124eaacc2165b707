"""Where entries are kept: one small JSON file in the workspace's ``var``, until a database does.

The rest of the room knows :class:`Shelf` (two dictionaries) and never the file. The file is
written whole and put in place at once, so a stopped program leaves the old one.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pipeline.errors import WorkspaceError
from pipeline.veille.files import write_whole
from pipeline.veille.item import Entry
from pipeline.words import mark

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What is remembered of a feed between two pulls; ``sha256`` is that of its last good body.

    ``failing_since`` and ``last_error`` (English) are empty while it works; before
    ``not_before`` the server does not want to be asked again.
    """

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    checked_at: datetime | None = None
    last_error: str = ""
    failing_since: datetime | None = None
    not_before: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Shelf:
    """The entries by id, and the feeds' states by address."""

    entries: dict[str, Entry] = field(default_factory=dict)
    feeds: dict[str, FeedState] = field(default_factory=dict)


class ShelfFile:
    """The shelf's file; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Shelf:
        """Return the shelf; raises WorkspaceError where the file is damaged, with the way out."""
        try:
            found = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return Shelf()
        except (OSError, ValueError):
            raise self._damaged() from None
        if not isinstance(found, dict) or found.get("version") != _VERSION:
            raise self._damaged()
        try:
            return Shelf(
                entries={one["id"]: _entry(one) for one in found["entries"]},
                feeds={
                    url: FeedState(**_moments(FeedState, one))
                    for url, one in found["feeds"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged() from None

    def save(self, shelf: Shelf) -> None:
        """Write the shelf; raises WorkspaceError where the folder cannot be written."""
        found = {
            "version": _VERSION,
            "feeds": {url: _filled(state) for url, state in sorted(shelf.feeds.items())},
            "entries": [_filled(entry) for entry in shelf.entries.values()],
        }
        text = json.dumps(found, ensure_ascii=False, indent=0, default=datetime.isoformat)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, text.encode())
        except OSError as error:
            message = mark("{file} cannot be written ({reason}): check the folder's rights")
            raise WorkspaceError(message, file=self.path, reason=error.strerror) from None

    def _damaged(self) -> WorkspaceError:
        message = mark(
            "{file} cannot be read (damaged, or written by another version): move it away,"
            " and the next pull begins a new one"
        )
        return WorkspaceError(message, file=self.path)


def _filled(value: Entry | FeedState) -> dict[str, Any]:
    return {name: one for name, one in asdict(value).items() if one not in ("", None, ())}


def _entry(found: dict[str, Any]) -> Entry:
    values = _moments(Entry, found)
    values["authors"] = tuple(values.get("authors", ()))
    return Entry(**values)


def _moments(kind: type[Entry] | type[FeedState], found: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ``kind``, times read; what a later version added is left out."""
    known = {one.name for one in fields(kind)}
    return {
        name: datetime.fromisoformat(value)
        if name.endswith("_at") or name in ("failing_since", "not_before")
        else value
        for name, value in found.items()
        if name in known
    }
