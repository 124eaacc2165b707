"""Reads blocks from their folders: the workspace's own first, then those that ship. An edge."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from pipeline.blocks.block import FLAVOURS, FRAME, Block, Library
from pipeline.blocks.schema import BLOCK_FILE
from pipeline.blocks.structure import check_structure
from pipeline.errors import BlockError, Mistake, MistakesError
from pipeline.text.document import Document, parse_document
from pipeline.words import mark

BLOCK_FILE_NAME: Final = "block.yaml"
EXAMPLE_FILE: Final = "example.yaml"
FRAME_FILES: Final = (
    "email.mjml",
    "text.txt",
    "web.html",
    "web.css",
    "parts.mjml",
    "parts.html",
    "parts.txt",
)

if TYPE_CHECKING:
    from jinja2 import BytecodeCache

_PACKAGE: Final = Path(__file__).parent
_VALIDATOR: Final = jsonschema_rs.Draft202012Validator(BLOCK_FILE)


def shipped_blocks() -> Path:
    """Return the folder of the blocks that ship: in the wheel, or beside the package."""
    packed = _PACKAGE / "shipped"
    return packed if packed.is_dir() else _PACKAGE.parent.parent / "blocks"


def load_library(folders: Iterable[Path], *, bytecode: "BytecodeCache | None" = None) -> Library:
    """Return the blocks of ``folders``; of two with one name, the first folder's wins.

    ``bytecode`` keeps compiled templates between two commands; Jinja compares their sources.
    Raises BlockError with every mistake of every block.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for one in sorted(folder.iterdir()):
                if one.is_dir() and one.name not in found and not one.name.startswith((".", "_")):
                    found[one.name] = one
    mistakes: list[Mistake] = []
    blocks: dict[str, Block] = {}
    templates: dict[str, str] = {}
    paths: dict[str, str] = {}
    for name, folder in sorted(found.items()):
        try:
            files = FRAME_FILES if name == FRAME else tuple(FLAVOURS.values())
            for file in files:
                templates[f"{name}/{file}"] = _template(folder / file)
                paths[f"{name}/{file}"] = str(folder / file)
            if name != FRAME:
                blocks[name] = _read_block(name, folder)
        except MistakesError as error:
            mistakes += error.mistakes
    if mistakes:
        raise BlockError(mistakes)
    return Library(blocks=blocks, templates=templates, paths=paths, bytecode=bytecode)


def _template(file: Path) -> str:
    source = _read(file).decode("utf-8", errors="replace")
    if file.name == FLAVOURS["email"] and file.parent.name != FRAME:
        mistakes = check_structure(source, path=str(file))
        if mistakes:
            raise BlockError(mistakes)
    return source


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        message = mark("this block lacks its file {name}: see “add a block” in the docs")
        raise BlockError(
            [Mistake(path=str(file), message=message, facts={"name": file.name})]
        ) from None


def _read_block(name: str, folder: Path) -> Block:
    file = folder / BLOCK_FILE_NAME
    document = parse_document(_read(file), path=str(file))
    mistakes = [_mistake(document, error) for error in _VALIDATOR.iter_errors(document.values)]
    if mistakes:
        raise BlockError(mistakes)
    values: dict[str, Any] = document.values
    try:
        jsonschema_rs.Draft202012Validator(values["schema"])
    except jsonschema_rs.ValidationError as error:
        raise BlockError([_mistake(document, error, "schema")]) from None
    example = parse_document(_read(folder / EXAMPLE_FILE), path=str(folder / EXAMPLE_FILE))
    return Block(
        name=name,
        label=values["label"],
        description=values["description"],
        icon=values["icon"],
        schema=values["schema"],
        words=values.get("words", {}),
        calendar=values.get("calendar", ""),
        example=example.values or {},
        example_text=example.text,
        folder=str(folder),
    )


def _mistake(document: Document, error: jsonschema_rs.ValidationError, *under: str) -> Mistake:
    return document.mistake(
        (*under, *error.instance_path),
        mark("a block.yaml is not made like this: {reason}"),
        reason=error.message,
    )
