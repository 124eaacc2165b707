"""Merge tags: `{{name|fallback}}`, the fixed list of names, and the tokens that stand for them.

A letter's text goes through Markdown, typography, MJML, lxml and a CSS inliner before a
recipient's own values are put in. Braces do not survive that journey: Markdown percent-encodes
them in link targets, the inliner breaks `{{ x }}`. So each tag becomes one *token*, a word of
ASCII letters and digits that every step leaves alone and that decodes by itself: no table has to
travel beside the text.

What does not live here: the values (an edition's come from `render`, a person's from `delivery`)
and their escaping for HTML, addresses or headers, which depends on where a token ends up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


class NotAToken(ValueError):
    """The word does not decode to a merge tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeName:
    """One name of the fixed list, and how to explain it to an editor."""

    name: str
    per_recipient: bool
    is_url: bool
    label_fr: str
    label_en: str


@dataclass(frozen=True, slots=True)
class MergeTag:
    """What an editor wrote between the braces."""

    name: str
    fallback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTag:
    """A tag where it stands in its source; `name` may be unknown, offsets count characters."""

    name: str
    fallback: str
    start: int
    end: int


def _issue(name: str, label_fr: str, label_en: str, *, is_url: bool = False) -> MergeName:
    return MergeName(
        name=name, per_recipient=False, is_url=is_url, label_fr=label_fr, label_en=label_en
    )


def _person(name: str, label_fr: str, label_en: str, *, is_url: bool = False) -> MergeName:
    return MergeName(
        name=name, per_recipient=True, is_url=is_url, label_fr=label_fr, label_en=label_en
    )


_NAMES = (
    _issue("date", "La date de la lettre, en toutes lettres", "The letter's date, in full"),
    _issue("number", "Le numéro de la lettre", "The letter's number"),
    _issue("title", "Le titre de la lettre", "The letter's title"),
    _issue(
        "online_url",
        "L’adresse de cette lettre en ligne",
        "Where this letter is online",
        is_url=True,
    ),
    _issue(
        "archive_url",
        "L’adresse des lettres passées",
        "Where past letters are",
        is_url=True,
    ),
    _person("first_name", "Le prénom de la personne", "The person's first name"),
    _person("last_name", "Le nom de la personne", "The person's last name"),
    _person("email", "L’adresse électronique de la personne", "The person's e-mail address"),
    _person(
        "unsubscribe_url",
        "Le lien pour se désabonner",
        "The link to unsubscribe",
        is_url=True,
    ),
    _person(
        "preferences_url",
        "Le lien pour changer ses préférences",
        "The link to change preferences",
        is_url=True,
    ),
)

MERGE_TAGS: Mapping[str, MergeName] = MappingProxyType({name.name: name for name in _NAMES})

# A fallback holds neither `{{` nor `}}`: a tag somebody forgot to close must not swallow the
# paragraphs up to the next one. The name is taken as written, so that a misspelt one is *found*
# (and can be reported) instead of being printed to readers.
_TAG = re.compile(
    r"\{\{(?P<name>[^{}|\n]*+)(?:\|(?P<fallback>(?:(?!\{\{|\}\})[\s\S])*+))?\}\}",
)

# Upper and lower case are one: host names and anchors get lower-cased on the way.
TOKEN: re.Pattern[str] = re.compile(r"mergeq((?:[0-9a-f]{2})+)q", re.IGNORECASE)
_LOOK_ALIKE = re.compile(r"mergeq", re.IGNORECASE)
_LITERAL = ""  # the name of a token that stands for text an editor really wrote

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|&~=])")
_URL_MARKDOWN = re.compile(r"[\\`*_\[\]()<>\s]")
_ENTITY_END = re.compile(r"(&#?\w{1,31});")


def find_tags(source: str) -> list[FoundTag]:
    """List the merge tags of a text, unknown names included, in the order they stand."""
    return [
        FoundTag(
            name=match["name"].strip(),
            fallback=(match["fallback"] or "").strip(),
            start=match.start(),
            end=match.end(),
        )
        for match in _TAG.finditer(source)
    ]


def protect(source: str, values: Mapping[str, str], *, markdown: bool = False) -> str:
    """Put in the values known now, and tokens for the tags that stay open.

    An unknown name stays as it was written. An empty value gives way to the tag's fallback. Pass
    `markdown=True` when the result is Markdown: a title with a `*` then stays literal.

    >>> protect("N° {{number}}", {"number": "87"})
    'N° 87'
    """
    pieces: list[str] = []
    literal, at = "", 0
    for tag in find_tags(source):
        if tag.name not in MERGE_TAGS:
            continue
        literal += source[at : tag.start]
        at = tag.end
        if tag.name in values:
            literal += _shown(tag, values[tag.name], markdown=markdown)
        else:
            pieces += [_neutral(literal), encode(MergeTag(tag.name, tag.fallback))]
            literal = ""
    pieces.append(_neutral(literal + source[at:]))
    return "".join(pieces)


def encode(tag: MergeTag) -> str:
    """Give the token of a tag: letters and digits only, never two spellings for one tag."""
    payload = f"{tag.name}|{tag.fallback}".encode("utf-8", "surrogatepass")
    return f"mergeq{payload.hex()}q"


def decode(token: str) -> MergeTag:
    """Read a token back, or raise `NotAToken`."""
    match = TOKEN.fullmatch(token)
    if match is None:
        raise NotAToken(f"not a merge token: {token[:40]!r}")
    try:
        payload = bytes.fromhex(match[1]).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise NotAToken(f"not a merge token: {token[:40]!r}") from error
    name, bar, fallback = payload.partition("|")
    if not bar or (name not in MERGE_TAGS and name != _LITERAL):
        raise NotAToken(f"no merge tag is called {name!r}")
    return MergeTag(name, fallback)


def restore(text: str, resolve: Callable[[MergeTag], str]) -> str:
    """Replace each token by what `resolve` says, which also does the escaping its place needs.

    Text that only looks like a token is put back without asking.
    """

    def put_back(match: re.Match[str]) -> str:
        try:
            tag = decode(match[0])
        except NotAToken:
            return match[0]
        return tag.fallback if tag.name == _LITERAL else resolve(tag)

    return TOKEN.sub(put_back, text)


def is_url_token(text: str) -> bool:
    """Say whether the text is exactly the token of a tag whose value is an address."""
    try:
        name = decode(text).name
    except NotAToken:
        return False
    return name != _LITERAL and MERGE_TAGS[name].is_url


def _shown(tag: FoundTag, value: str, *, markdown: bool) -> str:
    value = value or tag.fallback
    if not markdown:
        return value
    return _escape_url(value) if MERGE_TAGS[tag.name].is_url else _escape(value)


def _escape(value: str) -> str:
    # One line: a line break would let a title open a list or end the paragraph around it.
    return _MARKDOWN.sub(r"\\\1", " ".join(value.split()))


def _escape_url(value: str) -> str:
    """Escape by percent: backslashes mean nothing inside `<https://…>` (CommonMark 6.5)."""
    encoded = _URL_MARKDOWN.sub(lambda match: f"%{ord(match[0]):02X}", value.strip())
    return _ENTITY_END.sub(r"\1%3B", encoded)


def _neutral(literal: str) -> str:
    """Carry a literal look-alike as a token of its own, so that it comes back as written."""
    return _LOOK_ALIKE.sub(lambda match: encode(MergeTag(_LITERAL, match[0])), literal)
