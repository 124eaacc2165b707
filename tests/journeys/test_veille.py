"""From a feed on the web to an item of the letter, with the command alone."""

import difflib
import json
from pathlib import Path

import pytest

from tests.journeys.workshop import NEWEST, copy_workspace, run
from tests.veille.server import Site, serving

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>La Revue</title><link>{site}</link>
<item><title>Le café qui éteint</title><link>{site}/eteint?utm_source=rss</link>
<pubDate>Thu, 19 Nov 2026 08:00:00 GMT</pubDate>
<description>&lt;p&gt;Un &lt;b&gt;café&lt;/b&gt; d’Amiens.&lt;/p&gt;</description></item>
<item><title>Deux cafés</title><link>{site}/deux</link></item>
</channel></rss>"""
OPML = """<?xml version="1.0"?><opml version="2.0"><body><outline text="Essai">
<outline type="rss" text="La Revue" xmlUrl="{site}/feed.xml"/>
<outline type="rss" text="Partie" xmlUrl="{site}/gone.xml"/>
</outline></body></opml>"""
LOOPBACK = {"INFOLETTRE_VEILLE__ALLOW_PRIVATE": "127.0.0.0/8", "INFOLETTRE_LANGUAGE": "en"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "cercle", NEWEST)


def write_feeds(site: Site, workspace: Path) -> None:
    address = site.url("")
    site.put("/feed.xml", FEED.format(site=address), content_type="application/rss+xml")
    (workspace / "watchlists.opml").write_text(OPML.format(site=address))


def added_lines(before: list[str], after: list[str]) -> str:
    """Return what is new; fail where anything else moved."""
    changes = difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
    assert {kind for kind, *_ in changes} == {"equal", "insert"}
    return "\n".join(
        line for kind, _, _, i, j in changes if kind == "insert" for line in after[i:j]
    )


def test_an_entry_goes_from_the_feed_into_the_letter(workspace: Path) -> None:
    file = workspace / "issues" / NEWEST / "issue.yaml"
    before = file.read_text().splitlines()
    with serving() as site:
        write_feeds(site, workspace)
        pulled = run(workspace, "veille", "pull", **LOOPBACK)
    assert pulled.code == 0
    assert "Feeds: 2 · new entries: 2 · out of reach: 1" in pulled.out
    assert "Partie" in pulled.err
    listed = json.loads(run(workspace, "veille", "list", "--json").out)
    assert {one["title"] for one in listed} == {"Le café qui éteint", "Deux cafés"}
    chosen = next(one for one in listed if one["title"] == "Le café qui éteint")
    kept = run(workspace, "veille", "keep", chosen["id"][:8], "--issue", NEWEST)
    assert kept.code == 0
    added = added_lines(before, file.read_text().splitlines())
    assert "- title: Le café qui éteint" in added
    assert "utm_source" not in added
    assert run(workspace, "validate", NEWEST).code == 0
    again = run(workspace, "veille", "keep", chosen["id"], "--issue", NEWEST, **LOOPBACK)
    assert again.code == 1
    assert "Traceback" not in again.err


def test_a_page_is_added_by_its_address(workspace: Path) -> None:
    page = (
        "<html lang=fr><head><title>x</title><meta property='og:title' content='Une page'>"
        "<meta property='og:site_name' content='Le Site'></head><body>…</body></html>"
    )
    with serving() as site:
        url = site.put("/page", page, content_type="text/html; charset=utf-8")
        done = run(workspace, "veille", "add", url, **LOOPBACK)
    assert done.code == 0
    assert "Une page" in done.out


def test_a_page_on_this_machine_is_refused_unless_allowed(workspace: Path) -> None:
    with serving() as site:
        url = site.put("/page", "<title>x</title>", content_type="text/html")
        done = run(workspace, "veille", "add", url, INFOLETTRE_LANGUAGE="en")
    assert done.code == 1
    assert site.requests == []
    assert "allow_private" in done.err


def test_the_lists_that_ship_can_be_read_and_fail_softly(workspace: Path) -> None:
    done = run(workspace, "veille", "list")
    assert done.code == 0
    assert "veille pull" in done.out
