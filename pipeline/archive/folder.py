"""The folder that the archive is written into: only what changed, and never what is not ours.

An edge: it touches the disk. What does not live here: what the files hold.
"""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.archive.manifest import NAME, Manifest, Remembered, read_manifest, write_manifest
from pipeline.errors import Mistake, WorkspaceError
from pipeline.words import mark


class ArchiveFolder:
    """Writes files one by one, each whole or not at all, and remembers which it wrote.

    As a context it records what it wrote even when the build breaks off, so that the next build
    knows its own files again. Every method raises WorkspaceError where the disk refuses.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = read_manifest(self._read(NAME) or b"{}")
        self._paths = self.before.files_by_letter()
        self.files: dict[str, str] = {}
        self.letters: dict[str, Remembered] = {}
        self.written: list[str] = []
        self.removed: list[str] = []
        self.notices: list[Mistake] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self.files:
            files = {**self.before.files, **self.files}
            letters = {**self.before.letters, **self.letters}
            self._replace(NAME, write_manifest(Manifest(files=files, letters=letters)))

    def files_of(self, slug: str) -> list[str]:
        """Return the paths of the files that the last build wrote for a letter."""
        return self._paths.get(slug, [])

    def holds(self, path: str) -> bool:
        """Say whether ``path`` is ours and still as we wrote it."""
        known = self.before.files.get(path)
        return known is not None and known == self._digest(path)

    def keep(self, path: str) -> None:
        """Leave our file of the last build in the archive."""
        if path in self.before.files:
            self.files[path] = self.before.files[path]

    def read(self, path: str) -> bytes:
        """Return a file of the archive, or nothing where there is none."""
        return self._read(path) or b""

    def write(self, path: str, data: bytes) -> None:
        """Put a file into the archive. One that has these bytes already is not touched.

        Raises WorkspaceError where another file stands there that we did not write.
        """
        digest = hashlib.sha256(data).hexdigest()
        if self._digest(path) != digest:
            if path not in self.before.files and os.path.lexists(self.root / path):
                raise WorkspaceError(
                    mark(
                        "{file} was not written by “archive build”: move it away,"
                        " or choose another folder with --out"
                    ),
                    file=self.root / path,
                )
            self._replace(path, data)
            self.written.append(path)
        self.files[path] = digest

    def finish(self) -> None:
        """Remove what the last build wrote and this one did not, and remember the rest."""
        for path in sorted(self.before.files.keys() - self.files.keys()):
            self._remove(path)
        data = write_manifest(Manifest(files=self.files, letters=self.letters))
        if data != self._read(NAME):
            self._replace(NAME, data)

    def _remove(self, path: str) -> None:
        file = self.root / path
        if not os.path.lexists(file):
            return
        if not self.holds(path):
            message = mark("{file} is not of the archive any more, but was changed: remove it")
            facts: dict[str, object] = {"file": file}
            self.notices.append(Mistake(path=str(file), message=message, facts=facts))
            return
        try:
            file.unlink()
            for folder in file.relative_to(self.root).parents:
                if folder == Path() or any((self.root / folder).iterdir()):
                    break
                (self.root / folder).rmdir()
        except OSError as error:
            raise self._refused(error) from None
        self.removed.append(path)

    def _replace(self, path: str, data: bytes) -> None:
        file = self.root / path
        new = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.write_bytes(data)
                new.replace(file)  # atomic: a reader sees the old file or the new one
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from None

    def _read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused(error) from None

    def _digest(self, path: str) -> str:
        data = self._read(path)
        return "" if data is None else hashlib.sha256(data).hexdigest()

    def _refused(self, error: OSError) -> WorkspaceError:
        return WorkspaceError(
            mark(
                "the archive cannot be written into {folder} ({reason}):"
                " give yourself the right to write there, or choose another folder with --out"
            ),
            folder=self.root,
            reason=error.strerror or error,
        )
