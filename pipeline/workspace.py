"""Where things are: the folder that holds ``infolettre.toml``, and what lies beside it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import WorkspaceError
from pipeline.settings import Settings, parse_settings
from pipeline.words import mark

SETTINGS_FILE: Final = "infolettre.toml"
ISSUE_FILE: Final = "issue.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder with letters, and its settings."""

    root: Path
    settings: Settings

    @property
    def issues(self) -> Path:
        return self.root / "issues"

    @property
    def blocks(self) -> Path:
        return self.root / "blocks"

    @property
    def watchlists(self) -> Path:
        return self.root / "watchlists.opml"

    @property
    def var(self) -> Path:
        return self.root / "var"

    def find_issue(self, name: str) -> Path:
        """Return the folder of a letter, given by its path, its slug or the end of its slug.

        Raises WorkspaceError, naming the letters that exist.
        """
        for given in (Path(name), self.issues / name):
            folder = given.parent if given.name == ISSUE_FILE else given
            if (folder / ISSUE_FILE).is_file():
                return folder.resolve()
        matches = [folder for folder in self.all_issues() if name and name in folder.name]
        if len(matches) == 1:
            return matches[0]
        raise WorkspaceError(
            mark("no letter “{name}”; in {folder} there are: {known}"),
            name=name,
            folder=self.issues,
            known=", ".join(one.name for one in matches or self.all_issues()) or "—",
        )

    def all_issues(self) -> list[Path]:
        """Return the folders of all letters, oldest first (their names begin with the date)."""
        return sorted(file.parent.resolve() for file in self.issues.glob(f"*/{ISSUE_FILE}"))

    def newest_issue(self) -> Path:
        """Return the folder of the newest letter; raises WorkspaceError where there is none."""
        if not (folders := self.all_issues()):
            raise WorkspaceError(
                mark("there is no letter in {folder} yet: start one with “infolettre new”"),
                folder=self.issues,
            )
        return folders[-1]


def shown(path: Path) -> str:
    """Return a path as a person would type it from where they stand."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def find_workspace(start: Path) -> Workspace:
    """Return the workspace around ``start``: the nearest folder with an ``infolettre.toml``.

    Raises WorkspaceError (how to make one) or SettingsError (every mistake).
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (file := folder / SETTINGS_FILE).is_file():
            return Workspace(root=folder, settings=_read(file))
    raise WorkspaceError(
        mark(
            "no infolettre.toml in {folder} nor above it: go to your workspace,"
            " or make one here with “infolettre init”"
        ),
        folder=start,
    )


def _read(file: Path) -> Settings:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise WorkspaceError(
            mark("{file} is not UTF-8 text: save it again as UTF-8"), file=file
        ) from None
    return parse_settings(text, path=str(file), environ=os.environ)
