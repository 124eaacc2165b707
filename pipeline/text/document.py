"""A YAML document as plain values, and the place of each: what mistakes and edits need.

The events of libyaml (through PyYAML) are read once, one by one: no recursion that a
hostile file could exhaust, no alias that could multiply. What the values mean is not known here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import yaml
from yaml import MarkedYAMLError, YAMLError

from pipeline.errors import LetterError, Mistake
from pipeline.words import mark

Path = tuple[str | int, ...]

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 20

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True} | {
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value or a key stands: offsets and 1-based line and column, in characters."""

    start: int
    end: int
    line: int
    column: int
    style: str = ""  # of a scalar: "", "'", '"', "|" or ">"; of a collection: "flow" or "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text, its plain values, and the span of each value and of each key by its path."""

    path: str
    text: str
    values: Any
    spans: Mapping[Path, Span] = field(default_factory=lambda: MappingProxyType({}))
    keys: Mapping[Path, Span] = field(default_factory=lambda: MappingProxyType({}))

    def span(self, path: Path) -> Span:
        """Return the span of ``path``, or of the nearest thing around it that has one."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans.get(path, Span(0, 0, 1, 1))

    def mistake(self, at: Path, message: str, *, key: bool = False, **facts: object) -> Mistake:
        """Return a mistake at the value of ``at``, or at its key."""
        span = self.keys.get(at) if key else None
        return self.mistake_at(span or self.span(at), message, **facts)

    def mistake_at(self, span: Span, message: str, **facts: object) -> Mistake:
        """Return a mistake at ``span``."""
        return Mistake(
            path=self.path, line=span.line, column=span.column, message=message, facts=facts
        )

    def span_of_text(self, at: Path, needle: str, nth: int = 0) -> Span:
        """Return the span of the ``nth`` occurrence of ``needle`` inside the value at ``at``.

        A value may be folded or quoted, so the source is searched; falls back on the value.
        """
        span = self.span(at)
        start = span.start - 1
        for _ in range(nth + 1):
            start = self.text.find(needle, start + 1, span.end)
            if start < 0:
                return span
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        return Span(start, start + len(needle), line, column)


def parse_document(data: bytes, *, path: str) -> Document:
    """Read ``data`` (UTF-8, with or without a BOM) by YAML 1.2's core schema.

    Dates and times stay text. Raises LetterError with every mistake that could be told:
    not UTF-8, over MAX_BYTES, not YAML, anchors and aliases, a key twice, too deep.
    """
    reader = _Reader(path=path, text=_decode(data, path=path))
    try:
        reader.read()
    except YAMLError as error:
        reader.mistakes.append(_syntax_mistake(error, reader))
    if reader.mistakes:
        raise LetterError(reader.mistakes)
    return Document(
        path=path, text=reader.text, values=reader.root, spans=reader.spans, keys=reader.keys
    )


def _decode(data: bytes, *, path: str) -> str:
    if len(data) > MAX_BYTES:
        message = mark(
            "this file has {size} MB, and a letter's text may have {limit} MB:"
            " put images beside it as files"
        )
        facts: dict[str, object] = {
            "size": round(len(data) / 1e6, 1),
            "limit": MAX_BYTES // 1_000_000,
        }
        raise LetterError([Mistake(path=path, line=1, column=1, message=message, facts=facts)])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", errors="replace")
        mistake = Mistake(
            path=path,
            line=before.count("\n") + 1,
            column=len(before) - (before.rfind("\n") + 1) + 1,
            message=mark("this is not UTF-8 (byte {byte}): save the file again as UTF-8"),
            facts={"byte": f"0x{data[error.start]:02X}"},
        )
        raise LetterError([mistake]) from None


class _Reader:
    """Builds the values from the events; ``stack`` holds the collections that are open."""

    def __init__(self, *, path: str, text: str) -> None:
        self.path = path
        self.text = text
        # libyaml eats a BOM without counting it
        self.shift = 1 if text.startswith("\ufeff") else 0
        self.root: Any = None
        self.spans: dict[Path, Span] = {}
        self.keys: dict[Path, Span] = {}
        self.mistakes: list[Mistake] = []
        self.stack: list[_Open] = []

    def read(self) -> None:
        documents = 0
        for event in yaml.parse(self.text, Loader=yaml.CSafeLoader):
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    return self.fault(event, mark("a letter is one YAML document: remove “---”"))
            elif kind == "ScalarEvent":
                self.check_anchor(event)
                self.scalar(event)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self.check_anchor(event)
                if len(self.stack) >= MAX_DEPTH:
                    return self.fault(
                        event,
                        mark("lists within lists more than {limit} deep: flatten them"),
                        limit=MAX_DEPTH,
                    )
                self.begin(event, {} if kind == "MappingStartEvent" else [])
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.end(event)
            elif kind == "AliasEvent":
                self.fault(event, mark("aliases (*name) are not allowed: write the text again"))
                self.put(None, self.span(event, "alias"))
        return None

    def span(self, event: Any, style: str = "") -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(
            start.index + self.shift,
            end.index + self.shift,
            start.line + 1,
            start.column + 1,
            style,
        )

    def fault(self, event: Any, message: str, **facts: object) -> None:
        span = self.span(event)
        self.mistakes.append(
            Mistake(
                path=self.path, line=span.line, column=span.column, message=message, facts=facts
            )
        )

    def check_anchor(self, event: Any) -> None:
        if event.anchor is not None:
            self.fault(event, mark("anchors (&name) are not allowed: remove this one"))
        elif event.tag is not None:
            self.fault(event, mark("tags (!name) are not allowed: remove this one"))

    def scalar(self, event: Any) -> None:
        span = self.span(event, event.style or "")
        top = self.stack[-1] if self.stack else None
        if top is not None and top.wants_key:
            self.key(event, span, top)
        else:
            plain = not event.style
            self.put(resolve(event.value) if plain else event.value, span)

    def key(self, event: Any, span: Span, top: "_Open") -> None:
        if event.value in top.value:
            first = self.keys[(*top.path, event.value)].line
            message = mark("“{key}” stands here twice; it is already on line {line}")
            self.fault(event, message, key=event.value, line=first)
        top.name = event.value
        self.keys[(*top.path, event.value)] = span

    def put(self, value: Any, span: Span) -> Path:
        """Set ``value`` in its collection; return its path."""
        if not self.stack:
            self.root = value
            self.spans[()] = span
            return ()
        top = self.stack[-1]
        path = (*top.path, top.next_key())
        if isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[top.name] = value
            top.name = None
        self.spans[path] = span
        return path

    def begin(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if self.stack and self.stack[-1].wants_key:
            self.fault(event, mark("a list cannot be the name of a field"))
            self.stack[-1].name = ""
        path = self.put(value, self.span(event, "flow" if event.flow_style else "block"))
        self.stack.append(_Open(path=path, value=value))

    def end(self, event: Any) -> None:
        done = self.stack.pop()
        span = self.spans[done.path]
        self.spans[done.path] = Span(
            span.start, event.end_mark.index + self.shift, span.line, span.column, span.style
        )


@dataclass(slots=True)
class _Open:
    """A collection that is being read; ``name`` is the key whose value comes next."""

    path: Path
    value: Any
    name: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.name is None

    def next_key(self) -> str | int:
        return len(self.value) if isinstance(self.value, list) else (self.name or "")


def resolve(text: str) -> bool | int | float | str | None:
    """Return a plain scalar's value by YAML 1.2's core schema; dates and times are text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) and len(text) < 19:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) < 40:
        return float(text)
    return text


_REASONS: Final = {
    "mapping values are not allowed in this context": mark(
        "a “:” is not expected here: put the text in quotes, or check the indentation above"
    ),
    "found unexpected end of stream": mark("the quote that opens here is never closed"),
    "could not find expected ':'": mark("a “:” is missing here: write “name: value”"),
    "did not find expected key": mark("this line does not line up with those above it"),
    "did not find expected '-' indicator": mark("this line does not line up with the list above"),
    "found character that cannot start any token": mark(
        "a text cannot begin with this character: put it in quotes"
    ),
    "did not find expected ',' or ']'": mark(
        "the “[” above is never closed, or a comma is missing"
    ),
    "did not find expected ',' or '}'": mark(
        "the brace above is never closed, or a comma is missing"
    ),
}
#: Compiled when it is needed: it takes 8 ms, and few letters hold a control character.
_FORBIDDEN: Final = (
    "[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)


def _syntax_mistake(error: YAMLError, reader: _Reader) -> Mistake:
    """Tell in a person's words what libyaml refused; its own words where it is rare."""
    if not isinstance(error, MarkedYAMLError):  # a control character: libyaml names no place
        found = re.search(_FORBIDDEN, reader.text)
        start = found.start() if found else 0
        message = mark("a control character ({reason}) stands here: delete it")
        return _mistake(
            reader,
            *_line_and_column(reader.text, start),
            message=message,
            reason=f"U+{ord(reader.text[start]):04X}",
        )
    problem = str(error.problem)
    where = error.problem_mark
    if problem == "found unexpected end of stream" and error.context_mark:
        where = error.context_mark
    line, column = (where.line, where.column) if where else (0, 0)
    lines = reader.text.splitlines()
    if opened := _open_quote(lines[: line + 1]):
        message = mark("the quote that opens here is never closed")
        return _mistake(reader, *opened, message=message)
    source = lines[line] if line < len(lines) else ""
    indent = source[: len(source) - len(source.lstrip())]
    if "\t" in indent:
        message = mark("a tab indents this line: YAML wants spaces")
        return _mistake(reader, line, indent.index("\t"), message=message)
    message = _REASONS.get(problem, mark("this is not valid YAML: {reason}"))
    return _mistake(reader, line, column, message=message, reason=problem)


def _open_quote(lines: list[str]) -> tuple[int, int] | None:
    """Return line and column, from 0, of the last quote before a fault that its line leaves open.

    libyaml reads on until another quote happens to end the text, many lines further down.
    """
    for number in range(len(lines) - 1, -1, -1):
        opened = re.match(r"(\s*(?:- )*[\w-]+:\s+)([\"'])((?:(?!\2).)*)$", lines[number])
        if opened is None:
            continue
        behind = next((line for line in lines[number + 1 :] if opened[2] in line), "")
        if not behind or re.match(rf"\s*(?:- )*[\w-]+:\s+{opened[2]}", behind):
            return number, len(opened[1])
    return None


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1


def _mistake(reader: _Reader, line: int, column: int, *, message: str, **facts: object) -> Mistake:
    return Mistake(path=reader.path, line=line + 1, column=column + 1, message=message, facts=facts)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value with its path, outermost first."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, (*path, index))
