"""The README's session, line by line, in a copy of this workspace."""

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline.blocks.registry import load_library, shipped_blocks
from tests.journeys.workshop import COMMAND, ROOT, copy_workspace, run

README = (ROOT / "README.md").read_text()
SESSION = [
    shlex.split(line, comments=True)
    for fence in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for line in fence.splitlines()
    if line.startswith("infolettre")
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy in which the session was run; a preview is stopped once it serves."""
    folder = copy_workspace(tmp_path_factory.mktemp("readme") / "cercle")
    for _, *arguments in SESSION:
        if arguments[0] == "preview":
            look(folder, arguments)
        else:
            done = run(folder, *arguments)
            assert (done.code, done.err) == (0, ""), (arguments, done.err)
    return folder


def look(folder: Path, arguments: list[str]) -> None:
    """Start the preview, read the address that it prints, and stop it as a person does."""
    with subprocess.Popen(
        [COMMAND, *arguments, "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0


def test_the_session_has_six_lines_from_a_check_to_the_archive() -> None:
    verbs = [arguments[1] for arguments in SESSION]
    assert verbs == ["validate", "preview", "subscribers", "send", "send", "archive"]


def test_the_session_leaves_what_the_readme_says(workspace: Path) -> None:
    told = json.loads(run(workspace, "campaign", "show", "1", "--json").out)
    assert (told["state"], told["counts"]["sent"]) == ("done", 3)
    assert len(list((workspace / "var/outbox/new").iterdir())) == 4  # the test and three people
    assert (workspace / "var/site/index.html").is_file()


def test_the_readme_counts_the_blocks_right() -> None:
    assert f"{len(load_library([shipped_blocks()]).blocks)} blocks" in README


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 90
