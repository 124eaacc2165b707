"""Feeds, entries, settings and workspaces for these tests, each with plain defaults."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from pipeline.settings import Settings, Veille
from pipeline.veille.item import Entry, entry_id, page_key
from pipeline.workspace import Workspace

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

LETTER = """\
# La lettre du lundi
number: 43      # suit le 42
title: "Des cafés partout"
date: 2026-11-30
language: fr

blocks:
  - block: edito
    body: |
      Bonjour.   

      # pas un commentaire
  # la veille de Gwenola
  - block: veille
    heading: "🔎 La veille"
    items:
      # le premier, toujours
      - title: 'Une lecture'
        url:   https://lecture.example/a?b=1   # vérifié
        body: |
          Un texte.

  - {block: credits, body: "Merci à l'équipe"}
# fin
"""


def an_entry(url: str = "https://revue.example/a", **changes: Any) -> Entry:
    key = page_key(url)
    entry = Entry(
        id=entry_id(key),
        url=url,
        canonical_url=key,
        title="Des communs à l’école",
        seen_at=NOW,
        source="La Revue",
        watchlist="Numérique et société",
        authors=("Ada Martin",),
        published_at=datetime(2026, 11, 20, 8, 0, tzinfo=UTC),
        language="fr",
        excerpt="Une classe, un wiki.",
        site="https://revue.example/",
        feed_url="https://revue.example/flux.xml",
    )
    return replace(entry, **changes)


def rss(*items: str, title: str = "La Revue", link: str = "https://revue.example/") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>'
        f"<title>{title}</title><link>{link}</link><language>fr</language>"
        f"{''.join(items)}</channel></rss>"
    ).encode()


def rss_item(
    link: str = "https://revue.example/a",
    title: str = "Des communs",
    description: str = "Un texte.",
    more: str = "<pubDate>Fri, 20 Nov 2026 09:00:00 +0100</pubDate>",
) -> str:
    return (
        f"<item><title>{title}</title><link>{escape(link)}</link>"
        f"<description>{escape(description)}</description>{more}</item>"
    )


def opml(*outlines: str) -> bytes:
    return f'<opml version="2.0"><body>{"".join(outlines)}</body></opml>'.encode()


def watchlist(title: str, *urls: str) -> str:
    feeds = "".join(f'<outline text="Flux {i}" xmlUrl="{url}"/>' for i, url in enumerate(urls, 1))
    return f'<outline text="{title}">{feeds}</outline>'


def on_loopback(**changes: Any) -> Settings:
    """Settings that allow 127.0.0.1, and it alone."""
    veille = Veille(allow_private=("127.0.0.1/32",), timeout=5.0)
    return Settings(veille=replace(veille, **changes))


def a_workspace(root: Path, settings: Settings | None = None) -> Workspace:
    return Workspace(root=root, settings=settings or on_loopback())


def a_letter(workspace: Workspace, slug: str, text: str = LETTER) -> Path:
    folder = workspace.issues / slug
    folder.mkdir(parents=True)
    (folder / "issue.yaml").write_bytes(text.encode())
    return folder
