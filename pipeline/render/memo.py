"""Blocks already rendered, so that a letter in which one changed renders that one.

Rendering stays a function of its input: what is kept is named by all that it depends on.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.render.edition import Picture

#: Three flavours of some dozen letters of fifteen blocks; about 4 MB.
MAX_KEPT: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One block in one flavour, the pictures it shows and the links it was first to name."""

    text: str
    pictures: Mapping[str, Picture]
    links: tuple[str, ...]


@dataclass(slots=True)
class Memo:
    """The blocks rendered last, by what they depend on; the oldest makes room."""

    _kept: dict[Hashable, Rendered] = field(default_factory=dict)

    def get(self, key: Hashable) -> Rendered | None:
        """Return what was rendered from ``key``, if it is still here."""
        return self._kept.get(key)

    def keep(self, key: Hashable, rendered: Rendered) -> None:
        """Remember what was rendered from ``key``."""
        self._kept[key] = rendered
        while len(self._kept) > MAX_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
