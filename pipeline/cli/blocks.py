"""``blocks`` and ``schema``: what letters can be made of."""

import json
from pathlib import Path

import click

from pipeline.blocks.block import Block, Library
from pipeline.blocks.schema import letter_schema
from pipeline.cli.open import open_library
from pipeline.cli.speech import language, show, show_json, tell
from pipeline.errors import InputError, WorkspaceError
from pipeline.issues.draft import indented
from pipeline.words import mark
from pipeline.workspace import Workspace, find_workspace


def _library() -> Library:
    workspace: Workspace | None
    try:
        workspace = find_workspace(Path.cwd())
    except WorkspaceError:  # the blocks that ship can be read about anywhere
        workspace = None
    return open_library(workspace)


@click.command("blocks", help=tell("List the blocks, or show one: its fields and an example."))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def blocks_command(name: str | None, as_json: bool) -> None:
    library = _library()
    if name is None:
        _show_all(library, as_json=as_json)
        return
    if name not in library:
        message = mark("there is no block “{name}”; did you mean: {known}")
        raise InputError(message, name=name, known=", ".join(library))
    block = library[name]
    if as_json:
        show_json({"name": name, "schema": dict(block.schema), "example": dict(block.example)})
    else:
        _show_one(block)


def _show_all(library: Library, *, as_json: bool) -> None:
    if as_json:
        show_json([{"name": name, "label": library[name].label[language()]} for name in library])
        return
    width = max(len(name) for name in library)
    for name in library:
        block = library[name]
        show(f"{block.icon}  {name:<{width}}  {block.description[language()]}")


def _show_one(block: Block) -> None:
    show(f"{block.icon}  {block.label[language()]} — {block.description[language()]}")
    show()
    for name, field in block.properties.items():
        told = field if language() == "fr" else field.get("x-en", field)
        needed = "*" if name in block.schema.get("required", ()) else " "
        kind = field.get("format") or str(field["type"])
        show(f" {needed} {name:<14} {kind:<14} {told['title']}")
    show()
    show(f"  - block: {block.name}")
    for line in indented(block.example_text):
        show(line)


@click.command("schema", help=tell("Print the JSON Schema of a letter, for your YAML editor."))
def schema_command() -> None:
    show(json.dumps(letter_schema(_library()), ensure_ascii=False, indent=2))
