"""The command: one file a group, each parses, calls and prints; nothing is decided here.

A command's file is imported when that command is asked for, so that none pays for another.
"""

import gc
import sys
from importlib import import_module
from typing import Final

import click

from pipeline import __version__
from pipeline.cli.speech import language, show_error, tell
from pipeline.errors import InfolettreError

#: Each command and the file that holds it, in the order of a week's work.
COMMANDS: Final = {
    "init": "workspace",
    "new": "letter",
    "blocks": "blocks",
    "schema": "blocks",
    "validate": "letter",
    "preview": "preview",
    "render": "letter",
    "veille": "veille",
    "subscribers": "subscribers",
    "send": "send",
    "campaign": "campaign",
    "worker": "worker",
    "archive": "archive",
    "serve": "serve",
    "db": "db",
    "demo": "demo",
    "doctor": "doctor",
}

#: Python looks for cycles after 700 new objects; importing makes 300,000, all to stay. Looking less
#: often takes 7 % off a cold render.
_GARBAGE: Final = 50_000


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


def _group() -> click.Group:
    language()
    group = _Lazy(
        "infolettre",
        help=tell("Write a letter from blocks, check it, send it, archive it."),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
    )
    return click.version_option(__version__, prog_name="infolettre")(group)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exits 0 (done), 1 (the input or the letter is at fault) or 2 (usage)."""
    gc.set_threshold(_GARBAGE)
    try:
        _group().main(args=arguments, prog_name="infolettre")
    except InfolettreError as error:
        show_error(error)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away: nothing to say
        sys.stderr.close()
        sys.exit(1)
