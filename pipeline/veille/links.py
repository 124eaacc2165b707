"""Addresses of pages: which ones are usable, what in them only tracks, and when two are one page.

Three different things are kept apart: the address as the feed gave it (kept for ever), the
address to show (:func:`clean_url`), and the key by which two addresses name one page
(:func:`canonical_url`), which is never shown. Nothing here opens an address; whether one may be
fetched is the business of ``addresses.py``.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urljoin, urlsplit

import idna

MAX_URL: Final = 2000  # characters; longer ones break in mail programs, and no article needs it

# Query parameters that say where a reader came from and never which page is meant; the one list.
# From https://github.com/miniflux/v2 (internal/reader/urlcleaner: names, as facts), and what it
# misses on French and British sites. Names that mean something elsewhere (source, t, id, from,
# campaign_id) are left alone.
TRACKING_PREFIXES: Final = ("utm_", "mtm_", "pk_", "piwik_", "matomo_", "hsa_", "hmb_", "itm_")
_TRACKING: Final = """
# AT Internet, now Piano: Le Monde, Franceinfo (also in #xtor=), BBC
xtor xtref at_medium at_campaign at_campaign_type at_creation at_variant at_network at_term
at_format at_custom1 at_custom2 at_custom3 at_custom4 at_link_id at_link_type at_link_origin
at_ptr_name at_bbc_team at_general_placement at_emailtype at_send_date
# click identifiers: Meta, Google, Microsoft, Yandex, X, TikTok, Instagram
fbclid fb_action_ids fb_action_types fb_ref fb_source fb_comment_id igshid igsh
gclid dclid gbraid wbraid gclsrc srsltid _ga _gl msclkid yclid ysclid _openstat twclid ttclid
# newsletters and marketing suites; Webtrekk (heise)
mc_cid mc_eid mc_tc _hsenc _hsmi __hssc __hstc __hsfp hsctatracking mkt_tok vero_id vero_conv
oly_anon_id oly_enc_id rb_clickid wickedid sc_cid _bhlid _branch_match_id _branch_referrer
__readwiselocation ck_subscriber_id wt_mc wt_zmc
# comScore
ns_mchannel ns_source ns_campaign ns_linkname ns_fee
"""
TRACKING_NAMES: Final = frozenset(
    name for line in _TRACKING.splitlines() if not line.startswith("#") for name in line.split()
)
# Dropped, as browsers drop line breaks; surrogates and invisible characters with them.
_CONTROLS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]+"
)
_UNSAFE: Final = re.compile(r"[ {}<>\"\\^`]")  # never raw in an address (RFC 3986, 2.2 and 2.3)
_WWW: Final = re.compile(r"^(?:www\.)+(?=[^.]+\.)")
_GOOGLE: Final = re.compile(r"(?:www\.)?google\.[a-z]{2,3}(?:\.[a-z]{2})?")
# RFC 3986: reserved and unreserved characters, and "%" of what is encoded already
_SAFE: Final = "/%:?#[]@!$&'()*+,;=-._~"


def web_url(link: str, *, base: str = "") -> str | None:
    """Return ``link`` as an absolute http(s) address, or None where it is none.

    Refused: other schemes (``javascript:``, ``data:``, ``mailto:``), no host, over MAX_URL
    characters. Braces are encoded: a feed's address must never be read as a merge tag.
    """
    link = (link if link.isprintable() else _CONTROLS.sub("", link)).strip(" ")
    if not link or len(link) > MAX_URL:
        return None
    # what is whole already comes back from a join as it is, unless its end is a bare sign
    if link.startswith(("https://", "http://")) and link[-1] not in "#?;":
        return _vetted(link)
    try:
        return _vetted(urljoin(base, link))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _vetted(joined: str) -> str | None:
    """Return an absolute address as it may be requested; a feed names each more than once."""
    try:
        parts = urlsplit(joined)
        if parts.scheme not in ("http", "https") or parts.port == 0:
            return None
    except ValueError:  # “[” without “]”, a port that is no number
        return None
    if not parts.hostname or _UNSAFE.search(parts.netloc):
        return None
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", joined)


def clean_url(url: str, *sites: str) -> str:
    """Return ``url`` without what only tracks; the page it names stays the same.

    The rest is kept to the letter: path, and order and spelling of the query. ``ref=`` goes only
    when it names one of ``sites`` (the feed's address, its site), as Ghost adds it to every link.

    >>> clean_url("https://a.example/x?b=2&utm_source=rss&a=1#xtor=RSS-1")
    'https://a.example/x?b=2&a=1'
    >>> clean_url("https://a.example/x?ref=blog.example", "https://blog.example/feed")
    'https://a.example/x'
    """
    if "=" not in url:
        return url
    hosts = {host for host in map(host_of, sites) if host}
    head, _, fragment = url.partition("#")
    path, _, query = head.partition("?")
    cleaned = path + _filtered("?", query, hosts) + _filtered("#", fragment, hosts)
    # an empty query or fragment ("…/?") is not tracking: leave such an address as it came
    return cleaned if _has_tracking(query, hosts) or _has_tracking(fragment, hosts) else url


def canonical_url(url: str) -> str:
    """Return the key under which ``url`` and its other spellings are one page.

    http and https, www or not, default ports, tracking and fragments do not count; path case and
    query order do. ``#!`` names a page and stays. What is no address comes back as it is.

    >>> canonical_url("http://WWW.Example.com:80/A?utm_source=x&b=1#top")
    'https://example.com/A?b=1'
    """
    try:
        parts = urlsplit(url)
        host, port = site_key(parts.hostname or ""), parts.port
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not host:
        return url
    place = f"[{host}]" if ":" in host else host
    if port is not None and port not in (80, 443):
        place = f"{place}:{port}"
    fragment = f"#{parts.fragment}" if parts.fragment.startswith("!") else ""
    rest = (parts.path or "/") + _filtered("?", parts.query, set()) + fragment
    return f"https://{place}{quote(rest, safe=_SAFE)}"


def unwrap_url(url: str) -> str:
    """Return the article's own address from a Google Alerts link, any other as it is."""
    if "/url" not in url:
        return url
    try:
        parts = urlsplit(url)
        if parts.path != "/url" or not _GOOGLE.fullmatch(parts.hostname or ""):
            return url
        query = parse_qs(parts.query)
    except ValueError:
        return url
    for name in ("url", "q"):
        for value in query.get(name, ()):
            if found := web_url(value):
                return found
    return url


@lru_cache(maxsize=256)
def host_of(address: str) -> str:
    """Return the host of an address or a bare host, without ``www.``, or ``""``."""
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        return site_key(parts.hostname or "")
    except ValueError:
        return ""


@lru_cache(maxsize=256)
def site_key(host: str) -> str:
    """Return ``host`` in lower case and ASCII, without ``www.`` and the final dot."""
    host = host.lower().rstrip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return host
    return _WWW.sub("", host)


def _filtered(sign: str, query: str, hosts: set[str]) -> str:
    if not query:
        return ""
    kept = [pair for pair in query.split("&") if not _is_tracking(pair, hosts)]
    joined = "&".join(kept)
    return sign + joined if joined else ""


def _has_tracking(query: str, hosts: set[str]) -> bool:
    return any(_is_tracking(pair, hosts) for pair in query.split("&"))


def _is_tracking(pair: str, hosts: set[str]) -> bool:
    name, equals, value = pair.partition("=")
    name = unquote(name).lower()
    if not equals:
        return False
    if name == "ref":
        return host_of(unquote(value)) in hosts
    return name in TRACKING_NAMES or name.startswith(TRACKING_PREFIXES)
