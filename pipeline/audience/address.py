"""An e-mail address, checked and in one spelling. Who has it, and mail itself, are elsewhere."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pipeline.errors import InputError
from pipeline.words import mark

MAX_LOCAL: Final = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_ADDRESS: Final = 254  # octets: a path of 256 less its angle brackets, RFC 5321 §4.5.3.1.3

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"  # RFC 5322 §3.2.3
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN: Final = re.compile(
    rf"(?=.{{1,{MAX_LOCAL}}}@){_ATEXT}+(?:\.{_ATEXT}+)*@(?:{_LABEL}\.)+{_LABEL}"
)
_SPELLED: Final = re.compile(  # what needs no second look: most of a list, most of the time
    rf"(?=.{{1,{MAX_LOCAL}}}@.{{1,180}}$){_ATEXT}+(?:\.{_ATEXT}+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
_LABEL_ONLY: Final = re.compile(_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mailbox; ``domain`` is in lower-case A-labels, ``local`` as it was written (NFC)."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """Return what makes two spellings one person: RFC 5321 lets a server tell cases of the
        local part apart, but none of the large ones does, and people type both."""
        return str(self).casefold()


def normalise_address(text: str) -> Address:
    """Check an address (RFC 5321, RFC 6531) and give it its one spelling.

    The domain becomes lower-case A-labels (UTS 46); a UTF-8 local part stays UTF-8, it is never
    punycoded. Quoted local parts and address literals are refused: they are typing mistakes far
    more often than mailboxes. Raises InputError with what is wrong.

    >>> str(normalise_address(" Zoe@Café.Example "))
    'Zoe@xn--caf-dma.example'
    """
    text = text.strip()
    if _PLAIN.fullmatch(text):
        local, _, domain = text.rpartition("@")
    else:
        local, domain = _split(text)
        local = _local(local, text)
        domain = _domain(domain, text)
    if domain.rpartition(".")[2].isdigit():  # an IP address, not a domain
        raise _bad_domain(domain, text)
    address = Address(local=local, domain=domain.lower())
    if len(str(address).encode()) > MAX_ADDRESS:
        raise InputError(
            mark("“{address}” is too long: {found} bytes, at most {most}"),
            address=_shown(text),
            found=len(str(address).encode()),
            most=MAX_ADDRESS,
        )
    return address


def spell_address(text: str) -> str:
    """Return ``str(normalise_address(text))``, quickly where ``text`` is that already."""
    return text if _SPELLED.fullmatch(text) else str(normalise_address(text))


def needs_smtputf8(address: str) -> bool:
    """Say whether only a server with SMTPUTF8 can take ``address`` (RFC 6531 §3.2)."""
    return not address.rpartition("@")[0].isascii()


def _shown(text: str) -> str:
    """Return ``text`` fit for a sentence: without control characters, and not without end."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _split(text: str) -> tuple[str, str]:
    shown = _shown(text)
    if not text:
        raise InputError(mark("the address is missing: expected one such as zoe@example.org"))
    if not text.isprintable() or " " in text:
        raise InputError(
            mark("“{address}” holds a space, a line break or a control character: remove it"),
            address=shown,
        )
    if text.count("@") != 1:
        raise InputError(
            mark("“{address}” has {count} “@”: an address has exactly one"),
            address=shown,
            count=text.count("@"),
        )
    local, _, domain = text.partition("@")
    return local, domain


def _local(local: str, text: str) -> str:
    local = unicodedata.normalize("NFC", local)  # RFC 6532 §3.1
    atoms = local.split(".")
    ascii_only = "".join(one for one in local if one.isascii() and one != ".")
    if not all(atoms) or (ascii_only and not re.fullmatch(rf"{_ATEXT}+", ascii_only)):
        raise InputError(
            mark(
                "“{local}” in “{address}” cannot stand before “@”: expected letters, digits"
                " and . _ + - with no dot at either end nor two in a row"
            ),
            local=_shown(local),
            address=_shown(text),
        )
    if len(local.encode()) > MAX_LOCAL:
        raise InputError(
            mark("“{address}” is too long before “@”: {found} bytes, at most {most}"),
            address=_shown(text),
            found=len(local.encode()),
            most=MAX_LOCAL,
        )
    return local


def _domain(domain: str, text: str) -> str:
    try:
        domain = domain_to_ascii(domain)
    except ValueError:
        raise _bad_domain(domain, text) from None
    labels = domain.split(".")
    if len(labels) < 2 or not all(_LABEL_ONLY.fullmatch(label) for label in labels):
        raise _bad_domain(domain, text)
    return domain


def _bad_domain(domain: str, text: str) -> InputError:
    return InputError(
        mark("“{domain}” in “{address}” is not a domain: expected one such as example.org"),
        domain=_shown(domain),
        address=_shown(text),
    )


@lru_cache(maxsize=1024)
def domain_to_ascii(domain: str) -> str:
    """Return a domain in A-labels (RFC 5890), as it travels in mail and DNS.

    Raises ValueError where it has none.
    """
    if domain.isascii():
        return domain
    import idna  # here, for its tables: most lists never need them

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError(str(error)) from None
