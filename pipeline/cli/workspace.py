"""``init``: a workspace that works at once, offline."""

import datetime
from pathlib import Path
from typing import Final

import click

from pipeline.cli.open import open_library
from pipeline.cli.speech import language, show, tell
from pipeline.errors import InputError, WorkspaceError
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, SETTINGS_FILE

_SETTINGS: Final = """\
language = "{language}"

[site]
name = "{name}"
# url = "https://lettre.exemple.fr"
language = "{language}"

[organisation]
name = "{name}"
address = ""
contact = ""

[senders.redaction]
name = "{name}"
email = "lettre@exemple.example"

[delivery]
provider = "outbox"

[render]
images = "embedded"
"""

_WATCHLISTS: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0">
  <head><title>{name}</title></head>
  <body>
    <outline text="Veille">
      <!-- <outline type="rss" text="…" xmlUrl="https://…/feed.xml" htmlUrl="https://…/"/> -->
    </outline>
  </body>
</opml>
"""


@click.command("init", help=tell("Make a workspace. Here, or in a new folder; it works offline."))
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", help=tell("The newsletter's name; by default the folder's."))
def init_command(folder: Path, name: str | None) -> None:
    from pipeline.issues.draft import draft_issue, upcoming_friday

    if (folder / SETTINGS_FILE).exists():
        message = mark("{folder} is a workspace already: its settings are in infolettre.toml")
        raise InputError(message, folder=folder)
    title = (name or folder.resolve().name or "Infolettre").replace('"', "”")
    date = upcoming_friday(datetime.date.today())
    letter = draft_issue(
        number=1,
        title=tell("Our first letter"),
        date=date,
        language=language(),
        sender="redaction",
        library=open_library(None),
    )
    files = {
        SETTINGS_FILE: _SETTINGS.format(name=title, language=language()),
        "watchlists.opml": _WATCHLISTS.format(name=title),
        f"issues/{date.isoformat()}-premiere-lettre/{ISSUE_FILE}": letter,
        ".gitignore": "/var/\n",
    }
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / path).exists():
                (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        message = mark("{folder} cannot be written ({reason}): give yourself the right to write")
        raise WorkspaceError(message, folder=folder, reason=error.strerror) from None
    for path in files:
        show(f"  {folder / path}")
    show(tell("Next: infolettre preview"))
