"""People with the command alone: in from a list, looked at, out again, forgotten."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from pipeline.store.upgrade import HEAD
from tests.audience.lists import LISTS
from tests.journeys.workshop import ROOT, run

EN = {"INFOLETTRE_LANGUAGE": "en"}
SECRET = {"INFOLETTRE_SECRET": "une clé pour les tests seulement"}
MAELLE = "maelle.quentric@boite-aux-lettres.example"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace into which three lists came."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(ROOT / "infolettre.toml", folder)
    for name in ("mailchimp-abonnes.csv", "brevo.csv", "substack.csv"):
        assert run(folder, "subscribers", "import", str(LISTS / name)).code == 0
    return folder


@pytest.fixture
def workspace(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "cercle"))


def stats(folder: Path) -> dict[str, int]:
    told = json.loads(run(folder, "subscribers", "stats", "--json").out)
    return {state: count for state, count in told["states"].items() if count}


def test_a_list_is_tried_first_and_then_taken_in(workspace: Path) -> None:
    before = stats(workspace)
    file = str(LISTS / "listmonk.csv")

    tried = run(workspace, "subscribers", "import", file, "--dry-run", **EN)
    assert (tried.code, tried.err) == (0, "")
    assert "Nothing was changed" in tried.out
    assert "listmonk" in tried.out
    assert stats(workspace) == before

    done = json.loads(run(workspace, "subscribers", "import", file, "--json").out)
    assert (done["added"], done["added_states"]) == (3, {"active": 1, "unsubscribed": 2})
    assert stats(workspace) == {"active": 6, "unsubscribed": 4}


def test_a_row_at_fault_is_shown_and_the_rest_comes_in(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "liste.csv"
    file.write_text("email,nom\nneuf@lettre.example,N\npas une adresse,X\n")
    done = run(workspace, "subscribers", "import", str(file), **EN)
    assert done.code == 1
    assert f"{file}:3:1" in done.err
    assert "3 │ pas une adresse,X" in done.err
    assert run(workspace, "subscribers", "show", "neuf@lettre.example").code == 0


def test_who_left_stays_away_and_it_is_said(workspace: Path) -> None:
    assert run(workspace, "subscribers", "remove", MAELLE).code == 0
    done = run(workspace, "subscribers", "import", str(LISTS / "mailchimp-abonnes.csv"), **EN)
    assert done.code == 0
    assert "forgotten): 1" in done.out
    assert f":2:1: “{MAELLE}” left" in done.err
    assert stats(workspace) == {"active": 4, "unsubscribed": 3}


def test_one_person_is_added_shown_and_found(workspace: Path) -> None:
    added = run(
        workspace, "subscribers", "add", "Zoé.Martin@café.example", "--first-name", "Zoé",
        "--segment", "stand", "--language", "fr", "--consent", "J’accepte.",
    )  # fmt: skip
    assert (added.code, added.err) == (0, "")
    told = json.loads(run(workspace, "subscribers", "show", "zoé.martin@café.example").out)
    assert told["address"] == "Zoé.Martin@xn--caf-dma.example"
    assert told["consents"][0]["wording"] == "J’accepte."
    listed = run(workspace, "subscribers", "list", "--where", "segment = stand", "--json").out
    assert [one["first_name"] for one in json.loads(listed)] == ["Zoé"]
    assert "stand" in run(workspace, "subscribers", "list", "--search", "zoé").out


def test_everybody_is_exported_to_a_file_and_to_the_screen(workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "tous.csv"
    assert run(workspace, "subscribers", "export", "--out", str(out)).code == 0
    printed = run(workspace, "subscribers", "export").out
    assert out.read_text() == printed
    assert len(list(csv.DictReader(io.StringIO(printed)))) == 7
    told = json.loads(run(workspace, "subscribers", "export", "--format", "json").out)
    assert len(told) == 7
    done = run(workspace, "subscribers", "export", "--out", str(tmp_path / "non" / "x"), **EN)
    assert (done.code, "cannot be written" in done.err) == (1, True)


def test_one_person_is_forgotten_and_no_list_brings_them_back(workspace: Path) -> None:
    asked = run(workspace, "subscribers", "forget", MAELLE, **EN)
    assert (asked.code, "INFOLETTRE_SECRET" in asked.err) == (1, True)

    assert run(workspace, "subscribers", "forget", MAELLE, **SECRET).code == 0
    for file in (workspace / "var").glob("infolettre.db*"):
        assert MAELLE.encode() not in file.read_bytes()
    shown = run(workspace, "subscribers", "show", MAELLE, **SECRET, **EN)
    assert (shown.code, "asked to be forgotten" in shown.err) == (1, True)
    again = run(
        workspace, "subscribers", "import", str(LISTS / "mailchimp-abonnes.csv"), **SECRET, **EN
    )
    assert "forgotten): 1" in again.out
    assert stats(workspace) == {"active": 4, "unsubscribed": 2, "forgotten": 1}


def test_a_rule_is_saved_as_a_segment_shown_and_dropped(workspace: Path) -> None:
    rule = 'attribute.ville = "Le Mans"'
    saved = run(workspace, "subscribers", "segments", "--save", "sarthe", rule)
    assert f"1 sarthe: {rule}" in saved.out
    listed = run(workspace, "subscribers", "list", "--segment", "sarthe", "--json").out
    assert [one["first_name"] for one in json.loads(listed)] == ["Séréna"]
    assert run(workspace, "subscribers", "segments", "--drop", "sarthe").out == ""
    assert run(workspace, "subscribers", "segments", "--drop", "sarthe").code == 1


def test_the_database_is_made_and_kept_up_to_date(tmp_path: Path) -> None:
    shutil.copy(ROOT / "infolettre.toml", tmp_path)
    assert HEAD in run(tmp_path, "db", "upgrade").out
    assert (tmp_path / "var" / "infolettre.db").is_file()
    assert "up to date" in run(tmp_path, "db", "upgrade", **EN).out


def test_another_database_is_one_setting_away(tmp_path: Path, postgres: str) -> None:
    shutil.copy(ROOT / "infolettre.toml", tmp_path)
    environ = {"INFOLETTRE_DATABASE__URL": postgres}
    file = str(LISTS / "substack.csv")
    assert run(tmp_path, "subscribers", "import", file, "--dry-run", **environ, **SECRET).code == 0
    assert run(tmp_path, "subscribers", "stats", **environ).code == 0
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "personne@lettre.example"), 1, "personne@lettre.example"),
        (("show", "pas une adresse"), 1, "pas une adresse"),
        (("add", MAELLE), 1, "is here already"),
        (("list", "--where", "ville = Lyon"), 1, "language, segment"),
        (("import", "absent.csv"), 2, "absent.csv"),
        (("import", "infolettre.toml"), 1, "no column holds addresses"),
    ],
)
def test_a_slip_of_the_hand_is_told_with_the_way_out(
    workspace: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(workspace, "subscribers", *arguments, **EN)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    shutil.copy(ROOT / "infolettre.toml", tmp_path)
    for url, said in (
        ("mysql://moi:secret@hote/base", "postgresql://"),
        ("postgresql://moi:secret@127.0.0.1:1/base", "check that the server runs"),
    ):
        done = run(tmp_path, "subscribers", "stats", INFOLETTRE_DATABASE__URL=url, **EN)
        assert (done.code, said in done.err, "secret" in done.err) == (1, True, False)
