"""Text as mail carries it: quoted-printable bodies (RFC 2045), header words (RFC 2047, 5322).

Values in, values out. What the fields of a letter are, and what fills its places, is elsewhere.

Two promises beyond the RFCs, so that a transport need not look at a body again: no line begins
with a full stop (SMTP's dot-stuffing has nothing to do) nor with ``From `` (mbox leaves it alone).
"""

import base64
import re
from collections.abc import Iterator
from typing import Final

from pipeline.errors import InputError

MAX_BODY_LINE: Final = 76  # characters, RFC 2045 §6.7 (5)
MAX_WORD: Final = 75  # characters of an encoded-word, RFC 2047 §2
MAX_HEADER_LINE: Final = 78  # characters where possible, RFC 5322 §2.1.1
SOFT_BREAK: Final = b"=\r\n"

_QP: Final = [
    chr(byte) if byte in b"\t " or (33 <= byte <= 126 and byte != 0x3D) else f"={byte:02X}"
    for byte in range(256)
]
_Q: Final = [  # RFC 2047 §5 (3): what a phrase allows is fit for every place
    chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or byte in b"!*+-/")
    else "_" if byte == 0x20
    else f"={byte:02X}"
    for byte in range(256)
]  # fmt: skip
_BREAKS: Final = re.compile(r"[\r\n\0]")
# Controls say nothing in mail and much in a terminal; U+2028 and U+2029 are line breaks to some
# readers of headers; lone surrogates are not text at all.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/^_`{|}~-]+)*")
_ROOM: Final = 60  # characters: a longer word or name is encoded, so that every line can fold


def clean(text: str, *, refusal: str, **facts: object) -> str:
    """Return ``text`` without control characters and without white space at its ends.

    Raises InputError with the marked sentence ``refusal`` (it may name ``{value}``) where the
    text has a CR, a LF or a NUL: a header would end there, and another begin.
    """
    if text.isprintable():  # no-break spaces are not "printable", so French takes the long way
        return text.strip(" ")
    if _BREAKS.search(text):
        raise InputError(refusal, value=ascii(text)[1:-1][:80], **facts)
    return _CONTROLS.sub("", text.replace("\t", " ")).strip(" ")


def quoted_printable(text: str) -> bytes:
    """Encode text of any number of lines; ``\\n`` and ``\\r\\n`` become CRLF."""
    lines = re.split(r"\r\n|\n|\r", text)
    return "\r\n".join(map(_hard_line, lines)).encode("ascii")


def quoted_value(text: str) -> bytes:
    """Encode a value that stands between two soft breaks: it has no line break of its own."""
    plain = text.isascii() and text.isprintable()
    return unescaped_value(text.replace("=", "=3D") if plain else _escaped(text))


def unescaped_value(encoded: str) -> bytes:
    """Fold a value that is quoted-printable already, or would not be changed by it."""
    if len(encoded) < MAX_BODY_LINE and encoded[:1] not in (".", "F"):
        return encoded.encode("ascii")
    return "=\r\n".join(_wrapped(encoded)).encode("ascii")


def _escaped(text: str) -> str:
    return "".join(map(_QP.__getitem__, text.encode()))


def _hard_line(line: str) -> str:
    encoded = _escaped(line)
    if encoded.endswith((" ", "\t")):  # relays may strip it, RFC 2045 §6.7 (3)
        encoded = f"{encoded[:-1]}={ord(encoded[-1]):02X}"
    return "=\r\n".join(_wrapped(encoded))


def _wrapped(encoded: str) -> Iterator[str]:
    """Cut into pieces of at most 75 characters: an ``=`` still fits; no ``=XX`` is cut in two."""
    start, most = 0, MAX_BODY_LINE - 1
    while True:
        shield = ""
        if encoded.startswith((".", "From "), start):
            shield = f"={ord(encoded[start]):02X}"
            start += 1
        end = start + most - len(shield)
        if end >= len(encoded):
            yield shield + encoded[start:]
            return
        cut = encoded.rfind("=", end - 2, end)
        end = end if cut < 0 else cut
        yield shield + encoded[start:end]
        start = end


def encoded_words(text: str, *, used: int) -> str:
    """Encode as RFC 2047 words, folded; ``used`` characters of the first line are taken.

    No character is cut in two. Q where that is shorter (most French), B elsewhere.
    """
    octets = text.encode()
    as_q = sum(len(_Q[byte]) for byte in octets) <= len(octets) * 4 // 3
    room, words, word = MAX_HEADER_LINE - used, [], ""
    if len(text) < room and len(whole := _word(text, as_q=as_q)) <= min(room, MAX_WORD):
        return whole
    for character in text:
        longer = word + character
        if word and len(_word(longer, as_q=as_q)) > min(room, MAX_WORD):
            words.append(_word(word, as_q=as_q))
            room, longer = MAX_HEADER_LINE - 1, character
        word = longer
    words.append(_word(word, as_q=as_q))
    return "\r\n ".join(words)


def _word(text: str, *, as_q: bool) -> str:
    octets = text.encode()
    if as_q:
        return f"=?utf-8?q?{''.join(map(_Q.__getitem__, octets))}?="
    return f"=?utf-8?b?{base64.b64encode(octets).decode('ascii')}?="


def unstructured(text: str, *, used: int) -> str:
    """Return the value of a field such as Subject, folded (RFC 5322 §2.2.1, RFC 2047 §5 (1))."""
    words = text.split(" ")
    plain = text.isascii() and "=?" not in text and all(0 < len(one) <= _ROOM for one in words)
    if not plain:
        return encoded_words(text, used=used) if text else ""
    lines, line, room = [], words[0], MAX_HEADER_LINE - used
    for word in words[1:]:
        if len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, MAX_HEADER_LINE - 1
        else:
            line = f"{line} {word}"
    return "\r\n ".join([*lines, line])


def phrase(text: str, *, used: int) -> str:
    """Return a display name: bare, quoted or encoded (RFC 5322 §3.2.5, RFC 2047 §5 (3))."""
    text = re.sub("  +", " ", text)  # a parser may fold them: better that all see the same
    if len(text) <= _ROOM and text.isascii():
        if _ATOMS.fullmatch(text):
            return text
        if "=?" not in text:
            escaped = text.replace("\\", r"\\").replace('"', r"\"")
            return f'"{escaped}"'
    return encoded_words(text, used=used)


def mailbox(name: str, address: str, *, used: int) -> str:
    """Return ``name <address>``, folded; both are clean, the address in its one spelling."""
    if not name:
        return address
    shown = phrase(name, used=used)
    last = len(shown) - (shown.rfind("\n") + 1) if "\n" in shown else used + len(shown)
    fold = " " if last + len(address) + 3 <= MAX_HEADER_LINE else "\r\n "
    return f"{shown}{fold}<{address}>"
