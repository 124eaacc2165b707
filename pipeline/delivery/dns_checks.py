"""What the DNS says of a sender's domain: SPF, DKIM, DMARC and its alignment, MX, PTR (T1, T2).

Read, then judge: each ``judge_…`` takes records and returns a finding. Nothing is changed, and a
DNS that does not answer is no fault of the domain's.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pipeline.audience.address import domain_to_ascii
from pipeline.delivery.findings import Finding, bad, fine, warn
from pipeline.words import mark

LEAST_BITS: Final = 1024  # RFC 8301 §3.2; Gmail refuses less
GOOD_BITS: Final = 2048
LIFETIME: Final = 5.0  # seconds for one question
MAX_LABELS: Final = 8  # the tree is not walked higher than this below its root

_ALL: Final = re.compile(r"(?:^| )([+?~-]?)all(?: |$)", re.IGNORECASE)


class UnreachableDns(Exception):
    """No server answered: nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dkim:
    """Where a signature's public key is: ``selector._domainkey.domain``, and maybe a second one."""

    selector: str
    domain: str
    second_selector: str = ""

    @property
    def names(self) -> list[str]:
        """Return the names at which keys are to be found."""
        selectors = [one for one in (self.selector, self.second_selector) if one]
        return [f"{one}._domainkey.{_ascii(self.domain)}" for one in selectors]


def open_resolver(server: str = "") -> dns.resolver.Resolver:
    """Return the system's resolver, or one that asks ``server`` (``192.0.2.1`` or with ``:port``).

    Raises ValueError where ``server`` is no IP address, UnreachableDns where the system has none.
    """
    if not server:
        try:
            resolver = dns.resolver.Resolver()
        except dns.exception.DNSException as error:
            raise UnreachableDns(str(error)) from None
    else:
        host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [str(ip_address(host))]
        resolver.port = int(port or 53)
    resolver.lifetime = LIFETIME
    return resolver


def check_sender(
    domain: str, *, resolver: dns.resolver.Resolver, dkim: Dkim | None = None
) -> list[Finding]:
    """Return what is found of a domain that stands in From. Raises UnreachableDns."""
    domain = _ascii(domain)
    walked = _walk(resolver, domain)
    at = next(iter(walked), domain)
    found = [
        judge_spf(_texts(resolver, domain), domain=domain),
        *_check_dkim(domain, resolver=resolver, dkim=dkim),
        judge_dmarc(walked.get(at, []), domain=domain, at=at),
        _check_mx(domain, resolver=resolver),
    ]
    if dkim is not None and walked:
        is_strict = walked[at][0].get("adkim") == "s"
        found.append(_check_alignment(domain, resolver=resolver, dkim=dkim, is_strict=is_strict))
    return found


def check_reverse(host: str, *, resolver: dns.resolver.Resolver) -> list[Finding]:
    """Return whether the addresses of our own server have names that lead back (RFC 1912 §2.1).

    Private and loopback addresses are passed over: others see the gateway's. Raises
    UnreachableDns.
    """
    try:
        addresses = [str(ip_address(host))]
    except ValueError:
        addresses = [one for kind in ("A", "AAAA") for one in _records(resolver, host, kind)]
    return [_reverse(one, resolver) for one in addresses if ip_address(one).is_global]


# --- asking -----------------------------------------------------------------------------------


def _ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[dns.rdata.Rdata]:
    """Return the records of a name: none where there is no such name or record."""
    try:
        return list(resolver.resolve(name, kind, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.SyntaxError, dns.exception.FormError, dns.name.IDNAException):
        return []
    except (dns.exception.DNSException, OSError) as error:  # timeout, refused, no route
        raise UnreachableDns(str(error)) from None


def _ascii(domain: str) -> str:
    """Return a domain as the DNS has it; what is none of its names has no records there."""
    try:
        return domain_to_ascii(domain).lower()
    except ValueError:
        return domain


def _records(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    return [one.to_text() for one in _ask(resolver, name, kind)]


def _texts(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    """Return the TXT records, each with its strings joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2)."""
    found = _ask(resolver, name, "TXT")
    return [b"".join(getattr(one, "strings", ())).decode("utf-8", "replace") for one in found]


# --- SPF --------------------------------------------------------------------------------------


def judge_spf(records: Sequence[str], *, domain: str) -> Finding:
    """Judge a domain's TXT records (RFC 7208 §4.5): one policy, and not one for everybody."""
    about = f"SPF {domain}"
    found = [one for one in records if re.match(r"v=spf1(?: |$)", one, re.IGNORECASE)]
    if not found:
        return bad(
            about,
            mark("{domain} has no SPF record"),
            mark("publish a TXT record at {domain}: “v=spf1 … -all”, with what your provider says"),
            domain=domain,
        )
    if len(found) > 1:
        return bad(
            about,
            mark("{domain} has {count} SPF records: with more than one, none counts"),
            mark("join them into one TXT record"),
            domain=domain,
            count=len(found),
        )
    end = _ALL.search(found[0])
    if end and end[1] in ("", "+"):
        return bad(
            about,
            mark("the SPF record of {domain} lets anybody send: {record}"),
            mark("end it with “-all” or “~all”"),
            domain=domain,
            record=found[0][:200],
        )
    return fine(about, mark("{domain} has one SPF record"), domain=domain)


# --- DKIM -------------------------------------------------------------------------------------


def _check_dkim(
    domain: str, *, resolver: dns.resolver.Resolver, dkim: Dkim | None
) -> list[Finding]:
    if dkim is None:
        return [
            warn(
                f"DKIM {domain}",
                mark("no DKIM selector is known here, so the key of {domain} was not looked at"),
                mark(
                    "set “dkim.domain” and “dkim.selector”, or check at your provider that it signs"
                ),
                domain=domain,
            )
        ]
    is_alone = len(dkim.names) == 1
    return [judge_dkim(_texts(resolver, name), name=name, is_alone=is_alone) for name in dkim.names]


def judge_dkim(records: Sequence[str], *, name: str, is_alone: bool = True) -> Finding:
    """Judge the TXT records of a selector (RFC 6376 §3.6.1, RFC 8301, RFC 8463).

    An Ed25519 key ``is_alone`` where no second key signs: many cannot check it yet.
    """
    about = f"DKIM {name}"
    tags = next((tags for one in records if "p" in (tags := _tags(one))), None)
    if tags is None:
        what = mark("there is no DKIM key at {name}")
        return bad(about, what, mark("publish the public key there as a TXT record"), name=name)
    key = "".join(tags["p"].split())
    if not key:
        what = mark("the DKIM key at {name} is revoked: “p” is empty")
        return bad(about, what, mark("publish a new key, and sign with it"), name=name)
    if tags.get("k", "rsa").lower() == "ed25519":
        if not is_alone:
            return fine(about, mark("the DKIM key at {name} is Ed25519"), name=name)
        what = mark("the DKIM key at {name} is Ed25519, which many cannot check yet")
        return warn(about, what, mark("sign with an RSA key of 2048 bits as well"), name=name)
    bits = _bits(key)
    if bits is None:
        what = mark("the DKIM key at {name} cannot be read")
        return bad(about, what, mark("publish it again, whole: base64 behind “p=”"), name=name)
    if bits < GOOD_BITS:
        grave = bad if bits < LEAST_BITS else warn
        what = mark("the DKIM key at {name} has {bits} bits")
        return grave(about, what, mark("make one of 2048 bits"), name=name, bits=bits)
    return fine(about, mark("the DKIM key at {name} has {bits} bits"), name=name, bits=bits)


def _bits(key: str) -> int | None:
    try:
        found = load_der_public_key(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return found.key_size if isinstance(found, RSAPublicKey) else None


def _tags(record: str) -> dict[str, str]:
    """Read ``v=…; k=…`` (RFC 6376 §3.2)."""
    pairs = (one.partition("=") for one in record.split(";"))
    return {name.strip().lower(): value.strip() for name, is_tag, value in pairs if is_tag}


# --- DMARC ------------------------------------------------------------------------------------


def _policies(resolver: dns.resolver.Resolver, domain: str) -> list[dict[str, str]]:
    """Return the DMARC records right at a domain (RFC 7489 §6.6.3)."""
    found = _texts(resolver, f"_dmarc.{domain}")
    return [_tags(one) for one in found if re.match(r"v\s*=\s*DMARC1\s*(?:;|$)", one)]


def _walk(resolver: dns.resolver.Resolver, domain: str) -> dict[str, list[dict[str, str]]]:
    """Return the domains from ``domain`` up that have a DMARC record, the lowest first.

    This is the tree walk that takes the place of the Public Suffix List in DMARC's revision
    (draft-ietf-dmarc-dmarcbis §4.8), so that no list has to be kept up to date.
    """
    labels = domain.split(".")
    tails = [
        labels,
        *(labels[at:] for at in range(1, len(labels)) if len(labels) - at < MAX_LABELS),
    ]
    names = [".".join(tail) for tail in tails]
    return {name: found for name in names if (found := _policies(resolver, name))}


def organisational_domain(resolver: dns.resolver.Resolver, domain: str) -> str:
    """Return the domain that DMARC compares: the highest with a record. Raises UnreachableDns."""
    walked = _walk(resolver, domain)
    for name, found in walked.items():
        if found[0].get("psd") == "n":
            return name
    highest = list(walked)[-1] if walked else domain
    if walked and walked[highest][0].get("psd") == "y":  # a registry's: ours is one label below
        kept = highest.count(".") + 2
        return ".".join(domain.split(".")[-kept:])
    return highest


def judge_dmarc(policies: Sequence[dict[str, str]], *, domain: str, at: str) -> Finding:
    """Judge the records that hold for ``domain``, found ``at`` it or above (T1: p=none will do)."""
    about = f"DMARC {domain}"
    if not policies:
        return bad(
            about,
            mark("{domain} has no DMARC record"),
            mark("publish a TXT record at _dmarc.{domain}: “v=DMARC1;p=none” to begin with"),
            domain=domain,
        )
    if len(policies) > 1:
        return bad(
            about,
            mark("_dmarc.{at} has {count} DMARC records: with more than one, none counts"),
            mark("keep one of them"),
            at=at,
            count=len(policies),
        )
    policy = policies[0].get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        return bad(
            about,
            mark("the DMARC record of {at} has no policy that counts"),
            mark("begin it with “v=DMARC1;p=none”, or quarantine, or reject"),
            at=at,
        )
    return fine(about, mark("the DMARC record of {at} says {policy}"), at=at, policy=f"p={policy}")


def _check_alignment(
    domain: str, *, resolver: dns.resolver.Resolver, dkim: Dkim, is_strict: bool
) -> Finding:
    """Compare From with the signing domain, by organisation or to the letter (RFC 7489 §3.1.1)."""
    about = f"DMARC {domain}"
    signing = _ascii(dkim.domain)
    if domain == signing or (not is_strict and _are_one(resolver, domain, signing)):
        what = mark("the signatures of {signing} stand for {domain}: they are aligned")
        return fine(about, what, signing=signing, domain=domain)
    return bad(
        about,
        mark("the signatures of {signing} do not stand for {domain}: DMARC does not count them"),
        mark("sign with {domain}, or send from an address of {signing}"),
        signing=signing,
        domain=domain,
    )


def _are_one(resolver: dns.resolver.Resolver, *domains: str) -> bool:
    return len({organisational_domain(resolver, one) for one in domains}) == 1


# --- MX and PTR -------------------------------------------------------------------------------


def _check_mx(domain: str, *, resolver: dns.resolver.Resolver) -> Finding:
    """Say whether answers and bounces reach the domain (RFC 5321 §5.1, RFC 7505)."""
    about = f"MX {domain}"
    found = _records(resolver, domain, "MX")
    if [one.split()[-1] for one in found] == ["."]:
        return bad(
            about,
            mark("{domain} says that it takes no mail: answers and bounces would be lost"),
            mark("send from a domain that takes mail, or remove its null MX record"),
            domain=domain,
        )
    if found:
        return fine(about, mark("{domain} takes mail"), domain=domain)
    if _records(resolver, domain, "A") or _records(resolver, domain, "AAAA"):
        return warn(
            about,
            mark("{domain} has no MX record: some servers will not write to it"),
            mark("publish an MX record that names its mail server"),
            domain=domain,
        )
    return bad(
        about,
        mark("{domain} takes no mail: it has neither MX nor address records"),
        mark("publish an MX record that names its mail server, or check how the domain is spelt"),
        domain=domain,
    )


def _reverse(address: str, resolver: dns.resolver.Resolver) -> Finding:
    names = _records(resolver, dns.reversename.from_address(address).to_text(), "PTR")
    kind = "AAAA" if ":" in address else "A"
    facts = {"address": address, "name": names[0].rstrip(".") if names else ""}
    if not names:
        return bad(
            f"PTR {address}",
            mark("{address} has no name in the DNS: Gmail and others refuse its mail"),
            mark("ask whoever rents you the machine to set its reverse DNS to the server's name"),
            **facts,
        )
    if any(address in _records(resolver, name, kind) for name in names):
        what = mark("{address} is called {name}, and {name} leads back to it")
        return fine(f"PTR {address}", what, **facts)
    return bad(
        f"PTR {address}",
        mark("{address} is called {name}, but {name} does not lead back to it"),
        mark("give {name} an address record of {address}, or correct the reverse DNS"),
        **facts,
    )
