"""A block: its fields' schema, its three templates, its words and its example. Values only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jinja2 import BytecodeCache

FLAVOURS: Final = {"email": "email.mjml", "text": "text.txt", "web": "web.html"}
FRAME: Final = "frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One kind of block.

    ``schema`` is the JSON Schema 2020-12 of its own fields; ``words`` are the block's sentences by
    name, then by language. ``calendar`` names the list whose items are events, or is ``"."``
    where the block itself is one.
    """

    name: str
    label: Mapping[str, str]
    description: Mapping[str, str]
    icon: str
    schema: Mapping[str, Any]
    example: Mapping[str, Any]
    example_text: str = ""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    calendar: str = ""
    folder: str = ""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Return the schemas of the block's own fields, by name."""
        found: Mapping[str, Any] = self.schema.get("properties", {})
        return found

    def words_in(self, language: str) -> dict[str, str]:
        """Return the block's sentences in ``language``, or in French where it has none."""
        short = language.partition("-")[0]
        return {name: said.get(short, said["fr"]) for name, said in self.words.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The blocks at hand, and the sources of all templates by ``<block>/<file>``.

    The templates of the frame (what stands around the blocks) are under ``frame/``. ``bytecode``
    is where Jinja keeps what it compiled, so that a cold command need not do it again.
    """

    blocks: Mapping[str, Block]
    templates: Mapping[str, str]
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bytecode: "BytecodeCache | None" = None

    def __getitem__(self, name: str) -> Block:
        return self.blocks[name]

    def __contains__(self, name: object) -> bool:
        return name in self.blocks

    def __iter__(self) -> Iterator[str]:
        return iter(self.blocks)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other
