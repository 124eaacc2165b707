"""What a page says of itself in JSON-LD (https://schema.org/Article), as plain fields.

Publishers write it by hand and by plugin: in lists, in ``@graph``, by reference to an ``@id``,
with comments around and line breaks within. What cannot be read is as if it were not there.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pipeline.veille.links import canonical_url, web_url

MAX_SCRIPT: Final = 500_000  # characters
_MAX_NODES: Final = 5_000  # of all scripts
_ARTICLES: Final = frozenset(
    {
        "Article",
        "AdvertiserContentArticle",
        "AnalysisNewsArticle",
        "AskPublicNewsArticle",
        "BackgroundNewsArticle",
        "BlogPosting",
        "LiveBlogPosting",
        "NewsArticle",
        "OpinionNewsArticle",
        "Report",
        "ReportageNewsArticle",
        "ReviewNewsArticle",
        "ScholarlyArticle",
        "TechArticle",
    }
)
_PAGES: Final = frozenset({"WebPage", "ItemPage", "VideoObject", "PodcastEpisode", "Book", "Event"})
_WRAPPING: Final = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|(?://\s*)?\]\]>)\s*$"
)
# What templates get wrong most: a comma behind the last member, a backslash that escapes nothing.
_LAST_COMMA: Final = re.compile(r",(?=\s{0,100}[}\]])")
_LOST_BACKSLASH: Final = re.compile(r'\\(?:(["\\/bfnrtu])|)')
_DECODER: Final = json.JSONDecoder(strict=False)  # line breaks within strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The fields of the first article (else page) that the scripts describe.

    ``site`` is the name of a WebSite, ``publisher`` often that of a company. ``words`` are those
    of the whole text, 0 where it does not say; ``is_paid`` says that a part is for subscribers.
    """

    title: str = ""
    authors: tuple[str, ...] = ()
    site: str = ""
    publisher: str = ""
    date: str = ""
    language: str = ""
    description: str = ""
    images: tuple[str, ...] = ()
    words: int = 0
    is_paid: bool = False


Nodes = Mapping[str, Mapping[str, Any]]


def read_json_ld(scripts: Iterable[str], *, url: str = "") -> Said:
    """Return what the scripts say of their article, empty fields where they say nothing.

    Of several articles, the one that gives ``url`` as its own is meant, else the outermost first.
    """
    found = (node for script in scripts for node in _nodes(_load(script)))
    nodes = list(islice(found, _MAX_NODES))
    by_id = _by_id(nodes)
    site = next((node for node in nodes if "WebSite" in _types(node)), {})
    for wanted in (_ARTICLES, _PAGES):
        fitting = [node for node in nodes if wanted & _types(node)]
        if fitting:
            own = next((node for node in fitting if _is_about(node, url)), fitting[0])
            return _said(own, by_id, site=_first(site.get("name")))
    return Said(site=_first(site.get("name")))


def _said(node: Mapping[str, Any], by_id: Nodes, *, site: str) -> Said:
    return Said(
        title=_first(node.get("headline")) or _first(node.get("name")),
        authors=tuple(_names(node.get("author") or node.get("creator"), by_id)),
        site=site,
        publisher=next(_names(node.get("publisher"), by_id), ""),
        date=_first(node.get("datePublished")) or _first(node.get("dateCreated")),
        language=next(_names(node.get("inLanguage"), by_id), ""),
        description=_first(node.get("description")),
        images=tuple(
            _images([node.get(name) for name in ("image", "thumbnailUrl", "thumbnail")], by_id)
        ),
        words=_count(node),
        is_paid=str(node.get("isAccessibleForFree", "")).lower() == "false",
    )


def _load(script: str) -> Any:
    text = _WRAPPING.sub("", script[:MAX_SCRIPT]).strip()
    for mend in (lambda one: one, _mended):
        try:
            # raw: what stands behind the object (a semicolon, a second one) does no harm
            return _DECODER.raw_decode(mend(text))[0]
        except (ValueError, RecursionError):
            continue
    return None


def _mended(text: str) -> str:
    text = _LOST_BACKSLASH.sub(lambda found: found[0] if found[1] else "", text)
    return _LAST_COMMA.sub("", text)


def _nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in ``found``, outermost first."""
    waiting: deque[Any] = deque([found])
    while waiting:
        one = waiting.popleft()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _by_id(nodes: Sequence[Mapping[str, Any]]) -> Nodes:
    """Return the nodes by their ``@id``; one that is described in several places is one node."""
    known: dict[str, dict[str, Any]] = {}
    for node in nodes:
        if isinstance(name := node.get("@id"), str):
            merged = known.setdefault(name, {})
            for key, value in node.items():
                merged.setdefault(key, value)
    return known


def _is_about(node: Mapping[str, Any], url: str) -> bool:
    """Say whether the node gives the page's address as its own."""
    page = node.get("mainEntityOfPage")
    if isinstance(page, dict):
        page = page.get("@id") or page.get("url")
    wanted = canonical_url(url)
    given = [one for one in (node.get("url"), page, node.get("@id")) if isinstance(one, str)]
    own = (web_url(one, base=url) for one in given)
    return any(one is not None and canonical_url(one) == wanted for one in own)


def _names(found: Any, by_id: Nodes) -> Iterator[str]:
    """Yield the names of a person, an organisation, a language, or a list of these."""
    for one in _listed(found):
        if isinstance(one, str):
            yield from [one] if one.strip() else []
        elif isinstance(one, dict):
            name = _name(one) or _name(by_id.get(str(one.get("@id")), {}))
            yield from [name] if name else []


def _name(node: Mapping[str, Any]) -> str:
    parts = (_first(node.get(one)) for one in ("givenName", "familyName"))
    full = " ".join(part for part in parts if part)
    return _first(node.get("name")) or full or _first(node.get("alternateName"))


def _images(found: Sequence[Any], by_id: Nodes) -> Iterator[str]:
    """Yield the addresses of pictures: texts, ImageObjects, lists and references."""
    for one in (each for group in found for each in _listed(group)):
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            known = {**by_id.get(str(one.get("@id")), {}), **one}
            yield from _texts(known.get("url"))
            yield from _texts(known.get("contentUrl"))


def _count(node: Mapping[str, Any]) -> int:
    count = node.get("wordCount")
    if isinstance(count, str) and count.isascii() and count.isdecimal():
        count = int(count[:9])
    if isinstance(count, int) and 0 < count < 1_000_000:
        return int(count)
    return len(_first(node.get("articleBody")).split())


def _types(node: Mapping[str, Any]) -> set[str]:
    """Return the kinds of a node; ``http://schema.org/Article`` and ``schema:Article`` are one."""
    return {re.split("[/:#]", one)[-1] for one in _texts(node.get("@type"))}


def _listed(found: Any) -> list[Any]:
    if isinstance(found, dict) and "@list" in found:
        found = found["@list"]
    return found if isinstance(found, list) else [found]


def _texts(found: Any) -> list[str]:
    return [one for one in _listed(found) if isinstance(one, str)]


def _first(found: Any) -> str:
    return next((text.strip() for text in _texts(found) if text.strip()), "")
