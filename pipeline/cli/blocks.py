"""``blocks`` and ``schema``: what letters can be made of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


@click.command("blocks", help=tell("List the blocks, or show one. With its fields and an example."))
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
    _show_fields(block.schema)
    show()
    show(f"  - block: {block.name}")
    for line in indented(block.example_text):
        show(line)


def _show_fields(schema: Mapping[str, Any], indent: str = "") -> None:
    """Print a line for each field, those of a list's items below it; * marks what is needed."""
    for name, field in schema.get("properties", {}).items():
        told = field if language() == "fr" else field.get("x-en", field)
        needed = "*" if name in schema.get("required", ()) else " "
        kind = field.get("format") or str(field["type"])
        show(f" {needed} {indent + name:<16} {kind:<14} {told['title']}")
        _show_fields(field.get("items", {}), indent + "  ")


@click.command(
    "schema", help=tell("Print a letter's JSON Schema. For completion in a YAML editor.")
)
def schema_command() -> None:
    show(json.dumps(letter_schema(_library()), ensure_ascii=False, indent=2))
