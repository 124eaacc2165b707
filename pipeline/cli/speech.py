"""The language of the terminal, and how the command speaks on it.

It is known before click reads its decorators: INFOLETTRE_LANGUAGE, else the workspace's
``language``, else French.
"""

import gettext
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import click

from pipeline.errors import InfolettreError, Mistake, WorkspaceError
from pipeline.words import DOMAIN, LANGUAGES, LOCALE_DIR, mark, say, say_count
from pipeline.workspace import find_workspace, shown

#: Click's own sentences; click asks gettext for them under these very words.
CLICK: Final = (
    mark("Usage:"),
    mark("Options"),
    mark("Commands"),
    mark("Arguments"),
    mark("Show this message and exit."),
    mark("Show the version and exit."),
    mark("Try '{command} {option}' for help."),
    mark("Error: {message}"),
    mark("Missing argument"),
    mark("Missing option"),
    mark("Missing command."),
    mark("No such command {name!r}."),
    mark("No such option {name!r}."),
    mark("Got unexpected extra argument ({args})"),
    mark("Aborted!"),
    mark("required"),
)


@lru_cache(maxsize=1)
def language() -> str:
    """Return the language in which the command speaks, and tell click about it."""
    asked = os.environ.get("INFOLETTRE_LANGUAGE", "")
    chosen = asked if asked in LANGUAGES else _workspace_language()
    os.environ["LANGUAGE"] = chosen
    gettext.bindtextdomain(DOMAIN, LOCALE_DIR)
    gettext.textdomain(DOMAIN)
    return chosen


def _workspace_language() -> str:
    try:
        return find_workspace(Path.cwd()).settings.language
    except (InfolettreError, OSError):  # the command that needs the workspace will say so
        return "fr"


def tell(message: str, **facts: object) -> str:
    """Return a sentence in the terminal's language."""
    return say(message, language(), **facts)


def tell_count(one: str, many: str, count: int, **facts: object) -> str:
    """Return a sentence that counts, in the terminal's language."""
    return say_count(one, many, count, language(), **facts)


def show(text: str = "") -> None:
    """Print a line for the person."""
    click.echo(text)


def show_json(value: object) -> None:
    """Print a value for a script."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def write_out(pieces: Iterable[str], out: Path | None) -> None:
    """Write text to a file and say so, or print it, a piece at a time.

    Raises WorkspaceError where the file cannot be written.
    """
    if out is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
    except OSError as error:
        message = mark("{file} cannot be written ({reason}): check the folder's rights")
        raise WorkspaceError(message, file=out, reason=error.strerror) from None
    show(tell("✓ Written: {file}", file=shown(out)))


def show_error(error: InfolettreError) -> None:
    """Print an error on stderr; of a list of mistakes each with its line of the file."""
    mistakes = getattr(error, "mistakes", ())
    if mistakes:
        show_mistakes(mistakes)
    else:
        click.echo(click.style(error.say(language()), fg="red"), err=True)


def show_mistakes(mistakes: Iterable[Mistake]) -> None:
    """Print each mistake on stderr: where, what, and the line itself with a mark below."""
    for mistake in mistakes:
        where = click.style(mistake.where(), bold=True)
        click.echo(f"{where}: {mistake.what(language())}", err=True)
        for line in _excerpt(mistake):
            click.echo(line, err=True)


def _excerpt(mistake: Mistake) -> list[str]:
    if not mistake.line:
        return []
    try:
        with Path(mistake.path).open(encoding="utf-8", errors="replace") as file:
            lines = file.read(2_000_000).split("\n")
    except OSError:
        return []
    if mistake.line > len(lines):
        return []
    source = lines[mistake.line - 1].rstrip("\r").replace("\t", " ")
    start = max(0, mistake.column - 60)
    cut = "…" if start else ""
    margin = f"{mistake.line:>6} │ "
    pointer = " " * (len(margin) + len(cut) + mistake.column - 1 - start) + "▲"
    return [
        click.style(f"{margin}{cut}{source[start : start + 80]}", dim=True),
        click.style(pointer, fg="red"),
    ]
