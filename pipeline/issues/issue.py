"""A letter that is sure to be right: made from its document, or refused with every mistake."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import jsonschema_rs

from pipeline.blocks.block import Block, Library
from pipeline.blocks.schema import COMMON, LETTER, REQUIRED, block_schema, texts_of
from pipeline.errors import LetterError, Mistake
from pipeline.issues.places import explain, nearest
from pipeline.text.commonmark import dead_links
from pipeline.text.document import Document, Path, Span
from pipeline.text.merge import MERGE_TAGS, find_tags
from pipeline.text.slugs import slugify
from pipeline.words import mark

SCHEMES: Final = ("https", "http", "mailto", "tel")
_EMAIL: Final = re.compile(r"[^@\s<>,;\"()]+@[^@\s<>,;\"()]+\.[^@\s<>,;\"().]+")
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3])[:hH][0-5][0-9]")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is known of an image file: its SHA-256, its size in pixels and in bytes.

    ``problem`` is a marked sentence where the file cannot be used.
    """

    path: str
    digest: str = ""
    width: int = 0
    height: int = 0
    octets: int = 0
    format: str = ""
    has_alpha: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One block as it stands in a letter: ``id`` is its anchor, ``fields`` its plain values."""

    block: Block
    position: int
    id: str
    heading: str
    fields: Mapping[str, Any]
    only: frozenset[str] = frozenset()
    archive: bool = False

    def is_shown_to(self, segments: frozenset[str]) -> bool:
        """Say whether a reader in ``segments`` sees this part."""
        return not self.only or bool(self.only & segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A validated letter: its texts as the editor typed them, its parts those not hidden."""

    slug: str
    number: int
    title: str
    subtitle: str
    date: date
    language: str
    subject: str
    preheader: str
    sender: str
    parts: tuple[Part, ...]
    images: Mapping[str, Image] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def segments(self) -> frozenset[str]:
        """Return the segments that some part is reserved to: they decide a reader's variant."""
        return frozenset().union(*(part.only for part in self.parts))


def make_issue(
    document: Document,
    *,
    slug: str,
    library: Library,
    images: Mapping[str, Image],
    senders: Iterable[str],
) -> Issue:
    """Return the letter that ``document`` holds.

    Raises LetterError with every mistake: fields, types, dates, addresses, images, merge tags.
    """
    checker = _Checker(document, library, images, frozenset(senders))
    mistakes = list(checker.mistakes())
    if mistakes:
        raise LetterError(mistakes)
    values = document.values
    parts = tuple(_parts(values["blocks"], library))
    return Issue(
        slug=slug,
        number=values["number"],
        title=values["title"],
        subtitle=values.get("subtitle") or "",
        date=date.fromisoformat(values["date"]),
        language=values.get("language", "fr"),
        subject=values.get("subject") or values["title"],
        preheader=values.get("preheader") or values.get("subtitle") or _preheader(parts),
        sender=values["sender"],
        parts=parts,
        images=images,
    )


def _preheader(parts: Iterable[Part]) -> str:
    return " ✦ ".join(part.heading for part in parts if part.heading and not part.only)


def _parts(blocks: list[dict[str, Any]], library: Library) -> Iterator[Part]:
    taken = Counter[str](one["id"] for one in blocks if one.get("id"))
    for position, values in enumerate(blocks):
        block = library[values["block"]]
        heading = values.get("heading") or ""
        anchor = values.get("id") or _free(slugify(heading) if heading else block.name, taken)
        if values.get("hidden"):
            continue
        yield Part(
            block=block,
            position=position,
            id=anchor,
            heading=heading,
            fields={name: values[name] for name in values if name in block.properties},
            only=frozenset(values.get("only") or ()),
            archive=bool(values.get("archive")),
        )


def _free(wanted: str, taken: Counter[str]) -> str:
    name, number = wanted, 1
    while taken[name]:
        number += 1
        name = f"{wanted}-{number}"
    taken[name] += 1
    return name


@dataclass(frozen=True, slots=True)
class _Rules:
    """A schema and its compiled validator."""

    schema: dict[str, Any]
    validator: jsonschema_rs.Draft202012Validator

    @classmethod
    def of(cls, schema: dict[str, Any]) -> "_Rules":
        return cls(schema, jsonschema_rs.Draft202012Validator(schema))


@lru_cache(maxsize=1)
def _letter_rules() -> _Rules:
    return _Rules.of(
        {
            "type": "object",
            "additionalProperties": False,
            "required": REQUIRED,
            "properties": LETTER,
        }
    )


@lru_cache(maxsize=256)
def _block_rules(library: Library, name: str) -> _Rules:
    return _Rules.of(block_schema(library[name]))


_MAX_RIGHT: Final = 512  # blocks: some dozen letters


@lru_cache(maxsize=8)
def _found_right(library: Library) -> dict[tuple[str, object], None]:
    """Return the blocks found right lately, by their values and the images they could name.

    A letter that is saved again and again, one block changed, has the others judged once.
    """
    del library  # the blocks' schemas are what is judged by
    return {}


class _Checker:
    """Finds every mistake of one document."""

    def __init__(
        self,
        document: Document,
        library: Library,
        images: Mapping[str, Image],
        senders: frozenset[str],
    ) -> None:
        self.document = document
        self.library = library
        self.images = images
        self.senders = senders
        self.facts = tuple((one.path, one.digest, one.problem) for one in images.values())

    def mistakes(self) -> Iterator[Mistake]:
        values = self.document.values
        if not isinstance(values, dict):
            message = mark("a letter begins with its fields, such as “number: 1”; this is not one")
            yield self.document.mistake((), message)
            return
        yield from self.schema(_letter_rules(), values, ())
        head = {name: value for name, value in values.items() if name != "blocks"}
        yield from self.texts(head, {"properties": LETTER}, ())
        yield from self.sender(values.get("sender"))
        blocks = values.get("blocks")
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            yield from self.block(block, ("blocks", index))
        yield from self.ids(blocks if isinstance(blocks, list) else [])

    def block(self, values: Any, path: Path) -> Iterator[Mistake]:
        if not isinstance(values, dict) or "block" not in values:
            message = mark("each entry of “blocks” begins with “block: name”; names: {known}")
            yield self.document.mistake(path, message, known=", ".join(self.library))
            return
        name = values["block"]
        if not isinstance(name, str) or name not in self.library:
            near = nearest(str(name), self.library)
            message = mark("there is no block “{name}”; the blocks are: {known}")
            if near:
                message = mark("there is no block “{name}”; did you mean: {known}")
            known = near or ", ".join(self.library)
            yield self.document.mistake((*path, "block"), message, name=name, known=known)
            return
        key = (repr(values), self.facts)
        if key in (right := _found_right(self.library)):
            return
        found = [*self.fields(name, values, path)]
        if not found:
            right[key] = None
            while len(right) > _MAX_RIGHT:
                right.pop(next(iter(right)), None)
        yield from found

    def fields(self, name: str, values: dict[str, Any], path: Path) -> Iterator[Mistake]:
        yield from self.schema(_block_rules(self.library, name), values, path)
        schema = {"properties": COMMON | dict(self.library[name].properties)}
        yield from self.texts({k: v for k, v in values.items() if k != "block"}, schema, path)

    def schema(self, rules: _Rules, values: Any, path: Path) -> Iterator[Mistake]:
        for error in rules.validator.iter_errors(values):
            yield from explain(error, schema=rules.schema, document=self.document, path=path)

    def sender(self, name: object) -> Iterator[Mistake]:
        if isinstance(name, str) and name not in self.senders:
            yield self.document.mistake(
                ("sender",),
                mark("infolettre.toml has no sender “{name}”; it has: {known}"),
                name=name,
                known=", ".join(sorted(self.senders)) or "—",
            )

    def ids(self, blocks: list[Any]) -> Iterator[Mistake]:
        seen: dict[str, int] = {}
        for index, block in enumerate(blocks):
            name = block.get("id") if isinstance(block, dict) else None
            if isinstance(name, str) and name in seen:
                message = mark("the id “{name}” is already that of the block on line {line}")
                line = self.document.span(("blocks", seen[name])).line
                at = ("blocks", index, "id")
                yield self.document.mistake(at, message, name=name, line=line)
            elif isinstance(name, str):
                seen[name] = index

    def texts(self, values: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
        for at, kind, text in texts_of(values, schema, path):
            yield from self.tags(at, text)
            yield from self.text(at, kind, text)

    def tags(self, at: Path, text: str) -> Iterator[Mistake]:
        seen: Counter[str] = Counter()
        for tag in find_tags(text):
            if tag.name in MERGE_TAGS:
                continue
            written = text[tag.start : tag.end]
            span: Span = self.document.span_of_text(at, written, seen[written])
            seen[written] += 1
            near = nearest(tag.name, MERGE_TAGS)
            message = mark("there is no merge tag “{name}”; the tags are: {known}")
            if near:
                message = mark("there is no merge tag “{name}”; did you mean: {known}")
            known = near or ", ".join(MERGE_TAGS)
            yield self.document.mistake_at(span, message, name=tag.name, known=known)

    def text(self, at: Path, kind: str, text: str) -> Iterator[Mistake]:
        said = text.strip()
        message = ""
        if kind == "date" and not _is_date(said):
            message = mark("“{found}” is not a day: write it as 2025-03-13")
        elif kind == "time" and not _TIME.fullmatch(said):
            message = mark('“{found}” is not an hour: write it as "13:30"')
        elif kind == "email" and not _EMAIL.fullmatch(said):
            message = mark("“{found}” is not an e-mail address")
        elif kind == "language" and not _LANGUAGE.fullmatch(said):
            message = mark("“{found}” is not a language: write it as fr, en or pt-BR")
        elif kind == "uri" and not _is_address(said):
            message = mark(
                "“{found}” is not a link: it begins with https://, http://, mailto: or tel:"
            )
        elif kind == "image":
            yield from self.image(at, text)
        elif kind.startswith("markdown"):
            yield from self.links(at, text)
        if message:
            yield self.document.mistake(at, message, found=_short(said))

    def links(self, at: Path, text: str) -> Iterator[Mistake]:
        seen: Counter[str] = Counter()
        for target in dead_links(text):
            written = f"]({target})" if f"]({target})" in text else f"]({target}"
            span = self.document.span_of_text(at, written, seen[written])
            seen[written] += 1
            message = mark("this link has no address: write it between the parentheses")
            if target:
                message = mark(
                    "the link “{found}” leads nowhere: write it in full, beginning with https://"
                )
            yield self.document.mistake_at(span, message, found=_short(target))

    def image(self, at: Path, name: str) -> Iterator[Mistake]:
        found = self.images.get(name)
        if found and not found.problem:
            return
        if found:
            message = found.problem
        elif "://" in name:
            message = mark("“{name}” is on the web: save the image in the letter's folder")
        elif name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
            message = mark("“{name}” is outside the letter's folder: copy the image into it")
        else:
            message = mark("there is no image “{name}” in the letter's folder; it has: {known}")
        usable = [path for path, image in self.images.items() if not image.problem]
        near = get_close_matches(name, usable, n=1)
        known = ", ".join(near or usable) or "—"
        yield self.document.mistake(at, message, name=name, known=known)


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    """Say whether ``text`` is a link with a safe scheme and a host, or just a merge tag."""
    tags = find_tags(text)
    if tags and tags[0].start == 0:
        return tags[0].name in MERGE_TAGS and MERGE_TAGS[tags[0].name].is_url
    if re.search(r"[\s\x00-\x1f\x7f<>\"]", text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    scheme = parts.scheme.lower()
    rest = parts.netloc if scheme in ("http", "https") else parts.path
    return scheme in SCHEMES and bool(rest)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
