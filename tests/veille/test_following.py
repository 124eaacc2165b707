"""Following feeds by address, importing and exporting: on real files and a real server."""

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from pipeline.errors import FetchError, InputError, MistakesError, WorkspaceError
from pipeline.veille.following import (
    Followed,
    export_opml,
    follow,
    import_opml,
    load_watchlists,
    move_feed,
    unfollow,
)
from pipeline.veille.watchlists import MAX_BYTES, Feed, Watchlist, read_watchlists
from pipeline.workspace import Workspace
from tests.veille.asking import redirect
from tests.veille.builders import NOW, a_workspace, on_loopback, opml, rss, rss_item, watchlist
from tests.veille.server import Answer, Site, serving

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
FEED = rss(rss_item())
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Un flux JSON",
        "home_page_url": "https://json.example/",
        "items": [{"id": "1", "url": "https://json.example/1", "title": "Un"}],
    }
)
OWN = """\
<opml version="2.0"><body>
  <!-- à nous -->
  <outline text="Presse">
    <outline text="A" xmlUrl="https://a.example/f" x="1"/>
  </outline>
  <outline text="Société"/>
</body></opml>
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return a_workspace(tmp_path, on_loopback(spacing=0.0))


@pytest.fixture
def own(workspace: Workspace) -> Workspace:
    workspace.watchlists.write_text(OWN, encoding="utf-8")
    return workspace


def following(workspace: Workspace, address: str, name: str | None = None) -> Followed:
    return follow(workspace, address, watchlist=name, now=NOW)


def page(*hrefs: str, kind: str = "application/rss+xml") -> str:
    links = "".join(f'<link rel="alternate" type="{kind}" href="{href}">' for href in hrefs)
    return f"<!doctype html><html><head>{links}</head><body><p>Bonjour</p></body></html>"


def test_a_feed_is_followed_under_its_own_title(own: Workspace, site: Site) -> None:
    url = site.put("/flux", FEED)

    found = following(own, url, "société")

    assert found == Followed(
        feed=Feed(title="La Revue", url=url, site="https://revue.example/"), watchlist="Société"
    )
    assert load_watchlists(own)[1].feeds == (found.feed,)
    assert "<!-- à nous -->" in own.watchlists.read_text(encoding="utf-8")
    assert site.paths() == ["/flux"]


def test_the_first_feed_begins_the_file(workspace: Workspace, site: Site) -> None:
    found = following(workspace, site.put("/flux", FEED))

    assert load_watchlists(workspace) == [Watchlist(title="Veille", feeds=(found.feed,))]


def test_without_a_name_the_first_list_takes_it_and_a_new_name_makes_a_list(
    own: Workspace, site: Site
) -> None:
    assert following(own, site.put("/1", FEED)).watchlist == "Presse"
    assert following(own, site.put("/2", FEED), "Nouvelle").watchlist == "Nouvelle"
    assert [one.title for one in load_watchlists(own)] == ["Presse", "Société", "Nouvelle"]


def test_the_address_of_a_site_leads_to_the_feed_that_it_names(own: Workspace, site: Site) -> None:
    url = site.put("/a/flux", FEED)
    home = site.put("/a/", page("/comments/feed", "flux", "/autre"))

    found = following(own, home)

    assert found.feed.url == url
    assert found.others == (site.url("/autre"), site.url("/comments/feed"))
    assert site.paths() == ["/a/", "/a/flux"]


def test_a_feed_that_is_named_and_gone_gives_way_to_the_next(own: Workspace, site: Site) -> None:
    site.put("/autre", FEED)

    assert following(own, site.put("/", page("/flux", "/autre"))).feed.url == site.url("/autre")


def test_without_a_name_the_usual_places_are_tried(own: Workspace, site: Site) -> None:
    url = site.put("/atom.xml", FEED)
    site.put("/rss", page())  # a site that answers everything with a page

    found = following(own, site.put("/blog", page()))

    assert found.feed.url == url
    assert site.paths() == ["/blog", "/feed", "/feed/", "/rss", "/rss.xml", "/atom.xml"]


def test_a_site_without_a_feed_says_what_was_tried_and_what_to_do(
    own: Workspace, site: Site
) -> None:
    with pytest.raises(FetchError) as caught:
        following(own, site.put("/", page()))

    assert "at /feed, /feed/, /rss, /rss.xml, /atom.xml" in str(caught.value)
    assert "give the address of that link" in str(caught.value)
    assert len(site.requests) == 9
    assert own.watchlists.read_text(encoding="utf-8") == OWN


def test_the_error_of_the_feed_that_a_page_names_is_told(own: Workspace, site: Site) -> None:
    site.answers["/flux"] = Answer(status=503)

    with pytest.raises(FetchError, match="/flux"):
        following(own, site.put("/", page("/flux")))


def test_a_json_feed_is_followed_as_any_other(own: Workspace, site: Site) -> None:
    url = site.put("/flux.json", JSON_FEED, Content_Type="application/feed+json")

    found = following(own, site.put("/", page("/flux.json", kind="application/feed+json")))

    assert found.feed == Feed(title="Un flux JSON", url=url, site="https://json.example/")


def test_json_that_is_no_feed_is_told(own: Workspace, site: Site) -> None:
    with pytest.raises(FetchError, match="no JSON Feed"):
        following(own, site.put("/api", '{"a": 1}'))


def test_a_feed_that_moved_for_good_is_followed_where_it_is(own: Workspace, site: Site) -> None:
    url = site.put("/neuf", FEED)
    site.answers["/vieux"] = redirect("/neuf", 301)
    site.answers["/ailleurs"] = redirect("/autre", 302)
    site.put("/autre", FEED)

    assert following(own, site.url("/vieux")).feed.url == url
    assert following(own, site.url("/ailleurs")).feed.url == site.url("/ailleurs")


@pytest.mark.parametrize("spelt", ["http://www.a.example/f/", "a.example/f", "feed://a.example/f"])
def test_what_is_followed_already_is_told_without_a_request(own: Workspace, spelt: str) -> None:
    with pytest.raises(InputError, match=r"“A” .* is followed already, in “Presse”"):
        following(own, spelt)


def test_a_site_whose_feed_is_followed_already_is_told(own: Workspace, site: Site) -> None:
    following(own, site.put("/flux", FEED), "Société")

    with pytest.raises(InputError, match=r"“La Revue” .* in “Société”"):
        following(own, site.put("/", page("/flux")))


@pytest.mark.parametrize("typed", ["", "  ", "javascript:alert(1)", "file:///etc/passwd", "a b c"])
def test_what_is_no_address_is_told(own: Workspace, typed: str) -> None:
    with pytest.raises(InputError, match="is no address of a site or a feed"):
        following(own, typed)


def test_a_private_address_is_refused_also_where_a_page_names_it(
    workspace: Workspace, site: Site
) -> None:
    site.put("/", page("http://127.0.0.2:1/flux", "file:///etc/passwd"))

    with pytest.raises(FetchError, match=r"127\.0\.0\.2 leads to a private"):
        following(workspace, site.url("/"))


def test_a_slow_site_is_given_up(tmp_path: Path, site: Site) -> None:
    workspace = a_workspace(tmp_path, on_loopback(spacing=0.0, timeout=0.2))
    slow = Answer(body=b"<rss>" + b" " * 1000, drip=0.05)
    for path in ("/feed", "/feed/", "/rss", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml"):
        site.answers[path] = slow

    with pytest.raises(FetchError, match="no feed is found"):
        following(workspace, site.put("/", page()))

    assert 2 <= len(site.requests) <= 1 + 6  # five times 0.2 s, and no more


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as one:
        yield one


def test_a_bare_host_is_asked_by_https(tmp_path: Path, authority: trustme.CA, secure: Site) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    settings = on_loopback(spacing=0.0, allow_private=("127.0.0.0/8", "::1"))
    secure.put("/", page("/flux"))
    secure.put("/flux", FEED)

    found = follow(
        a_workspace(tmp_path, settings), f"localhost:{secure.port}", now=NOW, tls=trusting
    )

    assert found.feed.url == f"https://localhost:{secure.port}/flux"


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus beside the repo")
def test_a_real_page_and_a_real_feed_are_followed(own: Workspace, site: Site) -> None:
    body = (CORPUS / "feedvalidator__feedfinder-tests_html4-030.html").read_bytes()
    # the page was archived, and names its feed where it was archived: both are on loopback here
    body = re.sub(rb"https?://web\.archive\.org/[^\"\s]*/", site.url("/feedfinder/").encode(), body)
    feed = (CORPUS / "picoFeed__lagrange.xml").read_bytes()
    url = site.put("/feedfinder/html4-030.xml", feed)

    found = following(own, site.put("/feedfinder/html4-030.html", body))

    assert found.feed.url == url
    assert site.paths() == ["/feedfinder/html4-030.html", "/feedfinder/html4-030.xml"]


# importing and exporting


def test_importing_begins_a_file_with_the_lists_and_folders(workspace: Workspace) -> None:
    file = workspace.root / "autre.opml"
    file.write_bytes(
        opml(
            '<outline text="L"><outline text="F">'
            '<outline text="A" xmlUrl="https://a.example/"/></outline></outline>'
        )
    )

    found = import_opml(workspace, file)

    feed = Feed(title="A", url="https://a.example/", folders=("F",))
    assert (found.added, found.known, found.mended, found.left_out) == ((feed,), 0, (), ())
    assert load_watchlists(workspace) == [Watchlist(title="L", feeds=(feed,))]


def test_importing_adds_what_is_new_to_the_lists_of_the_same_name(own: Workspace) -> None:
    file = own.root / "autre.opml"
    file.write_text(
        '<opml><body>\n<outline text="PRESSE">\n<outline text="R&D" xmlUrl="https://r.example/?a&b"/>\n'
        '<outline text="A" xmlUrl="http://www.a.example/f/"/>\n<outline text="x" xmlUrl="nul"/>\n'
        '</outline><outline text="Neuf"><outline xmlUrl="https://n.example/"/></outline>\n'
        "</body></opml>",
        encoding="utf-8",
    )

    found = import_opml(own, file)

    assert [feed.url for feed in found.added] == ["https://r.example/?a&b", "https://n.example/"]
    assert found.known == 1
    assert [one.line for one in found.mended] == [3]
    assert [one.line for one in found.left_out] == [5]
    assert [(one.title, len(one.feeds)) for one in load_watchlists(own)] == [
        ("Presse", 2),
        ("Société", 0),
        ("Neuf", 1),
    ]
    text = own.watchlists.read_text(encoding="utf-8")
    assert OWN.splitlines()[:4] == text.splitlines()[:4]
    assert import_opml(own, file).known == 3
    assert own.watchlists.read_text(encoding="utf-8") == text


def test_a_broken_file_of_our_own_is_mended_by_importing_it_and_kept(own: Workspace) -> None:
    broken = OWN.replace('text="A"', 'text="A & B"').encode()
    own.watchlists.write_bytes(broken)
    other = own.root / "autre.opml"
    other.write_bytes(opml(watchlist("L", "https://l.example/")))
    with pytest.raises(InputError, match="veille import"):
        import_opml(own, other)
    assert own.watchlists.read_bytes() == broken

    found = import_opml(own, own.watchlists)

    assert (found.added, found.known, len(found.mended)) == ((), 1, 1)
    assert found.backup is not None
    assert found.backup.read_bytes() == broken
    assert load_watchlists(own)[0].feeds[0].title == "A & B"
    assert import_opml(own, other).added[0].url == "https://l.example/"


def test_importing_a_good_file_of_our_own_changes_nothing(own: Workspace) -> None:
    found = import_opml(own, own.watchlists)

    assert (found.added, found.known, found.backup) == ((), 1, None)
    assert own.watchlists.read_text(encoding="utf-8") == OWN


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "there is no file"),
        (b"<html/>", "this is no OPML"),
        (opml('<outline text="L"/>'), "there is no feed in"),
        (b" " * (MAX_BYTES + 9), "more than 5 MB"),
    ],
)
def test_what_cannot_be_imported_is_told(own: Workspace, data: bytes | None, said: str) -> None:
    file = own.root / "autre.opml"
    if data is not None:
        file.write_bytes(data)

    with pytest.raises(InputError) as caught:
        import_opml(own, file)

    assert said in str(caught.value)
    assert own.watchlists.read_text(encoding="utf-8") == OWN


def test_a_file_of_twenty_megabytes_is_not_read_whole(own: Workspace) -> None:
    file = own.root / "gros.opml"
    with file.open("wb") as stream:
        stream.truncate(20_000_000_000)  # sparse: to read it would take all memory

    with pytest.raises(MistakesError, match="more than 5 MB"):
        import_opml(own, file)


def test_what_is_exported_holds_all_and_imports_again(own: Workspace, tmp_path: Path) -> None:
    own.watchlists.write_text(OWN.replace('x="1"', 'interval="2h" rules="a"'), encoding="utf-8")

    exported = export_opml(own)

    assert read_watchlists(exported, path="w") == load_watchlists(own)
    assert b"<title>Infolettre</title>" in exported


def test_without_a_file_it_is_told_how_to_begin(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"veille follow ADDRESS.*veille import FILE"):
        load_watchlists(workspace)


# ceasing, and moving


@pytest.mark.parametrize("name", ["A", "a", "https://www.a.example/f", "a.example", "a.example/f"])
def test_a_feed_is_let_go_by_title_or_address(own: Workspace, name: str) -> None:
    assert unfollow(own, name).url == "https://a.example/f"
    assert own.watchlists.read_text(encoding="utf-8") == OWN.replace(
        '    <outline text="A" xmlUrl="https://a.example/f" x="1"/>\n', ""
    )


def test_a_name_that_fits_none_or_several_is_told(own: Workspace) -> None:
    own.watchlists.write_bytes(opml(watchlist("L", "https://a.example/", "https://b.example/")))

    with pytest.raises(InputError, match="no feed is called “zut”"):
        unfollow(own, "zut")
    with pytest.raises(InputError, match="“flux” fits several feeds"):
        unfollow(own, "flux")
    with pytest.raises(InputError, match="no feed is called “”"):
        unfollow(own, "")


def test_a_feed_moves_in_its_place(own: Workspace) -> None:
    assert move_feed(own, "https://a.example/f", "https://n.example/f?a&b")
    assert own.watchlists.read_text(encoding="utf-8") == OWN.replace(
        "https://a.example/f", "https://n.example/f?a&amp;b"
    )
    assert not move_feed(own, "https://a.example/f", "https://n.example/f?a&b")


def test_a_feed_moves_to_https_but_never_onto_another_one(own: Workspace) -> None:
    own.watchlists.write_bytes(opml(watchlist("L", "http://a.example/", "https://b.example/")))

    assert move_feed(own, "http://a.example/", "https://a.example/")
    assert not move_feed(own, "https://a.example/", "https://b.example/")
    assert not move_feed(own, "https://a.example/", "javascript:alert(1)")
    assert [feed.url for feed in load_watchlists(own)[0].feeds] == [
        "https://a.example/",
        "https://b.example/",
    ]


def test_where_the_file_cannot_be_edited_no_feed_moves(own: Workspace) -> None:
    own.watchlists.write_text(OWN.replace('x="1"', 'x="&"'), encoding="utf-8")

    assert not move_feed(own, "https://a.example/f", "https://n.example/f")


def test_a_folder_that_takes_no_file_is_told(own: Workspace) -> None:
    own.watchlists.unlink()
    own.watchlists.mkdir()

    with pytest.raises(WorkspaceError, match="cannot be read"):
        load_watchlists(own)
