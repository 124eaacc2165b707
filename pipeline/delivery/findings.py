"""What ``infolettre doctor`` finds: how it stands, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.errors import InfolettreError
from pipeline.words import say


class Level(StrEnum):
    """How grave a finding is; only ``bad`` keeps a letter from arriving."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Marked sentences, and the facts that fill both; ``do`` is empty when all is well."""

    level: Level
    about: str
    what: str
    do: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def say_what(self, language: str) -> str:
        return say(self.what, language, **self.facts)

    def say_do(self, language: str) -> str:
        return say(self.do, language, **self.facts) if self.do else ""


def fine(about: str, what: str, **facts: object) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(level=Level.OK, about=about, what=what, facts=facts)


def warn(about: str, what: str, do: str, **facts: object) -> Finding:
    """Return a finding that should be seen to."""
    return Finding(level=Level.WARN, about=about, what=what, do=do, facts=facts)


def bad(about: str, what: str, do: str, **facts: object) -> Finding:
    """Return a finding that has to be seen to before a letter leaves."""
    return Finding(level=Level.BAD, about=about, what=what, do=do, facts=facts)


def failed(about: str, what: str, error: InfolettreError) -> Finding:
    """Return a finding that an error explains: its sentence ends with the next step."""
    return bad(about, what, error.message, **error.facts)
