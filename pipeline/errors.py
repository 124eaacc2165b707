"""Every error of the house, and what it tells its reader.

::

    InfolettreError                 str() is the English log line, say("fr") the editor's
    ├── InputError                  a person can mend it: collected, shown with its place
    │   ├── LetterError             the letter has mistakes (all of them, each a Mistake)
    │   ├── SettingsError           infolettre.toml or an INFOLETTRE_… variable (likewise)
    │   ├── BlockError              a block's folder is at fault (likewise)
    │   ├── WebhookError            a provider's webhook that cannot be believed or read
    │   └── WorkspaceError          no workspace here, no such letter, nowhere to write
    └── WorldError                  the network, a provider, a disk: `retryable` says whether again
        ├── ProviderError           the batch could not be handed over at all
        └── FetchError              a feed or a page could not be had

Anything else that escapes is our own fault and ends in a traceback.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.words import say


class InfolettreError(Exception):
    """The root: a sentence (marked, in English) and the facts that fill it."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message, facts)
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return self.say("en")

    def say(self, language: str) -> str:
        """Return the sentence for a reader of ``language``, with the next step to take."""
        return say(self.message, language, **self.facts)


class InputError(InfolettreError):
    """Something a person wrote, typed or forgot; they can mend it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """One fault at one place of a file: 1-based line and column, in characters.

    ``line`` 0 means the file as a whole.
    """

    path: str
    line: int = 0
    column: int = 0
    message: str = field(compare=False)
    facts: dict[str, object] = field(default_factory=dict, compare=False)

    def where(self) -> str:
        """Return ``file:line:column`` as editors and terminals link it."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    def what(self, language: str) -> str:
        """Return the sentence alone."""
        return say(self.message, language, **self.facts)

    def say(self, language: str) -> str:
        """Return ``file:line:column: what is wrong, what is allowed``."""
        return f"{self.where()}: {self.what(language)}"


class MistakesError(InputError):
    """An error that is a list of mistakes, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("{mistakes}", mistakes=len(self.mistakes))

    def say(self, language: str) -> str:
        return "\n".join(mistake.say(language) for mistake in self.mistakes)


class LetterError(MistakesError):
    """The letter has mistakes."""


class SettingsError(MistakesError):
    """``infolettre.toml`` or an ``INFOLETTRE_…`` variable has mistakes."""


class BlockError(MistakesError):
    """A block's folder has mistakes."""


class WorkspaceError(InputError):
    """There is no workspace here, no such letter, or a folder that cannot be written."""


class WorldError(InfolettreError):
    """The world failed; ``retryable`` says whether the same again may work."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        **facts: object,
    ) -> None:
        super().__init__(message, **facts)
        self.retryable = retryable
        self.retry_after = retry_after


class ProviderError(WorldError):
    """A whole batch could not be handed to the provider; ``retry_after`` is in seconds."""


class FetchError(WorldError):
    """A feed or a page could not be fetched."""
