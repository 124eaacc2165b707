"""Which addresses may be fetched: none that leads into the network that the house stands in.

Decides only. ``fetch.py`` asks three times: for each address before a request (redirects too),
for what a name resolves to, and for the address that a socket is about to connect to.
"""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from yarl import URL

from pipeline.errors import FetchError, InputError
from pipeline.words import mark

Networks = tuple[IPv4Network | IPv6Network, ...]
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated
# A host whose last label is a number is an IPv4 address, in whatever notation:
# https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?", re.IGNORECASE)


def read_networks(texts: Iterable[str]) -> Networks:
    """Read ``veille.allow_private``; raises InputError naming what is no network."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            message = mark("veille.allow_private: “{text}” is no network; write 10.0.0.0/8 or ::1")
            raise InputError(message, text=text) from None
    return tuple(networks)


def is_allowed(address: str, networks: Networks = ()) -> bool:
    """Say whether a numeric ``address`` may be connected to: public, or in ``networks``.

    IPv4 within IPv6 (mapped, 6to4, NAT64) is judged as the IPv4 address that it leads to.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    inner = _embedded(ip)
    if any(one in network for one in (ip, inner) if one for network in networks):
        return True
    if inner is not None:
        return is_allowed(str(inner), networks)
    is_special = ip.is_multicast or ip.is_reserved or getattr(ip, "is_site_local", False)
    return ip.is_global and not is_special


def vet_url(url: str, networks: Networks = ()) -> URL:
    """Return the address to request; raises FetchError where it must not be requested.

    Refused: other schemes than http(s), a user name or password, no host, and hosts that are
    numbers, unless a plain public (or allowed) IP address.
    """
    try:
        parsed = URL(url)
        host = parsed.raw_host or ""
    except ValueError:
        raise FetchError(mark("“{url}” is no web address: correct it"), url=url) from None
    if parsed.scheme not in ("http", "https") or not host:
        message = mark("“{url}” is no web address: it begins with https:// or http://")
        raise FetchError(message, url=url)
    if parsed.raw_user is not None or parsed.raw_password is not None:
        message = mark("an address with a user name or password in it is not fetched: remove them")
        raise FetchError(message, url=str(parsed.with_user(None)))
    if (":" in host or _NUMBER.fullmatch(host)) and not is_allowed(host, networks):
        raise refusal(host)
    return parsed


def refusal(host: str) -> FetchError:
    """Return the error for a host that leads into a private network."""
    return FetchError(
        mark(
            "{host} leads to a private or reserved address, which is not fetched; if it is yours,"
            " name its network in veille.allow_private (infolettre.toml)"
        ),
        host=host,
    )


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address carries and leads to, if any."""
    if isinstance(ip, IPv4Address):
        return None
    if found := ip.ipv4_mapped or ip.sixtofour:
        return found
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None
