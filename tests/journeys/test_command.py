"""The command as a person uses it: the whole way, and each mistake with its way out."""

import email
import email.policy
import json
import mailbox
from pathlib import Path

import pytest

from tests.journeys.workshop import NEWEST, copy_workspace, run

EN = {"INFOLETTRE_LANGUAGE": "en"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a workspace in which the demo was run, and what it said."""
    folder = copy_workspace(tmp_path_factory.mktemp("demo") / "cercle")
    done = run(folder, "demo")
    assert (done.code, done.err) == (0, "")
    return folder, done.out


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "cercle", NEWEST)


def test_the_demo_says_what_to_open_and_it_is_there(demo: tuple[Path, str]) -> None:
    folder, said = demo
    named = [line.strip() for line in said.splitlines() if line.startswith("  var/")]
    assert any(name.endswith("var/site/index.html") for name in named)
    assert all((folder / name.split("  (")[0]).exists() for name in named)
    assert folder.is_dir()


def test_the_demo_sends_three_whole_messages(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    box = mailbox.Maildir(folder / "var" / "demo-outbox", create=False)
    messages = [
        email.message_from_bytes(bytes(box.get_bytes(key)), policy=email.policy.default)
        for key in box.keys()  # noqa: SIM118 - a mailbox iterates over its messages
    ]
    assert len(messages) == 3
    for message in messages:
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        assert text is not None
        assert html is not None
        assert message["List-Unsubscribe"].startswith("<https://lettre.cercle-cafes.example/")
        assert "mergeq" not in text.get_content() + html.get_content() + str(message["Subject"])
    greetings = {message.get_body(("plain",)).get_content() for message in messages}  # type: ignore[union-attr]
    assert any("Bonjour Maëlle, nous" in text for text in greetings)
    assert any("Bonjour à toutes et tous, nous" in text for text in greetings)


def test_the_demo_can_be_run_again_and_sends_nothing_twice(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    again = run(folder, "demo", **EN)
    assert again.code == 0
    assert "has been sent to this audience" in again.out
    assert len(list((folder / "var" / "demo-outbox" / "new").iterdir())) == 3


def test_the_demo_touches_neither_the_subscribers_nor_the_outbox(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    assert not (folder / "var" / "outbox").exists()
    assert not (folder / "var" / "infolettre.db").exists()


def test_a_letter_without_mistakes_is_told_so(demo: tuple[Path, str]) -> None:
    done = run(demo[0], "validate", "lampe")
    assert (done.code, done.err) == (0, "")
    assert "aucune erreur" in done.out


def test_mistakes_come_with_place_line_and_way_out(workspace: Path) -> None:
    file = workspace / "issues" / NEWEST / "issue.yaml"
    text = file.read_text().replace("date: 2026-11-20", "date: 20/11/2026")
    file.write_text(text.replace("block: sommaire", "block: somaire"))
    done = run(workspace, "validate", NEWEST)
    assert done.code == 1
    assert (
        f"issues/{NEWEST}/issue.yaml:5:7: «\u00a020/11/2026\u00a0» n’est pas une date" in done.err
    )
    assert "5 │ date: 20/11/2026" in done.err
    assert "vouliez-vous dire\u00a0: sommaire" in done.err
    assert "2 erreurs à corriger" in done.out
    told = json.loads(run(workspace, "validate", NEWEST, "--json", **EN).out)
    assert [(one["line"], one["column"]) for one in told] == [(5, 7), (21, 12)]
    assert set(told[0]) == {"path", "line", "column", "message"}


def test_rendering_writes_mail_text_page_and_message(workspace: Path, tmp_path: Path) -> None:
    done = run(workspace, "render", NEWEST, "--out", str(tmp_path / "out"))
    assert (done.code, done.err) == (0, "")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"email.html", "email.txt", "web.html", "message.eml", "images"}
    assert "mergeq" not in (tmp_path / "out" / "email.html").read_text()
    assert "cid:" not in (tmp_path / "out" / "email.html").read_text()


def test_a_folder_that_cannot_be_written_is_told(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (("render", NEWEST), ("archive", "build")):
        done = run(workspace, *command, "--out", str(tmp_path / "file" / "out"), **EN)
        assert done.code == 1
        assert str(tmp_path / "file") in done.err
        assert "Traceback" not in done.err


def test_outside_a_workspace_the_way_to_make_one_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "validate", "x", **EN)
    assert done.code == 1
    assert "infolettre init" in done.err


def test_a_new_workspace_works_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "la-lettre"
    assert run(tmp_path, "init", "la-lettre").code == 0
    assert run(folder, "validate", "premiere").code == 0
    assert run(folder, "new", "Deuxième lettre : l'été", "--date", "2027-06-25").code == 0
    slug = "2027-06-25-deuxieme-lettre-l-ete"
    assert "number: 2" in (folder / "issues" / slug / "issue.yaml").read_text()
    assert run(folder, "validate", slug).code == 0
    assert run(folder, "render", slug).code == 0
    done = run(folder, "send", slug, "--test", "moi@exemple.example")
    assert (done.code, done.err) == (0, "")
    assert run(folder, "archive", "build", "--drafts").code == 0
    assert run(folder, "init").code == 1


def test_a_dry_run_sends_nothing(workspace: Path) -> None:
    assert run(workspace, "subscribers", "import", "issues/demo.csv").code == 0
    done = run(workspace, "send", NEWEST, "--to", "all", "--dry-run", **EN)
    assert done.code == 0
    assert "3 people: every active subscriber" in done.out
    assert "Nothing was sent" in done.out
    told = json.loads(run(workspace, "send", NEWEST, "--to", "all", "--dry-run", "--json").out)
    assert (told["people"], told["already"], told["campaign"]) == (3, 0, None)
    assert json.loads(run(workspace, "campaign", "list", "--json").out) == []
    assert not (workspace / "var" / "outbox" / "new").exists() or not list(
        (workspace / "var" / "outbox" / "new").iterdir()
    )


def test_a_test_may_be_sent_again_and_gives_a_subscriber_their_own_links(workspace: Path) -> None:
    assert run(workspace, "subscribers", "import", "issues/demo.csv").code == 0
    for address in ("octave.benali@courrier-lent.example", "moi@exemple.example"):
        done = run(workspace, "send", NEWEST, "--test", address, **EN)
        assert (done.code, done.err) == (0, "")
        assert f"Test handed over: {address}, by outbox" in done.out
    told = run(workspace, "send", NEWEST, "--test", "moi@exemple.example", "--json")
    assert json.loads(told.out)["state"] == "accepted"
    files = list((workspace / "var/outbox/new").iterdir())
    assert len(files) == 3
    greetings = [
        email.message_from_bytes(one.read_bytes(), policy=email.policy.default) for one in files
    ]
    bodies = [str(one.get_body(("plain",)).get_content()) for one in greetings]  # type: ignore[union-attr]
    assert sum("Bonjour Octave, nous" in one for one in bodies) == 1
    assert json.loads(run(workspace, "campaign", "list", "--json").out) == []


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ("benevole", "did you mean: benevoles"),
        ("marins", "there are: all, benevoles"),
    ],
)
def test_a_segment_without_anybody_is_told_with_the_way_out(
    workspace: Path, segment: str, said: str
) -> None:
    empty = run(workspace, "send", NEWEST, "--to", "all", **EN)
    assert empty.code == 1
    assert "infolettre subscribers import" in empty.err
    assert run(workspace, "subscribers", "import", "issues/demo.csv").code == 0
    done = run(workspace, "send", NEWEST, "--to", segment, **EN)
    assert done.code == 1
    assert said in done.err


@pytest.mark.parametrize(
    ("provider", "environ", "variable"),
    [
        ("smtp", {}, "INFOLETTRE_SECRET"),
        ("sendgrid", {"INFOLETTRE_SECRET": "x" * 32}, "INFOLETTRE_SENDGRID_API_KEY"),
        ("smtp", {"INFOLETTRE_SECRET": "x" * 32, "INFOLETTRE_SMTP__USERNAME": "moi"},
         "INFOLETTRE_SMTP_PASSWORD"),
    ],
)  # fmt: skip
def test_a_missing_secret_is_named_by_its_variable(
    workspace: Path, provider: str, environ: dict[str, str], variable: str
) -> None:
    done = run(
        workspace, "send", NEWEST, "--test", "a@b.example", "--provider", provider, **environ, **EN
    )
    assert done.code == 1
    assert variable in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("send", NEWEST), 2, "--test you@example.org"),
        (("send", NEWEST, "--test", "a@b.example", "--at", "friday 8:00"), 2, "--to"),
        (("send", NEWEST, "--to", "all", "--at", "someday"), 1, "someday"),
        (("campaign", "show", "12"), 1, "campaign list"),
        (("campaign", "resolve", "12"), 2, "--accept"),
        (("send", NEWEST, "--test", "a@b.example", "--provider", "pigeon"), 1, "pigeon"),
        (("send", NEWEST, "--test", "not an address"), 1, "not an address"),
        (("validate", "hiver"), 1, NEWEST),
        (("blocks", "agnda"), 1, "agenda"),
        (("letter",), 2, "letter"),
        (("veille", "keep", "0000"), 1, "0000"),
    ],
)
def test_a_slip_of_the_hand_is_told_with_the_way_out(
    workspace: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(workspace, *arguments, **EN)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_blocks_and_schema_can_be_asked_anywhere(tmp_path: Path) -> None:
    listed = json.loads(run(tmp_path, "blocks", "--json").out)
    assert len(listed) == 21
    assert "recrutement" in run(tmp_path, "blocks").out
    assert "positions" in run(tmp_path, "blocks", "recrutement").out
    schema = json.loads(run(tmp_path, "schema").out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_command_speaks_french_and_english(workspace: Path) -> None:
    assert "Écrire une lettre par blocs" in run(workspace, "--help").out
    assert "Write a letter from blocks" in run(workspace, "--help", **EN).out
    assert "Il n’y a pas de commande" in run(workspace, "lettre").err
