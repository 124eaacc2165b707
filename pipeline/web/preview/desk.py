"""The desk: the last good edition of one letter, and what is wrong with its files now.

The caller hands in a :class:`Workshop`, which knows files, blocks and settings. How the letter is
shown, and who is told that it changed, is no concern of this module.
"""

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from pipeline.errors import InfolettreError, Mistake, MistakesError
from pipeline.render.edition import Edition
from pipeline.words import mark

_log = logging.getLogger(__name__)

#: A file that is being saved may be missing for a moment: one second look, this much later.
SECOND_LOOK_S: Final = 0.04


class Workshop(Protocol):
    """What the preview needs to know about one letter; supplied by who starts it."""

    @property
    def watched(self) -> tuple[Path, ...]:
        """Files and folders whose saving makes the letter look different.

        They need not exist yet; those below a folder are watched as well.
        """

    def render(self) -> Edition:
        """Return the letter as its files are now; raises InfolettreError."""

    def sender_name(self, profile: str) -> str:
        """Return the name that a sender's profile shows in an inbox."""

    def picture(self, name: str) -> bytes:
        """Return the bytes of a picture of the edition that was rendered last.

        Its source as it is will do: making it lighter takes half a second, and a browser shows it
        the same.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the page shows: ``edition`` is the last good one, ``mistakes`` are those of today."""

    version: int = 0
    edition: Edition | None = None
    sender: str = ""
    mistakes: tuple[Mistake, ...] = ()

    @property
    def is_stale(self) -> bool:
        """Say whether the edition is older than the files, which are broken."""
        return self.edition is not None and bool(self.mistakes)

    @property
    def picture_names(self) -> frozenset[str]:
        """Return the names under which the edition's pictures are shown."""
        return frozenset(one.name for one in self.edition.pictures) if self.edition else frozenset()


def keep_good(last: Preview, found: Preview) -> Preview:
    """Return what is shown after ``found``; the very same ``last`` where nothing differs.

    A letter that could not be rendered leaves the last good edition in its place.
    """
    shown = found
    if found.edition is None:
        shown = replace(found, edition=last.edition, sender=last.sender)
    if replace(shown, version=last.version) == last and _same(shown.mistakes, last.mistakes):
        return last
    return replace(shown, version=last.version + 1)


def _same(some: tuple[Mistake, ...], others: tuple[Mistake, ...]) -> bool:
    """Compare sentences too: two mistakes are equal as soon as they share a place."""
    return [one.say("en") for one in some] == [one.say("en") for one in others]


def mistakes_of(error: Exception) -> tuple[Mistake, ...]:
    """Return ``error`` as a list for the panel, whatever its kind."""
    if isinstance(error, MistakesError):
        return error.mistakes
    if isinstance(error, InfolettreError):
        return (Mistake(path="", message=error.message, facts=error.facts),)
    if isinstance(error, OSError) and error.filename:
        message = mark("this file cannot be read: {reason}")
        return (
            Mistake(
                path=str(error.filename), message=message, facts={"reason": error.strerror or ""}
            ),
        )
    message = mark("Infolettre itself failed ({reason}): the terminal says more")
    return (Mistake(path="", message=message, facts={"reason": repr(error)}),)


class PreviewDesk:
    """Holds the current :class:`Preview`. Its methods may be called from any thread."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.current = Preview()
        self._pictures: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def refresh(self) -> Preview:
        """Render anew and return what is shown now; never raises for what the files hold."""
        with self._lock:
            self.current = keep_good(self.current, self._look())
            for name in self._pictures.keys() - self.current.picture_names:
                del self._pictures[name]
            return self.current

    def picture(self, name: str) -> bytes:
        """Return a picture of the edition that is shown; raises KeyError for any other name.

        It is kept until the edition drops it: a name stands for the same bytes for ever, and the
        file behind it may be gone or broken while the last good letter is still on the desk.
        """
        with self._lock:
            if name not in self.current.picture_names:
                raise KeyError(name)
            if name not in self._pictures:
                self._pictures[name] = self.workshop.picture(name)
            return self._pictures[name]

    def _look(self) -> Preview:
        try:
            return self._attempt()
        except OSError:
            time.sleep(SECOND_LOOK_S)
        try:
            return self._attempt()
        except OSError as error:
            return Preview(mistakes=mistakes_of(error))

    def _attempt(self) -> Preview:
        try:
            edition = self.workshop.render()
            return Preview(edition=edition, sender=self.workshop.sender_name(edition.sender))
        except OSError:
            raise
        except InfolettreError as error:
            return Preview(mistakes=mistakes_of(error))
        except Exception as error:  # our own fault; the editor's page should outlive it
            _log.exception("the preview could not render")
            return Preview(mistakes=mistakes_of(error))
