"""What a page says of itself in JSON-LD (https://schema.org/Article), as plain fields.

Publishers write it by hand and by plugin: in lists, in ``@graph``, by reference to an ``@id``,
with comments around and line breaks within. What cannot be read is as if it were not there.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_SCRIPT: Final = 500_000  # characters
_MAX_NODES: Final = 5_000
_ARTICLES: Final = frozenset(
    {
        "Article",
        "AdvertiserContentArticle",
        "AnalysisNewsArticle",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The fields of the first article (else page) that the scripts describe."""

    title: str = ""
    authors: tuple[str, ...] = ()
    publisher: str = ""
    date: str = ""
    language: str = ""
    description: str = ""


def read_json_ld(scripts: Iterable[str]) -> Said:
    """Return what the scripts say of their article, empty fields where they say nothing."""
    nodes = [node for script in scripts for node in _nodes(_load(script))]
    by_id = {str(node["@id"]): node for node in reversed(nodes) if len(node) > 1 and "@id" in node}
    for wanted in (_ARTICLES, _PAGES):
        for node in nodes:
            if wanted & set(_texts(node.get("@type"))):
                return _said(node, by_id)
    return Said()


def _said(node: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> Said:
    return Said(
        title=_first(node.get("headline")) or _first(node.get("name")),
        authors=tuple(_names(node.get("author") or node.get("creator"), by_id)),
        publisher=next(_names(node.get("publisher"), by_id), ""),
        date=_first(node.get("datePublished")) or _first(node.get("dateCreated")),
        language=next(_names(node.get("inLanguage"), by_id), ""),
        description=_first(node.get("description")),
    )


def _load(script: str) -> Any:
    try:
        return json.loads(_WRAPPING.sub("", script[:MAX_SCRIPT]), strict=False)
    except (ValueError, RecursionError):
        return None


def _nodes(found: Any) -> list[dict[str, Any]]:
    """Return every object in ``found``, outermost first, at most _MAX_NODES."""
    waiting: list[Any] = [found]
    nodes: list[dict[str, Any]] = []
    while waiting and len(nodes) < _MAX_NODES:
        one = waiting.pop(0)
        if isinstance(one, dict):
            nodes.append(one)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return nodes


def _names(found: Any, by_id: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of a person, an organisation, a language, or a list of these."""
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, str):
            yield from [one] if one.strip() else []
        elif isinstance(one, dict):
            known = by_id.get(str(one.get("@id")), {}) if "name" not in one else one
            name = _first(known.get("name")) or _first(one.get("alternateName"))
            yield from [name] if name else []


def _texts(found: Any) -> list[str]:
    listed = found if isinstance(found, list) else [found]
    return [one for one in listed if isinstance(one, str)]


def _first(found: Any) -> str:
    return next((text.strip() for text in _texts(found) if text.strip()), "")
