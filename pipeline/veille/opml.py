"""OPML's bytes to a tree of outlines, however broken they are, with a list of what was mended.

Of 118 published files 80 are not well-formed, by raw ``&`` and stray quotes
(https://github.com/plenaryapp/awesome-rss-feeds), so every text is mended before it is parsed,
and the parser recovers. What the outlines mean is the business of ``watchlists.py``.
"""

import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.entities import html5
from itertools import pairwise
from typing import Final

from lxml import etree

from pipeline.errors import Mistake, MistakesError
from pipeline.words import mark, say

MAX_BYTES: Final = 5_000_000  # some 20,000 feeds
MAX_OUTLINES: Final = 50_000
_DECLARED: Final = re.compile(rb"""<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([\w.:-]{1,40})["']""")
# Python knows codecs that are no encoding of a file (punycode, unicode_escape): never those. A
# declaration of UTF-16 that one can read as ASCII is a lie.
_CODECS: Final = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp\d+|koi8-\w|shift_jis\w*|euc_\w+|gb\w+|big5\w*|iso2022_\w+|mac-\w+"
)
_MENDS: Final = 1000  # that are told: nobody reads more
_WIDE: Final = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
_NO_UTF8: Final = re.compile("[\udc80-\udcff]")  # bytes, as "surrogateescape" leaves them
_NO_XML: Final = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+"
)  # XML 1.0 2.2
_ENTITY: Final = re.compile(
    r"&(?:(#[0-9]+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);|(\w{2,31};)?)", re.ASCII
)
_PIECE: Final = re.compile(r"(?=<outline\b|</outline|</?body|</opml)")
_TAG: Final = re.compile(
    r"""<outline(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*+"|'[^'<]*+'))*+\s*+(/?)>""", re.DOTALL
)
_ATTRIBUTE: Final = re.compile(r"""(?:(?<=\s)|(?<=["'])|^)([a-zA-Z_][\w:.-]*+)\s*+=\s*+(["'])""")
_IS_FEED: Final = re.compile(r"""[\s"']xmlurl\s*=""", re.IGNORECASE)
_UNCLOSED: Final = ("ERR_TAG_NAME_MISMATCH", "ERR_TAG_NOT_FINISHED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """What was not as it should be at one line (1-based; 0: the file), and was helped."""

    line: int
    message: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """Return “line 12: what was mended” for a reader of ``language``."""
        what = say(self.message, language, **self.facts)
        if not self.line:
            return what
        return say(mark("line {line}: {what}"), language, line=self.line, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An OPML file as text, its byte-order mark included; ``codec`` writes it again."""

    text: str
    codec: str
    mended: tuple[Mend, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The ``<body>`` of an OPML file, and what was mended or lost on the way to it."""

    body: etree._Element
    mended: tuple[Mend, ...]
    left_out: tuple[Mend, ...]


def parse_opml(opml: bytes, *, path: str) -> Parsed:
    """Return the tree of an OPML file of at most MAX_BYTES; no entity in it is ever resolved.

    Raises MistakesError where the file is too large or no OPML.
    """
    if len(opml) > MAX_BYTES:
        message = mark("this file has more than {limit} MB: that is no list of feeds")
        raise MistakesError([mistake(path, 0, message, limit=MAX_BYTES // 1_000_000)])
    decoded = decode_opml(opml)
    if decoded.text.count("<outline") > MAX_OUTLINES:
        message = mark("this file has more than {limit} outlines: that is no list of feeds")
        raise MistakesError([mistake(path, 0, message, limit=MAX_OUTLINES)])
    text, mended = _mend(decoded.text.removeprefix("\ufeff"))
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever the file declares
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    body = root.find("body") if root is not None and root.tag == "opml" else None
    if body is None:
        message = mark(
            'this is no OPML: write <opml version="2.0"><body>, with one <outline> a watchlist'
        )
        raise MistakesError([mistake(path, line_of(root), message)])
    found = list(_parser_mends(parser))
    left_out = tuple(one for one, is_lost in found if is_lost)
    guessed = (one for one, is_lost in found if not is_lost)
    return Parsed(
        body=body, mended=in_order((*decoded.mended, *mended, *guessed)), left_out=left_out
    )


def decode_opml(opml: bytes) -> Decoded:
    """Return the text of a file: what reads as UTF-8 is UTF-8, else as the file declares.

    Single bytes that are no UTF-8 in a file that should be are read as windows-1252.
    """
    for opening, codec in _WIDE:
        if opml.startswith(opening):
            return Decoded(text=opml.decode(codec, errors="replace"), codec=codec)
    declared = _declared(opml)
    if not opml.isascii():
        try:
            text = opml.decode()
        except UnicodeDecodeError:
            pass
        else:
            is_lie = declared not in ("", "utf-8")
            mended = (_misdeclared(1, declared, "UTF-8"),) if is_lie else ()
            return Decoded(text=text, codec="utf-8", mended=mended)
    if declared in ("", "utf-8"):
        return _mixed(opml)
    try:
        return Decoded(text=opml.decode(declared), codec=declared)
    except UnicodeDecodeError as error:
        text = opml.decode(declared, errors="replace")
        line = opml.count(b"\n", 0, error.start) + 1
        message = mark("not all fits the encoding that the file declares ({declared}): � marks it")
        mend = Mend(line=line, message=message, facts={"declared": declared})
        return Decoded(text=text, codec=declared, mended=(mend,))


def _declared(opml: bytes) -> str:
    found = _DECLARED.match(opml)
    try:
        name = codecs.lookup(found[1].decode("ascii")).name if found else ""
    except (LookupError, ValueError):
        return ""
    return name if _CODECS.fullmatch(name) else ""


def _mixed(opml: bytes) -> Decoded:
    text = opml.decode(errors="surrogateescape")
    if not (bad := _NO_UTF8.search(text)):
        return Decoded(text=text, codec="utf-8")
    line = text.count("\n", 0, bad.start()) + 1
    read = _NO_UTF8.sub(
        lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", errors="replace"), text
    )
    return Decoded(text=read, codec="utf-8", mended=(_misdeclared(line, "UTF-8", "windows-1252"),))


def _misdeclared(line: int, declared: str, read: str) -> Mend:
    message = mark(
        "this is not in the encoding that the file declares ({declared}): read as {read}"
    )
    return Mend(line=line, message=message, facts={"declared": declared, "read": read})


class _Mender:
    """A text, and the mends of it: one of a kind a line."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.mended: dict[tuple[int, str], Mend] = {}

    def note(self, offset: int, message: str, **facts: object) -> None:
        if len(self.mended) == _MENDS:
            return
        line = bisect_right(self._starts, offset)
        self.mended.setdefault((line, message), Mend(line=line, message=message, facts=facts))


def _mend(text: str) -> tuple[str, tuple[Mend, ...]]:
    """Return ``text`` nearer to XML, every line where it was, and what was changed in it.

    No name of an entity survives, so none can grow or read a file.
    """
    text = _without_comments(text)
    mender = _Mender(text)

    def control(found: re.Match[str]) -> str:
        mender.note(found.start(), mark("a control character was left out"))
        return " " * len(found[0])  # in its place, as the offsets of what follows count

    text = _NO_XML.sub(control, text)
    offset, pieces, offsets = 0, [], []
    for piece in _PIECE.split(text):
        pieces.append(_mend_entities(_mend_tag(piece, offset, mender), offset, mender))
        offsets.append(offset)
        offset += len(piece)
    _close_feeds(pieces, offsets, mender)
    return "".join(pieces), tuple(mender.mended.values())


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept += [text[at:start], "\n" * text.count("\n", start, end)]
        at = end + 3
    return "".join((*kept, text[at:]))


def _close_feeds(pieces: list[str], offsets: list[int], mender: _Mender) -> None:
    """Close the outlines of feeds that another outline follows, as many as are not closed."""
    opened = sum(one.startswith("<outline") and not _is_empty(one) for one in pieces)
    missing = opened - sum(one.startswith("</outline") for one in pieces)
    for at, (piece, following) in enumerate(pairwise(pieces)):
        if missing <= 0:
            return
        tag = _TAG.match(piece)
        if following.startswith("<outline") and tag and not tag[1] and _IS_FEED.search(tag[0]):
            message = mark("the outline of a feed is not closed: it was, where the next one begins")
            mender.note(offsets[at], message)
            pieces[at] = f"{piece[: tag.end() - 1]}/{piece[tag.end() - 1 :]}"
            missing -= 1


def _is_empty(piece: str) -> bool:
    tag = _TAG.match(piece)
    return bool(tag and tag[1])


def _mend_tag(piece: str, offset: int, mender: _Mender) -> str:
    """Return an outline with its attributes quoted as they seem to be meant.

    A value ends at the last quote before the next ``name="``. Only tags in bad shape are touched.
    """
    if not piece.startswith("<outline") or _TAG.match(piece):
        return piece
    mender.note(
        offset, mark("the quotes of an outline are not in order: they were read as they seem meant")
    )
    inside, end, after = piece.removeprefix("<outline").rpartition(">")
    if not end:
        inside, after = after, ""
    is_empty = inside.endswith("/") or not end
    inside = inside.removesuffix("/")
    found = list(_ATTRIBUTE.finditer(inside))
    ends = [*(one.start() for one in found[1:]), len(inside)]
    # a line break inside of the tag keeps its place in front, so that all lines below keep theirs
    written = "".join(
        f' {one[1]}="{_value(inside[one.end() : until], one[2])}"'
        for one, until in zip(found, ends, strict=False)  # found may be empty
    )
    breaks = "\n" * (inside.count("\n") - written.count("\n"))
    return f"<outline{breaks}{written}{'/' if is_empty else ''}>{after}"


def _value(raw: str, quote: str) -> str:
    value = raw.rpartition(quote)[0] if quote in raw else raw.strip()
    return value.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _mend_entities(piece: str, offset: int, mender: _Mender) -> str:
    def mended(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        # what was mended before in this piece has moved it by a little: only the line is told
        at = offset + min(found.start(), len(piece) - 1)
        name = found[2] or ""
        if name in html5:
            message = mark("“{name}” is a name of HTML, not of XML: it was read as HTML has it")
            mender.note(at, message, name=f"&{name}")
            return "".join(f"&#{ord(one)};" for one in html5[name])
        mender.note(at, mark("a raw & was read as the character: XML writes &amp;"))
        return f"&amp;{name}"

    return _ENTITY.sub(mended, piece)


def _parser_mends(parser: etree.XMLParser) -> Iterator[tuple[Mend, bool]]:
    """Yield what the parser guessed, and whether something is lost; it tells its first hundred."""
    for error in parser.error_log:
        if error.type_name == "ERR_RESOURCE_LIMIT":
            message = mark("more than {limit} outlines in one another: what follows was left out")
            yield Mend(line=error.line, message=message, facts={"limit": 250}), True
        elif error.type_name in _UNCLOSED:
            message = mark("something is not closed where it should be: its end was guessed")
            yield Mend(line=error.line, message=message), False
        elif error.type_name.startswith("ERR_"):
            message = mark("this is no XML ({reason}): what could be read around it was kept")
            yield Mend(line=error.line, message=message, facts={"reason": error.message}), False


def in_order(mends: tuple[Mend, ...]) -> tuple[Mend, ...]:
    """Return the mends by line, each once."""
    once = {(one.line, one.message, str(one.facts)): one for one in mends}
    return tuple(sorted(once.values(), key=lambda one: one.line))


def line_of(element: etree._Element | None) -> int:
    """Return the 1-based line of an element."""
    found = 1 if element is None else element.sourceline
    return found if isinstance(found, int) else 1


def mistake(path: str, line: int, message: str, **facts: object) -> Mistake:
    """Return a mistake at a line of the file (0: the file as a whole)."""
    return Mistake(path=path, line=line, column=min(line, 1), message=message, facts=facts)
