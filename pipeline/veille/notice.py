"""Something to tell the curator that is no error."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.words import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A marked sentence and its facts."""

    message: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """Return the sentence for a reader of ``language``."""
        return say(self.message, language, **self.facts)
