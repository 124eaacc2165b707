"""The room's door, on a real workspace and a real server."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import FetchError, InputError, LetterError, MistakesError, WorkspaceError
from pipeline.text.document import parse_document
from pipeline.veille.desk import (
    add_page,
    find_entries,
    keep_entries,
    list_entries,
    load_watchlists,
    pull_watchlists,
)
from pipeline.veille.item import Entry
from pipeline.veille.shelf import Shelf, ShelfFile
from pipeline.workspace import Workspace
from tests.veille.builders import (
    LETTER,
    NOW,
    a_letter,
    a_workspace,
    an_entry,
    opml,
    rss,
    rss_item,
    watchlist,
)
from tests.veille.server import Site


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return a_workspace(tmp_path)


def shelve(workspace: Workspace, *entries: Entry) -> None:
    file = ShelfFile(workspace.var / "veille.json")
    file.save(Shelf(entries={entry.id: entry for entry in entries}))


def test_pull_list_and_keep_take_an_article_from_its_feed_into_the_letter(
    workspace: Workspace, site: Site
) -> None:
    site.put("/f", rss(rss_item("https://revue.example/a?utm_source=rss", title="Un &amp; deux")))
    workspace.watchlists.write_bytes(opml(watchlist("Presse", site.url("/f"))))
    folder = a_letter(workspace, "2026-11-30-cafes")
    told: list[str] = []

    report = pull_watchlists(workspace, now=NOW, on_feed=lambda one: told.append(one.feed.title))
    (entry,) = list_entries(workspace)
    kept = keep_entries(workspace, [entry.id[:6]], folder)

    assert (report.new, told) == (1, ["Flux 1"])
    assert kept.entries == (entry,)
    assert kept.notices == ()
    text = kept.file.read_text(encoding="utf-8")
    items = parse_document(text.encode(), path="x").values["blocks"][1]["items"]
    assert items[1] == {
        "title": "Un & deux",
        "url": "https://revue.example/a",
        "source": "Flux 1",
        "date": "2026-11-20",
        "body": "Un texte.\n",
    }


def test_a_second_pull_brings_nothing_new(workspace: Workspace, site: Site) -> None:
    site.put("/f", rss(rss_item()))
    workspace.watchlists.write_bytes(opml(watchlist("Presse", site.url("/f"))))
    pull_watchlists(workspace, now=NOW)

    assert pull_watchlists(workspace, now=NOW).new == 0
    assert len(list_entries(workspace)) == 1


def test_a_page_added_during_a_pull_is_not_lost(workspace: Workspace, site: Site) -> None:
    site.put("/f", rss(rss_item()))
    page = site.put("/page", "<title>Ajoutée</title>", Content_Type="text/html")
    workspace.watchlists.write_bytes(opml(watchlist("Presse", site.url("/f"))))
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from pipeline.veille.desk import add_page; from tests.veille.builders import a_workspace;"
        "add_page(a_workspace(Path(sys.argv[1])), sys.argv[2], now=datetime.now(UTC))"
    )

    def add(_: object) -> None:
        command = [sys.executable, "-c", script, str(workspace.root), page]
        subprocess.run(command, check=True, timeout=30, env={**os.environ, "PYTHONPATH": "."})

    pull_watchlists(workspace, now=NOW, on_feed=add)

    assert {entry.title for entry in list_entries(workspace)} == {"Ajoutée", "Des communs"}


def test_a_workspace_without_watchlists_is_told_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"there is no .*watchlists\.opml yet"):
        pull_watchlists(workspace, now=NOW)


def test_mistakes_in_the_watchlists_are_told_with_their_file(workspace: Workspace) -> None:
    workspace.watchlists.write_bytes(opml(watchlist("Presse", "javascript:x")))

    with pytest.raises(MistakesError, match=r"watchlists\.opml:1:1"):
        load_watchlists(workspace)


def test_entries_are_listed_newest_first_and_filtered(workspace: Workspace) -> None:
    old = an_entry("https://a.example/", published_at=NOW - timedelta(days=9), title="Élèves")
    new = an_entry("https://b.example/", published_at=NOW, watchlist="Bibliothèques et tiers-lieux")
    undated = an_entry("https://c.example/", published_at=None, seen_at=NOW - timedelta(days=1))
    shelve(workspace, old, new, undated)

    assert list_entries(workspace) == [new, undated, old]
    assert list_entries(workspace, watchlist="bibliotheques") == [new]
    assert list_entries(workspace, since=NOW - timedelta(days=2)) == [new, undated]
    assert list_entries(workspace, text="ELEVES") == [old]
    assert list_entries(workspace, text="ada martin", watchlist="Numérique et société") == [
        undated,
        old,
    ]


def test_a_watchlist_that_is_nowhere_is_told_with_those_that_are(workspace: Workspace) -> None:
    workspace.watchlists.write_bytes(opml(watchlist("Presse"), watchlist("Écoles")))
    shelve(workspace, an_entry())

    with pytest.raises(InputError, match="Numérique et société, Presse, Écoles"):
        list_entries(workspace, watchlist="Sport")
    assert list_entries(workspace, watchlist="ecoles") == []


def test_a_feed_that_moves_to_another_watchlist_takes_its_entries_along(
    workspace: Workspace,
) -> None:
    shelve(workspace, an_entry())
    workspace.watchlists.write_bytes(opml(watchlist("Écoles", an_entry().feed_url)))

    assert list_entries(workspace, watchlist="Écoles") == [an_entry(watchlist="Écoles")]


def test_an_id_may_be_shortened_as_long_as_it_says_one_entry() -> None:
    known = {name: an_entry(id=name) for name in ("aa11", "aa22", "bb33")}

    assert [entry.id for entry in find_entries(known, ["BB", "aa2", "bb33"])] == ["bb33", "aa22"]
    with pytest.raises(InputError, match=r"“aa” begins several ids \(aa11, aa22\)"):
        find_entries(known, ["aa"])
    for nothing in ("zz", "", " "):
        with pytest.raises(InputError, match="no entry"):
            find_entries(known, [nothing])


def test_several_entries_are_kept_at_once_in_the_order_given(workspace: Workspace) -> None:
    one, two = (
        an_entry("https://a.example/", title="Un"),
        an_entry("https://b.example/", title="Deux"),
    )
    shelve(workspace, one, two)
    folder = a_letter(workspace, "2026-11-30-cafes")

    keep_entries(workspace, [two.id, one.id], folder)

    values = parse_document((folder / "issue.yaml").read_bytes(), path="x").values
    assert [item["title"] for item in values["blocks"][1]["items"]] == ["Une lecture", "Deux", "Un"]


def test_where_one_entry_is_refused_nothing_is_written(workspace: Workspace) -> None:
    new, there = an_entry("https://a.example/"), an_entry("https://lecture.example/a?b=1")
    shelve(workspace, new, there)
    folder = a_letter(workspace, "2026-11-30-cafes")

    with pytest.raises(InputError, match="“Une lecture” is in this letter already"):
        keep_entries(workspace, [new.id, there.id], folder)
    assert (folder / "issue.yaml").read_bytes() == LETTER.encode()


def test_a_page_that_another_letter_cites_is_kept_with_a_notice(workspace: Workspace) -> None:
    entry = an_entry("https://lecture.example/a?b=1&xtor=RSS-1", title="La même")
    shelve(workspace, entry)
    a_letter(workspace, "2026-10-01-plus-ancienne", LETTER.replace("43", "41"))
    a_letter(workspace, "2026-11-01-ancienne", LETTER.replace("43", "42"))
    a_letter(workspace, "2026-11-02-en-panne", "lecture.example: [")
    folder = a_letter(workspace, "2026-11-30-cafes", "number: 43\nblocks: []\n")

    kept = keep_entries(workspace, [entry.id], folder)

    (notice,) = kept.notices
    assert notice.say("en") == "“La même” was cited already in letter no. 42"
    assert b"lecture.example" in (folder / "issue.yaml").read_bytes()


def test_a_letter_with_mistakes_is_told_with_its_place(workspace: Workspace) -> None:
    shelve(workspace, an_entry())
    folder = a_letter(workspace, "2026-11-30-cafes", "title: [\n")

    with pytest.raises(LetterError, match=r"issue\.yaml:\d"):
        keep_entries(workspace, [an_entry().id], folder)


def test_a_page_is_added_by_its_address(workspace: Workspace, site: Site) -> None:
    url = site.put(
        "/p?utm_source=x", "<html lang=fr><title>Une page</title>", Content_Type="text/html"
    )

    entry = add_page(workspace, f" {url} ", now=NOW)
    again = add_page(workspace, url, now=NOW + timedelta(days=1))

    assert (entry.title, entry.language, entry.seen_at) == ("Une page", "fr", NOW)
    assert entry.canonical_url.endswith("/p")
    assert list_entries(workspace) == [again] == [entry]


def test_a_page_that_a_feed_brought_stays_the_feeds(workspace: Workspace, site: Site) -> None:
    url = site.put("/p", "<title>Autrement</title>")
    known = an_entry(url)
    shelve(workspace, known)

    assert add_page(workspace, url, now=NOW) == known


@pytest.mark.parametrize(
    ("path", "said"),
    [("/feed", "add it to watchlists"), ("/pdf", "no web page"), ("/none", "does not exist")],
)
def test_what_cannot_be_added_is_told_with_the_way_out(
    workspace: Workspace, site: Site, path: str, said: str
) -> None:
    site.put("/feed", rss(rss_item()))
    site.put("/pdf", b"%PDF-1.7", Content_Type="application/pdf")

    with pytest.raises(FetchError, match=said):
        add_page(workspace, site.url(path), now=NOW)
    assert list_entries(workspace) == []


def test_an_address_inside_is_not_added(workspace: Workspace) -> None:
    with pytest.raises(FetchError, match="private or reserved"):
        add_page(workspace, "http://169.254.169.254/latest/", now=datetime.now(UTC))
