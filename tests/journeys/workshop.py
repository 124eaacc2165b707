"""A copy of this repo's workspace, and the command run in it as a person would."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "infolettre"
NEWEST = "2026-11-20-des-cafes-sous-la-lampe"


@dataclass(frozen=True)
class Done:
    """How a command ended; texts are decoded."""

    code: int
    out: str
    err: str


def copy_workspace(target: Path, *letters: str) -> Path:
    """Copy settings, watchlists and ``letters`` (all of them by default) into ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("infolettre.toml", "watchlists.opml"):
        shutil.copy(ROOT / name, target / name)
    (target / "issues").mkdir()
    for one in sorted((ROOT / "issues").iterdir()):
        if one.is_file():
            shutil.copy(one, target / "issues" / one.name)
        elif not letters or one.name in letters:
            shutil.copytree(one, target / "issues" / one.name)
    return target


def run(folder: Path, *arguments: str, **environ: str) -> Done:
    """Run ``infolettre`` in ``folder``, without a terminal; times out after two minutes."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("INFOLETTRE_")}
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=base | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)
