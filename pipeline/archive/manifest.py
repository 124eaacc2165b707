"""What a build remembers for the next one: the files that are ours, and what each letter was.

It stands in the archive as ``.infolettre.json``. What does not live here: the files themselves.
"""

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from pipeline.archive.past import PastLetter

NAME: Final = ".infolettre.json"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A letter as it was last published; ``fingerprint`` is that of all it was made from."""

    letter: PastLetter
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The SHA-256 of each file we wrote, by its path below the archive, and the letters by slug."""

    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    letters: Mapping[str, Remembered] = field(default_factory=lambda: MappingProxyType({}))

    def files_by_letter(self) -> dict[str, list[str]]:
        """Return the paths of each letter's files by its slug."""
        found: dict[str, list[str]] = {slug: [] for slug in self.letters}
        for path in self.files:
            slug, slash, _ = path.partition("/")
            if slash and slug in found:
                found[slug].append(path)
        return found


def write_manifest(manifest: Manifest) -> bytes:
    """Return ``manifest`` as JSON; the same manifest, the same bytes."""
    letters = {
        slug: {"fingerprint": one.fingerprint, **asdict(one.letter)}
        for slug, one in manifest.letters.items()
    }
    facts = {"version": _VERSION, "files": dict(manifest.files), "letters": letters}
    text = json.dumps(facts, default=str, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n".encode()


def read_manifest(data: bytes) -> Manifest:
    """Return what a build remembered; nothing where that is damaged or of another version.

    A path that leads out of the archive is not ours, whoever wrote it there.
    """
    try:
        facts = json.loads(data)
        if facts["version"] != _VERSION:
            return Manifest()
        return Manifest(
            files={path: str(sha) for path, sha in facts["files"].items() if _is_inside(path)},
            letters={slug: _remembered(one) for slug, one in facts["letters"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Manifest()


def _remembered(facts: dict[str, Any]) -> Remembered:
    fingerprint = str(facts.pop("fingerprint"))
    day = datetime.date.fromisoformat(facts.pop("date"))
    return Remembered(letter=PastLetter(date=day, **facts), fingerprint=fingerprint)


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\\" not in path
