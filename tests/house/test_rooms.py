"""The house's own rules: which room may know which, and what the core must not do."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
CORE = next(one for one in CONTRACTS if one["type"] == "forbidden")["source_modules"]
_CLOCKS = {
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
    "time": {"time", "monotonic", "perf_counter", "time_ns"},
}
_FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink"}
#: Pillow's open, of bytes.
_ALLOWED = {("pipeline.render.pictures", "open")}


def core_files() -> list[Path]:
    found: list[Path] = []
    for module in CORE:
        place = ROOT / module.replace(".", "/")
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return found


def test_imports_only_go_down_and_the_core_does_no_io() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", core_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_core_file_opens_nothing_and_asks_no_clock(file: Path) -> None:
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else ""
            called = function.id if isinstance(function, ast.Name) else called
            if (module, called) not in _ALLOWED:
                assert called not in _FILES, f"{file}:{node.lineno}: {called}"
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                asked = called in _CLOCKS.get(function.value.id, ())
                assert not asked, f"{file}:{node.lineno}: {called}"


def test_every_verb_of_the_makefile_is_listed_by_make_alone() -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=environ
    )
    source = (ROOT / "Makefile").read_text()
    verbs = source.partition(".PHONY:")[2].partition("\n")[0].split()
    assert set(verbs) == {line.split()[1] for line in done.stdout.splitlines() if line.strip()}


def test_no_committed_file_names_a_package_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock
