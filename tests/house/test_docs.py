"""The docs say what is so: generated parts are up to date, commands run, examples are valid."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from playwright.sync_api import Browser

from pipeline import __version__
from pipeline.delivery.ports import State
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Settings, parse_settings, setting_names
from pipeline.store.upgrade import opened_store
from pipeline.text.document import parse_document
from pipeline.veille.entries import put_page
from pipeline.veille.item import Entry, entry_id, page_key
from pipeline.workspace import find_workspace
from tests.builders import A_LETTER, a_library, an_image, an_issue
from tests.delivery.letters import a_letter, a_recipient
from tests.house import pages, pictures
from tests.journeys.workshop import copy_workspace
from tests.servers import read_message

ROOT, DOCS, GUIDE = pages.ROOT, pages.DOCS, pages.GUIDE
TOP = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = sorted(DOCS.rglob("*.md"))
WORDS = {file: file.read_text() for file in (*TOP, *PAGES)}
_FENCE = re.compile(
    r"(?:^<!-- (?P<note>not run|file): (?P<said>[^\n]*?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


@dataclass(frozen=True)
class Fence:
    """A block of code of a page; ``target`` is the file that it is to be saved as."""

    language: str
    text: str
    is_run: bool
    target: str


def fences(file: Path) -> Iterator[Fence]:
    for match in _FENCE.finditer(WORDS[file]):
        note = match["note"]
        yield Fence(
            language=match["language"],
            text=match["text"],
            is_run=note != "not run",
            target=match["said"] if note == "file" else "",
        )


# --- what is generated ------------------------------------------------------------------------


@lru_cache(maxsize=1)
def generated() -> dict[Path, str]:
    return pages.generated_texts()


@pytest.mark.parametrize("file", [one for one in PAGES if GUIDE in one.parents], ids=shown)
def test_what_is_generated_is_what_is_committed(file: Path) -> None:
    assert WORDS[file] == generated().get(file), "run “make docs”, and read the diff"


def test_no_page_is_left_of_a_block_that_went() -> None:
    there = {file.stem for file in (GUIDE / "blocs").glob("*.md")} - {"index"}
    assert there == set(a_library())


def test_every_command_and_option_is_described() -> None:
    guide = "\n".join(words for file, words in WORDS.items() if GUIDE in file.parents)
    for name, facts in pages.each_command():
        assert f"infolettre {name}" in guide, name
        section = guide.partition(f"### `infolettre {name}")[2].partition("\n### ")[0]
        for one in facts["params"]:
            if one["param_type_name"] == "option" and "--help" not in one["opts"]:
                assert f"`{one['opts'][0]}" in section, (name, one["opts"])


@pytest.mark.parametrize("name", list(setting_names()))
def test_every_setting_is_explained(name: str) -> None:
    assert f"`{name}`" in WORDS[GUIDE / "reglages.md"]
    light = name.replace("theme.dark.", "theme.light.")
    assert pages.MEANINGS[light]


def test_no_setting_is_explained_that_is_none() -> None:
    assert set(pages.MEANINGS) <= set(setting_names())


# --- the pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(a_library()))
def test_every_block_has_its_picture_as_it_is_now(name: str) -> None:
    file = pictures.block_picture(name)
    source = pictures.block_source(a_library()[name])
    assert pictures.picture_source(file) == source, (
        "run “make docs”: the picture is of another time"
    )
    assert file.stat().st_size <= pictures.BLOCK_LIMIT
    with Image.open(file) as picture:
        assert picture.width == 960


def test_no_picture_is_left_of_a_block_that_went() -> None:
    assert {file.stem for file in (DOCS / "images/blocs").glob("*.png")} == set(a_library())


def test_the_readme_shows_the_letter_as_it_is_now() -> None:
    file = DOCS / "images/letter.png"
    assert pictures.picture_source(file) == pictures.letter_source(), "run “make docs”"
    assert file.stat().st_size <= pictures.LETTER_LIMIT


@pytest.mark.chromium
def test_a_picture_can_be_made(browser: Browser, tmp_path: Path) -> None:
    workspace = find_workspace(copy_workspace(tmp_path / "cercle", "none"))
    png = pictures.shoot_block(browser, a_library()["temoignage"], workspace)
    pictures.save_picture(png, tmp_path / "one.png", source="x", limit=pictures.BLOCK_LIMIT)
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width == 960
        assert 300 < picture.height < 1500
        assert len(picture.convert("RGB").getcolors(100_000) or ()) > 8


# --- links ------------------------------------------------------------------------------------

_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`|^<!--.*?-->$", re.MULTILINE | re.DOTALL)


def anchor_of(heading: str) -> str:
    """Return the anchor that a forge gives to a heading."""
    said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", said).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    words = re.sub(r"^```.*?^```$", "", WORDS[file], flags=re.MULTILINE | re.DOTALL)
    return {anchor_of(one) for one in re.findall(r"^#+ (.+)$", words, re.MULTILINE)}


@pytest.mark.parametrize("file", sorted(WORDS), ids=shown)
def test_every_link_leads_somewhere(file: Path) -> None:
    for match in _LINK.finditer(_CODE.sub("", WORDS[file])):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        place = (file.parent / target).resolve() if target else file
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), f"{target}#{anchor}: {sorted(anchors(place))}"


def test_every_page_can_be_reached() -> None:
    reached = {DOCS / "README.md"}
    todo = list(reached)
    while todo:
        file = todo.pop()
        for match in _LINK.finditer(WORDS[file]):
            place = (file.parent / (match[1] or match[2]).partition("#")[0]).resolve()
            if place in WORDS and place not in reached:
                reached.add(place)
                todo.append(place)
    assert set(PAGES) <= reached


@pytest.mark.parametrize("file", sorted(WORDS), ids=shown)
def test_no_page_names_a_place_of_one_machine(file: Path) -> None:
    assert not re.search(r"(?<![\w.…/])/(?:home|root|tmp|work|Users|mnt)\b", WORDS[file])


# --- commands ---------------------------------------------------------------------------------

_SEEN = datetime(2026, 11, 18, 8, tzinfo=UTC)
#: What a pull would have brought to the curator of the guide.
_ENTRIES = (
    (
        "Faut-il interdire les devoirs à la maison ?",
        "https://revue-des-communs.example/2026/11/devoirs-a-la-maison",
        "La Revue des communs",
        "Numérique et société",
        datetime(2026, 11, 12, 9, tzinfo=UTC),
    ),
    (
        "Le prêt d’outils gagne du terrain",
        "https://bibliotheques-ouvertes.example/pret-d-outils",
        "Bibliothèques ouvertes",
        "Bibliothèques et tiers-lieux",
        datetime(2026, 11, 10, 9, tzinfo=UTC),
    ),
)


def the_entries() -> list[Entry]:
    return [
        Entry(
            id=entry_id(page_key(url)),
            url=url,
            canonical_url=page_key(url),
            title=title,
            source=source,
            watchlist=watchlist,
            published_at=published,
            seen_at=_SEEN,
            language="fr",
        )
        for title, url, source, watchlist, published in _ENTRIES
    ]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a copy of this workspace, with what a pull has brought."""
    folder = copy_workspace(tmp_path / "cercle")
    with opened_store("sqlite:///var/infolettre.db", folder) as engine:
        for entry in the_entries():
            put_page(engine, entry, by="", now=_SEEN)
    return folder


def run_shell(command: str, folder: Path) -> tuple[int, str]:
    """Run one line as somebody types it in ``folder``; return its code and what it said."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("INFOLETTRE_")}
    path = f"{Path(sys.executable).parent}:{base['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=base | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def plain(output: str) -> str:
    """Return an output without empty lines, and with single, ordinary spaces."""
    lines = (" ".join(line.split()) for line in output.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def says(shown: str) -> re.Pattern[str]:
    """Return what matches an output as a page shows it: “…” stands for anything."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n"
        for line in plain(shown).splitlines()
    ]
    return re.compile("".join(lines))


def follow(file: Path, folder: Path) -> int:
    """Do what a page says, in its order; return how many commands were run."""
    count = 0
    for fence in fences(file):
        if fence.target:
            place = folder / fence.target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(fence.text, encoding="utf-8")
        elif fence.is_run and fence.language == "console":
            for told in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
                command, _, output = told.partition("\n")
                code, said = run_shell(command, folder)
                said = plain(said)
                assert "Traceback" not in said
                assert says(output).fullmatch(said) if output else code == 0, f"{command}\n{said}"
                count += 1
        elif fence.is_run and fence.language == "sh":
            for command in fence.text.splitlines():
                if command.startswith("infolettre"):
                    code, said = run_shell(command, folder)
                    assert code == 0, f"{command}\n{said}"
                    count += 1
    return count


def has_commands(file: Path) -> bool:
    return any(one.language in ("console", "sh") and one.is_run for one in fences(file))


@pytest.mark.parametrize("file", [one for one in PAGES if has_commands(one)], ids=shown)
def test_what_a_page_shows_of_the_command_is_what_it_says(file: Path, workspace: Path) -> None:
    assert follow(file, workspace) > 0


def test_every_verb_that_is_named_is_one_of_make() -> None:
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file, words in WORDS.items():
        named = set(re.findall(r"(?:`|^)make ([a-z-]+)(?:`|$)", words, re.MULTILINE))
        assert named <= verbs, (file, named - verbs)
    told = set(re.findall(r"`make ([a-z-]+)`", WORDS[ROOT / "CONTRIBUTING.md"]))
    assert verbs - {"help"} <= told


# --- examples ---------------------------------------------------------------------------------

_NAMES = ("exemple.png", "lampe.png", "portrait-joel.png")
_LOGOS = ("logo-trois-marches.png", "logo-ondes-lentes.png", "logo-lampes-bavardes.png")
EXAMPLES = [
    (file, number, one.text)
    for file in PAGES
    if GUIDE in file.parents
    for number, one in enumerate(fences(file), 1)
    if one.language == "yaml"
]


@pytest.mark.parametrize(
    ("file", "number", "text"), EXAMPLES, ids=[f"{shown(file)}-{n}" for file, n, _ in EXAMPLES]
)
def test_every_letter_and_block_of_the_guide_is_valid(file: Path, number: int, text: str) -> None:
    values = parse_document(text.encode(), path=f"{shown(file)} ({number})").values
    if isinstance(values, list):
        head = "".join(f"{name}: {value}\n" for name, value in A_LETTER.items())
        text = f"{head}blocks:\n{text}"
    issue = an_issue(text, images=map(an_image, (*_NAMES, *_LOGOS)))
    assert issue.number


def test_the_guide_has_examples_of_every_block() -> None:
    told = "\n".join(text for *_, text in EXAMPLES)
    assert {name for name in a_library() if f"block: {name}" not in told} == set()


def test_every_example_of_settings_is_read() -> None:
    count = 0
    for file in PAGES:
        for fence in fences(file):
            if fence.language == "toml":
                parse_settings(fence.text, path=shown(file), environ={})
                count += 1
    assert count


# --- the worked examples of the developers' pages ---------------------------------------------


def test_the_block_of_add_a_block_makes_a_letter(workspace: Path) -> None:
    follow(DOCS / "add-a-block.md", workspace)
    # the page's last step breaks the template on purpose, behind the rendering
    for name in ("email.html", "email.txt", "web.html"):
        said = (workspace / "recette" / name).read_text()
        assert "quatre œufs" in said, name
        assert "9\u00a0personnes" in said or "9 personnes" in said, name
        assert "<mj-" not in said, name


_SENDMAIL = """\
#!/bin/sh
cat > "{folder}/$5"
case "$5" in zoe2@*) echo "no such mailbox" >&2; exit 67;; zoe3@*) exit 75;; esac
"""


def load(source: Path) -> ModuleType:
    """Import a file that is in no package."""
    spec = importlib.util.spec_from_file_location("a_provider_of_the_docs", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def provider_file(tmp_path: Path) -> Path:
    (fence,) = [one for one in fences(DOCS / "add-a-provider.md") if one.language == "python"]
    assert fence.target == "pipeline/delivery/providers/sendmail.py"
    file = tmp_path / "sendmail.py"
    file.write_text(fence.text)
    return file


def test_the_provider_of_add_a_provider_keeps_the_port(provider_file: Path, tmp_path: Path) -> None:
    module = load(provider_file)
    (tmp_path / "mail").mkdir()
    program = tmp_path / "sendmail"
    program.write_text(_SENDMAIL.format(folder=tmp_path / "mail"))
    program.chmod(0o755)
    environ = {"INFOLETTRE_SENDMAIL": str(program)}
    provider = module.open_provider(settings=Settings(), root=tmp_path, environ=environ)
    people = [a_recipient(n) for n in (1, 2, 3)] + [a_recipient(4, name="a\r\nBcc: x@y.org")]

    outcomes = {one.recipient: one for one in provider.send(a_letter(), people)}

    assert {name: one.state for name, one in outcomes.items()} == {
        "r1": State.ACCEPTED,
        "r2": State.FAILED,
        "r3": State.DEFERRED,
        "r4": State.FAILED,
    }
    assert outcomes["r2"].detail == "no such mailbox"
    assert isinstance(outcomes["r4"].error, InputError)
    copy = read_message((tmp_path / "mail/zoe1@example.org").read_bytes())
    assert copy["To"].addresses[0].addr_spec == "zoe1@example.org"
    body = copy.get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("Bonjour Zoë,")
    assert list(provider.send(a_letter(), [])) == []
    program.unlink()
    with pytest.raises(ProviderError, match="INFOLETTRE_SENDMAIL"):
        list(provider.send(a_letter(), people[:1]))
    provider.close()
    provider.close()
    with pytest.raises(InputError, match="INFOLETTRE_SENDMAIL"):
        module.open_provider(settings=Settings(), root=tmp_path, environ=environ)


def test_the_provider_of_add_a_provider_is_written_as_the_house_writes(
    provider_file: Path,
) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    for verb in (["check", "--quiet", "--ignore", "S603"], ["format", "--check", "--quiet"]):
        done = subprocess.run(
            [ruff, *verb, "--config", ROOT / "pyproject.toml", provider_file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert ast.get_docstring(ast.parse(provider_file.read_text()))


# --- the rest ---------------------------------------------------------------------------------

DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


def test_decisions_are_numbered_and_listed() -> None:
    numbers = [int(file.name[:3]) for file in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    listed = WORDS[DOCS / "decisions/README.md"]
    assert [file.name for file in DECISIONS if file.name not in listed] == []


@pytest.mark.parametrize("file", DECISIONS, ids=lambda file: file.stem)
def test_a_decision_says_what_would_change_our_mind_on_half_a_page(file: Path) -> None:
    words = WORDS[file]
    for part in ("**Question.**", "**Choice.**", "**Refused.**", "**What would change our mind.**"):
        assert part in words
    assert len(words.split()) < 420


def test_the_changelog_knows_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert __version__ in WORDS[ROOT / "CHANGELOG.md"]


def test_the_glossary_has_every_name_once() -> None:
    names = re.findall(r"^\| ([^|]+) \|", WORDS[DOCS / "glossary.md"], re.MULTILINE)
    assert len(names) == len(set(names))
