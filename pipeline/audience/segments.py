"""Segments: ``all``, tags, and rules that are saved under a name. Values in, values out.

A rule is text such as ``language = fr and (segment = benevoles or attribute.ville = "Le Mans")``::

    rule   := all_of ("or" all_of)*
    all_of := one ("and" one)*
    one    := "not" one | "(" rule ")" | field ("=" | "!=") value
    field  := language | segment | domain | first_name | last_name | attribute.<name>
    value  := a word of letters, digits and . _ @ + -, or a text in "…" (\" and \\ inside)

``segment = x`` says that the person has the tag x; ``!=`` is ``not … =``. Letters count as they are
written. A rule says who among the active is meant; it never brings back a person who left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.audience.address import domain_to_ascii
from pipeline.errors import InputError
from pipeline.words import mark

ALL: Final = "all"  # the built-in segment: every active subscriber
MAX_RULE: Final = 4_000  # characters
MAX_DEPTH: Final = 40
FIELDS: Final = ("language", "segment", "domain", "first_name", "last_name")
ATTRIBUTE: Final = "attribute."

_WORD: Final = re.compile(r"[\w.@+-]+")
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<word>[\w.@+-]+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<op>!=|[=()]))'
)
_ATTRIBUTE: Final = re.compile(r"attribute\.[^\"\\]+")
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_KEYWORDS: Final = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Is:
    """``field`` is ``value``."""

    field: str
    value: str

    def __str__(self) -> str:
        return f"{_spelt(self.field)} = {_spelt(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """``rule`` does not hold."""

    rule: "Rule"

    def __str__(self) -> str:
        if isinstance(self.rule, Is):
            return f"{_spelt(self.rule.field)} != {_spelt(self.rule.value)}"
        return f"not {_held(self.rule)}"


@dataclass(frozen=True, slots=True)
class Both:
    """Both rules hold."""

    left: "Rule"
    right: "Rule"

    def __str__(self) -> str:
        right = f"({self.right})" if isinstance(self.right, Both) else _held(self.right)
        left = str(self.left) if isinstance(self.left, Both) else _held(self.left)
        return f"{left} and {right}"


@dataclass(frozen=True, slots=True)
class Either:
    """One of the rules holds, or both."""

    left: "Rule"
    right: "Rule"

    def __str__(self) -> str:
        right = f"({self.right})" if isinstance(self.right, Either) else str(self.right)
        return f"{self.left} or {right}"


Rule = Is | Not | Both | Either


class Someone(Protocol):
    """What a rule may ask of a person."""

    @property
    def address(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def segments(self) -> frozenset[str]: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...


def matches(rule: Rule, person: Someone) -> bool:
    """Say whether ``person`` is meant by ``rule``."""
    match rule:
        case Is():
            return _is(rule, person)
        case Not():
            return not matches(rule.rule, person)
        case Both():
            return matches(rule.left, person) and matches(rule.right, person)
        case Either():
            return matches(rule.left, person) or matches(rule.right, person)


def _is(rule: Is, person: Someone) -> bool:
    if rule.field == "segment":
        return rule.value in person.segments
    if rule.field == "domain":
        return person.address.rpartition("@")[2] == domain_of(rule.value)
    if rule.field.startswith(ATTRIBUTE):
        return person.attributes.get(rule.field.removeprefix(ATTRIBUTE)) == rule.value
    return bool(getattr(person, rule.field) == rule.value)


def domain_of(value: str) -> str:
    """Return a domain of a rule in the spelling of addresses: ``café.example`` is found too."""
    try:
        return domain_to_ascii(value).lower()
    except ValueError:
        return value


def parse_rule(text: str) -> Rule:
    """Read a rule; ``str`` of it reads the same. Raises InputError with the place and a way out."""
    return _Reader(text).whole()


def _spelt(value: str) -> str:
    if _WORD.fullmatch(value) and value not in _KEYWORDS:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _held(rule: Rule) -> str:
    return f"({rule})" if isinstance(rule, Both | Either) else str(rule)


class _Reader:
    """Goes through the text once, a word at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        if len(text) > MAX_RULE:
            raise InputError(mark("the rule has more than {most} characters"), most=MAX_RULE)
        if unfit := _UNFIT.search(text):
            raise InputError(
                mark("the rule holds a line break or a control character at {at}: remove it"),
                at=unfit.start() + 1,
            )
        self.next()

    def next(self) -> None:
        """Go to the next word: its kind is in ``kind``, the word in ``word``."""
        found = _TOKEN.match(self.text, self.at)
        if found:
            self.start, self.at = found.start(found.lastgroup or 0), found.end()
            self.kind, self.word = found.lastgroup or "", found[found.lastgroup or 0]
        else:
            self.start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
            self.kind, self.word = "", self.text[self.start : self.start + 1]

    def takes(self, word: str) -> bool:
        """Go past ``word`` if it is the next, and say whether it was."""
        if self.kind == "text" or self.word != word:
            return False
        self.next()
        return True

    def whole(self) -> Rule:
        rule = self.rule(0)
        if self.word:
            raise self.unexpected("and, or")
        return rule

    def rule(self, depth: int) -> Rule:
        rule = self.all_of(depth)
        while self.takes("or"):
            rule = Either(rule, self.all_of(depth))
        return rule

    def all_of(self, depth: int) -> Rule:
        rule = self.one(depth)
        while self.takes("and"):
            rule = Both(rule, self.one(depth))
        return rule

    def one(self, depth: int) -> Rule:
        if depth > MAX_DEPTH:
            raise InputError(mark("the rule has more than {most} levels"), most=MAX_DEPTH)
        if self.takes("not"):
            return Not(self.one(depth + 1))
        if self.takes("("):
            rule = self.rule(depth + 1)
            if not self.takes(")"):
                raise self.unexpected(")")
            return rule
        return self.comparison()

    def comparison(self) -> Rule:
        field, known = self.value(", ".join((*FIELDS, ATTRIBUTE + "…")), field=True)
        if not known:
            raise self.unexpected(", ".join((*FIELDS, ATTRIBUTE + "…")))
        negated = self.takes("!=")
        if not negated and not self.takes("="):
            raise self.unexpected("=, !=")
        value, _ = self.value("…")
        return Not(Is(field, value)) if negated else Is(field, value)

    def value(self, expected: str, *, field: bool = False) -> tuple[str, bool]:
        if self.kind not in ("word", "text") or (self.kind == "word" and self.word in _KEYWORDS):
            raise self.unexpected(expected)
        text = self.word
        if self.kind == "text":
            text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        known = text in FIELDS or bool(_ATTRIBUTE.fullmatch(text))
        if not field or known:
            self.next()
        return text, known

    def unexpected(self, expected: str) -> InputError:
        return InputError(
            mark("“{rule}”, character {at}: found “{found}”, expected {expected}"),
            rule=self.text,
            at=self.start + 1,
            found=self.word or mark("the end"),
            expected=expected,
        )
