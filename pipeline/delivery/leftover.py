"""Those who have no letter yet when a sending ends, as a file that the next one can take.

Written as it is heard, so that memory does not grow with the audience; the durable engine will
keep rows instead.
"""

from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pipeline.audience.people import HEADING, Person, person_line
from pipeline.delivery.recipient import Recipient
from pipeline.errors import WorkspaceError
from pipeline.words import mark


class Leftover:
    """A new CSV file, for ``with``: there is none until somebody is left.

    Each sending has a file of its own, so that none overwrites what another left, nor what it is
    being sent to. One that was cut off leaves none: nobody knows who of those under way was served.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lines: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, recipient: Recipient) -> None:
        """Write one who has nothing yet. Raises WorkspaceError where the file cannot be written."""
        try:
            if self._lines is None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self._lines = self.file.open("x", encoding="utf-8", newline="")
                self._lines.write(HEADING)
            self._lines.write(person_line(_person(recipient)))
        except OSError as error:
            raise WorkspaceError(
                mark("{folder} cannot be written ({reason}): give yourself the right to write"),
                folder=self.file.parent,
                reason=error.strerror,
            ) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lines is None:
            return
        self._lines.close()
        if kind is not None:
            self.file.unlink(missing_ok=True)

    @property
    def path(self) -> Path | None:
        """Return the file, or None where nobody was left."""
        return self.file if self._lines is not None else None


def _person(recipient: Recipient) -> Person:
    return Person(
        address=recipient.address,
        first_name=recipient.values.get("first_name", ""),
        last_name=recipient.values.get("last_name", ""),
        segments=recipient.segments,
    )
