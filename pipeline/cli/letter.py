"""``new``, ``validate`` and ``render``: one letter, on this machine."""

import datetime
from pathlib import Path

import click

from pipeline.cli.open import make_pictures, open_issue, open_library, open_press
from pipeline.cli.speech import language, show, show_json, show_mistakes, tell, tell_count
from pipeline.errors import InputError, MistakesError, WorkspaceError
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, find_workspace, shown


@click.command("validate", help=tell("Check a letter. Every mistake is told at its line."))
@click.argument("issue")
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def validate_command(issue: str, as_json: bool) -> None:
    workspace = find_workspace(Path.cwd())
    folder = workspace.find_issue(issue)
    try:
        found = open_issue(workspace, folder, open_press(workspace))
    except MistakesError as error:
        if as_json:
            show_json(
                [
                    {
                        "path": one.path,
                        "line": one.line,
                        "column": one.column,
                        "message": one.what(language()),
                    }
                    for one in error.mistakes
                ]
            )
        else:
            show_mistakes(error.mistakes)
            count = len(error.mistakes)
            show(tell_count("{count} mistake to mend.", "{count} mistakes to mend.", count))
        raise SystemExit(1) from None
    if as_json:
        show_json([])
    else:
        show(
            tell_count(
                "✓ No. {number}, “{title}”: {count} block, no mistake.",
                "✓ No. {number}, “{title}”: {count} blocks, no mistake.",
                len(found.parts),
                number=found.number,
                title=found.title,
            )
        )


@click.command(
    "render",
    help=tell(
        "Render a letter into files. The e-mail, the plain text, the web page and their images."
    ),
)
@click.argument("issue")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=tell("Folder to write into; by default var/render/<letter>."),
)
def render_command(issue: str, out: Path | None) -> None:
    from pipeline.cli.sample import write_rendering
    from pipeline.render.letter import render_edition

    workspace = find_workspace(Path.cwd())
    folder = workspace.find_issue(issue)
    press = open_press(workspace)
    edition = render_edition(open_issue(workspace, folder, press), press)
    target = out or workspace.var / "render" / folder.name
    files = write_rendering(
        edition,
        target,
        pictures=make_pictures(edition, folder, workspace),
        settings=workspace.settings,
    )
    for file, octets in files:
        show(f"  {shown(file)}  ({octets / 1000:.1f} kB)")
    show(tell("Edition {digest}", digest=edition.digest[:12]))


@click.command("new", help=tell("Start the next letter. A folder, with an issue.yaml to fill in."))
@click.argument("title")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help=tell("Its date; by default next Friday."),
)
def new_command(title: str, day: datetime.datetime | None) -> None:
    from pipeline.issues.draft import draft_issue, next_number, upcoming_friday
    from pipeline.text.slugs import slugify

    if not title.strip():
        raise InputError(mark('a letter needs a title: infolettre new "My title"'))
    workspace = find_workspace(Path.cwd())
    date = day.date() if day else upcoming_friday(datetime.date.today())
    folder = workspace.issues / f"{date.isoformat()}-{slugify(title) or 'lettre'}"
    if folder.exists():
        message = mark("{folder} exists already: choose another title or date")
        raise InputError(message, folder=folder)
    senders = list(workspace.settings.senders) or ["redaction"]
    text = draft_issue(
        number=next_number(_text(one) for one in workspace.all_issues()),
        title=title,
        date=date,
        language=workspace.settings.site.language,
        sender=senders[0],
        library=open_library(workspace),
    )
    try:
        folder.mkdir(parents=True)
        (folder / ISSUE_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        message = mark("{folder} cannot be written ({reason}): give yourself the right to write")
        raise WorkspaceError(message, folder=folder, reason=error.strerror) from None
    show(shown(folder / ISSUE_FILE))
    show(tell("See it as you write: infolettre preview {slug}", slug=folder.name))


def _text(folder: Path) -> str:
    return (folder / ISSUE_FILE).read_text(encoding="utf-8", errors="replace")
