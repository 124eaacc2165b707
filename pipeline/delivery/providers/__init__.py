"""The providers, one file each: a new provider is a new file here, and nothing else.

Its name is the file's. It holds ``open_provider(*, settings, root, environ)``, which returns what
:mod:`pipeline.delivery.ports` asks for, and imports its own libraries: only the chosen one is
loaded.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from pipeline.delivery.ports import Provider
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.words import mark


class _Module(Protocol):
    def open_provider(
        self, *, settings: Settings, root: Path, environ: Mapping[str, str]
    ) -> Provider: ...


def provider_names() -> tuple[str, ...]:
    """Return the names that ``delivery.provider`` may have, in alphabetical order."""
    return tuple(sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py")))


def open_provider(
    name: str, *, settings: Settings, root: Path, environ: Mapping[str, str]
) -> Provider:
    """Open a provider by its name; ``root`` is the workspace, ``environ`` holds the secrets.

    Raises InputError where there is none of that name or its secret is missing, WorkspaceError
    where its folder cannot be written.
    """
    known = provider_names()
    if name not in known:
        raise InputError(
            mark("no provider “{name}”; there are: {known}"), name=name, known=", ".join(known)
        )
    module = cast(_Module, import_module(f"{__name__}.{name}"))
    return module.open_provider(settings=settings, root=root, environ=environ)
