"""The commands of the desk, run here: what they do, what they say, and how they refuse."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main, speech
from tests.cli.feeds import FEED, HERE, OPML, feeding, write_lists, write_rules
from tests.journeys.workshop import NEWEST, ROOT, Done, copy_workspace
from tests.veille.server import Answer, Site

OLD = "2026-10-16-qui-a-fait-ce-devoir"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A workspace in which commands are run."""

    folder: Path
    site: Site
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def do(self, *arguments: str, code: int = 0, by: str = "Ada") -> Done:
        self.monkeypatch.setenv("INFOLETTRE_CURATOR", by)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["veille", *arguments])
        out, err = self.capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        return Done(code, out, err)

    def told(self, *arguments: str) -> Any:
        return json.loads(self.do(*arguments, "--json").out)

    def find(self, title: str, *arguments: str) -> dict[str, Any]:
        listed = self.told("list", *arguments)
        found: dict[str, Any] = next(one for one in listed if one["title"] == title)
        return found

    def pull(self, opml: str = OPML) -> Done:
        self.do("import", str(write_lists(self.folder, self.site, opml)))
        return self.do("pull")


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Return a workspace without watchlists, and the site of three feeds."""
    folder = copy_workspace(tmp_path / "cercle", NEWEST)
    (folder / "watchlists.opml").unlink()
    write_rules(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LANGUAGE", "en")  # restored afterwards: speaking sets it
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)
    speech.language.cache_clear()
    with feeding() as site:
        yield Desk(folder=folder, site=site, capsys=capsys, monkeypatch=monkeypatch)
    speech.language.cache_clear()


def test_what_a_curator_does_can_be_undone_and_is_remembered(desk: Desk) -> None:
    desk.pull()
    short = desk.find("Deux cafés")["id"][:8]
    assert "1 entry is kept" in desk.do("keep", short, "--later").out
    assert "was so already" in desk.do("keep", short, "--later").out
    assert "#un-deux" in desk.do("tag", short, "--add", "un-deux").out
    assert "1 entry is discarded" in desk.do("discard", short).out
    undone = desk.do("undo", by="Bob")
    assert "nothing that Bob could undo" in undone.err
    assert "“Deux cafés” is kept again" in desk.do("undo").out
    assigned = desk.do("assign", short, "--issue", "lampe")
    assert NEWEST in assigned.out
    assert "1 entry is to sort again" in desk.do("put-back", short).out
    history = desk.do("history", short).out.splitlines()
    assert len([line for line in history if "Ada" in line]) == 5
    assert len([line for line in history if "undone" in line]) == 1
    events = desk.told("history", short)
    assert [one["action"] for one in events] == ["keep", "tag", "discard", "assign", "put_back"]


def test_all_that_is_kept_goes_into_the_letter_at_once(desk: Desk) -> None:
    desk.pull()
    ids = [one["id"] for one in desk.told("list")]
    desk.do("keep", *ids, "--later")
    written = desk.do("keep", "--all", "--block", "en-bref")
    assert written.out.count("is now in") == 2
    file = desk.folder / "issues" / NEWEST / "issue.yaml"
    assert file.read_text().count("Deux cafés") == 1
    assert "Nothing is kept" in desk.do("keep", "--all").out


def test_rules_are_tried_before_they_are_applied_to_what_is_stored(desk: Desk) -> None:
    desk.pull()
    with (desk.folder / "infolettre.toml").open("a") as file:
        file.write('\n[rules.deux]\ndo = "keep"\nwords = ["deux"]\n')
    assert "deux" in desk.do("rules").out
    tried = desk.do("rules", "test", "--rule", "deux")
    assert "deux: fits 1, would change 1" in tried.out
    assert "Deux cafés" in tried.out
    assert desk.find("Deux cafés")["state"] == "new"
    done = desk.told("rules", "apply", "--rule", "deux")
    assert done["changed"] == 1
    assert desk.find("Deux cafés")["state"] == "kept"
    desk.do("undo")
    assert desk.find("Deux cafés")["state"] == "new"
    unknown = desk.do("rules", "test", "--rule", "dux", code=1)
    assert "no rule “dux”" in unknown.err


def test_a_rule_that_a_feed_asks_for_in_vain_is_said(desk: Desk) -> None:
    desk.pull(OPML.replace('text="Partie"', 'text="Partie" rules="sponsor"'))
    pulled = desk.do("pull")
    assert "“Partie” asks for the rule “sponsor”" in pulled.err


def test_lists_go_out_as_they_came_in(desk: Desk) -> None:
    desk.do("import", str(write_lists(desk.folder, desk.site)))
    desk.do("export", "out.opml")
    told_again = desk.told("import", "out.opml")
    assert (told_again["added"], told_again["known"], told_again["mended"]) == ([], 3, [])
    assert 'text="Cafés &amp; co"' in desk.do("export").out


def test_a_site_is_followed_by_its_address_and_left_by_its_name(desk: Desk) -> None:
    page = (
        "<html><head><link rel=alternate type='application/rss+xml' href=/feed.xml></head></html>"
    )
    url = desk.site.put("/", page, content_type="text/html")
    followed = desk.do("follow", url, "--watchlist", "Cafés")
    assert "“La Revue” is followed, in the watchlist “Cafés”" in followed.out
    assert "followed already" in desk.do("follow", url, code=1).err
    assert "La Revue: 3 new entries" in desk.do("pull").out
    left = desk.do("unfollow", "revue")
    assert "“La Revue” is not followed any more" in left.out
    assert len(desk.told("list")) == 2  # what it brought stays


def test_the_feeds_in_trouble_are_shown(desk: Desk) -> None:
    desk.pull()
    ill = desk.do("health").out
    assert "Partie" in ill
    assert "La Revue" not in ill
    everything = desk.told("health", "--all")
    assert [one["title"] for one in everything] == ["La Revue", "Le Relais", "Partie"]
    assert everything[0]["failing_since"] is None
    assert "404" in everything[2]["error"]


def test_a_page_is_added_by_its_address_and_says_whence_its_fields_are(desk: Desk) -> None:
    page = (
        "<html lang=fr><head><title>x</title><meta property='og:title' content='Une page'>"
        "<meta property='og:site_name' content='Le Site'></head><body>…</body></html>"
    )
    url = desk.site.put("/page", page, content_type="text/html; charset=utf-8")
    done = desk.do("add", url, "--tag", "à lire", "--note", "Voir.")
    assert "Une page  (the page's card for social networks)" in done.out
    card = desk.find("Une page")
    assert (card["tags"], card["note"], card["source"]) == (["à lire"], "Voir.", "Le Site")


def test_a_page_that_refuses_programs_is_added_with_its_title(desk: Desk) -> None:
    desk.site.answers["/closed"] = Answer(status=403)
    url = desk.site.url("/closed")
    refused = desk.do("add", url, code=1)
    assert "--title" in refused.err
    done = desk.do("add", url, "--title", "Une page fermée")
    assert "Une page fermée  (typed by you)" in done.out


def test_a_page_on_this_machine_is_refused_unless_allowed(desk: Desk) -> None:
    url = desk.site.put("/page", "<title>x</title>", content_type="text/html")
    desk.monkeypatch.delenv("INFOLETTRE_VEILLE__ALLOW_PRIVATE")
    done = desk.do("add", url, code=1)
    assert desk.site.requests == []
    assert "allow_private" in done.err


def test_an_empty_desk_says_what_to_do(desk: Desk) -> None:
    shutil.copy(ROOT / "watchlists.opml", desk.folder)
    assert "veille pull" in desk.do("list").out
    assert "veille triage" in desk.do("report").out
    assert len(desk.told("health", "--all")) == 8


def test_the_entries_are_filtered(desk: Desk) -> None:
    desk.pull()
    short = desk.find("Deux cafés")["id"][:8]
    desk.do("tag", short, "--add", "deux")
    desk.do("assign", short, "--issue", "lampe")
    for asked, count in {
        (): 2,
        ("--tag", "#deux"): 1,
        ("--issue", "lampe"): 1,
        ("--state", "kept"): 1,
        ("--state", "kept", "--state", "discarded"): 2,
        ("--state", "all"): 3,
        ("--source", "la revue", "--search", "eteint"): 1,
        ("--watchlist", "cafes"): 2,
        ("--language", "fr", "--days", "30000"): 2,
        ("--language", "en"): 0,
        ("--not-cited",): 2,
        ("--cited",): 0,
        ("--limit", "1"): 1,
    }.items():
        assert len(desk.told("list", *asked)) == count, asked
    assert "--state all" in desk.do("list", "--language", "en").out
    assert "1 of 2" in desk.do("list", "--limit", "1").out


def test_what_a_letter_cites_is_told(desk: Desk) -> None:
    letters = copy_workspace(desk.folder.parent / "letters")
    shutil.rmtree(desk.folder / "issues")
    shutil.copytree(letters / "issues", desk.folder / "issues")
    cited = re.search(
        r"url: (https://\S+)", (desk.folder / "issues" / OLD / "issue.yaml").read_text()
    )
    assert cited
    feed = FEED.format(site=desk.site.url("")).replace(desk.site.url("/deux"), cited[1])
    desk.site.put("/feed.xml", feed)
    desk.pull()
    assert "cited already in no. " in desk.do("list").out
    assert desk.find("Deux cafés", "--cited")["cited_in"][0]["slug"] == OLD


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pull",), 1, "veille follow"),
        (("keep",), 2, "--all"),
        (("keep", "0000", "--later", "--issue", "x"), 2, "--later"),
        (("keep", "0000"), 1, "0000"),
        (("list", "--state", "kep"), 2, "discarded"),
        (("list", "--source", "x"), 1, "veille list"),
        (("list", "--watchlist", "x"), 1, "no watchlist “x”"),
        (("tag", "0000"), 2, "--add"),
        (("note", "0000", "x"), 1, "veille list"),
        (("report", "--week", "48"), 1, "2026-W48"),
        (("report", "--since", "x"), 1, "2026-11-23"),
        (("report", "--week", "2026-W48", "--since", "2026-11-23"), 2, "--until"),
        (("report", "--since", "2026-11-24", "--until", "2026-11-23"), 1, "wrong way round"),
        (("add", "javascript:alert(1)"), 1, "https://"),
        (("unfollow", "x"), 1, "veille follow"),
        (("export",), 1, "veille import"),
        (("triage",), 1, "terminal"),
    ],
)
def test_a_mistake_is_said_with_the_way_out(
    desk: Desk, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in desk.do(*arguments, code=code).err
