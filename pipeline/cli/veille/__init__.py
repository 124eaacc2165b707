"""``veille``: from the feeds to the items of a letter. One file a noun; nothing is decided here.

A command's file is imported when it is asked for: to list entries costs no fetching of feeds.
"""

from importlib import import_module
from typing import Final

import click

from pipeline.cli.speech import tell

#: Each command and the file that holds it, in the order of a curator's week.
COMMANDS: Final = {
    "follow": "feeds",
    "unfollow": "feeds",
    "import": "feeds",
    "export": "feeds",
    "pull": "pulling",
    "health": "pulling",
    "list": "cards",
    "triage": "reader",
    "keep": "triage",
    "discard": "triage",
    "put-back": "triage",
    "undo": "triage",
    "tag": "triage",
    "note": "triage",
    "assign": "triage",
    "history": "triage",
    "add": "page",
    "rules": "rules",
    "report": "week",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command


veille_command = _Lazy(
    "veille",
    help=tell("The feeds, and what goes into the letter. Pull, sort, keep, report."),
    no_args_is_help=True,
)
