"""A small world for the commands of the desk: three feeds, a list of them, two rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.veille.server import Site, serving

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>La Revue</title><link>{site}</link><language>fr</language>
<item><title>Le café qui éteint</title><link>{site}/eteint?utm_source=rss</link>
<pubDate>Thu, 19 Nov 2026 08:00:00 GMT</pubDate>
<description>&lt;p&gt;Un &lt;b&gt;café&lt;/b&gt; d’Amiens.&lt;/p&gt;</description></item>
<item><title>Deux cafés</title><link>{site}/deux</link></item>
<item><title>Un article sponsorisé</title><link>{site}/sponsor</link></item>
</channel></rss>"""
OTHER = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Le Relais</title><id>urn:x</id>
<updated>2026-11-20T08:00:00Z</updated>
<entry><title>Le café qui éteint</title><id>urn:y</id><updated>2026-11-20T08:00:00Z</updated>
<link href="{site}/eteint"/></entry></feed>"""
OPML = """<?xml version="1.0"?><opml version="2.0"><body><outline text="Cafés & co">
<outline type="rss" text="La Revue" xmlUrl="{site}/feed.xml"/>
<outline type="rss" text="Le Relais" xmlUrl="{site}/relais.atom"/>
<outline type="rss" text="Partie" xmlUrl="{site}/gone.xml"/>
</outline></body></opml>"""
RULES = """
[rules.sponsors]
do = "discard"
words = ["sponsoris*"]

[rules.cafe]
do = "tag"
tag = "café"
words = ["café*"]
where = "title"
"""
HERE = {
    "INFOLETTRE_VEILLE__ALLOW_PRIVATE": "127.0.0.0/8",
    "INFOLETTRE_VEILLE__SPACING": "0",
    "INFOLETTRE_LANGUAGE": "en",
    "INFOLETTRE_CURATOR": "Ada",
}


def write_rules(folder: Path, rules: str = RULES) -> None:
    """Add rules to the settings of a workspace."""
    with (folder / "infolettre.toml").open("a") as file:
        file.write(rules)


def write_lists(folder: Path, site: Site, opml: str = OPML) -> Path:
    """Write a list of the site's feeds, as a reader of feeds exports it; return its file."""
    file = folder / "lists.opml"
    file.write_text(opml.format(site=site.url("")))
    return file


@contextmanager
def feeding() -> Iterator[Site]:
    """Serve the feeds until the block ends."""
    with serving() as found:
        address = found.url("")
        found.put("/feed.xml", FEED.format(site=address), content_type="application/rss+xml")
        found.put("/relais.atom", OTHER.format(site=address), content_type="application/atom+xml")
        yield found
