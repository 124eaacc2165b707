"""The keys of the audience: what links are signed with and forgotten addresses are hashed with.

They come from the environment alone and are never printed. One key signs; older ones are only
read, so that links in mail already sent work on, and those who were forgotten stay so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.audience.tokens import MIN_SECRET
from pipeline.errors import InputError
from pipeline.words import mark

SECRET: Final = "INFOLETTRE_SECRET"  # noqa: S105 - the variable's name
PREVIOUS: Final = "INFOLETTRE_SECRET_PREVIOUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The key that signs, empty where there is none, and those that are only read."""

    current: bytes = field(default=b"", repr=False)
    previous: tuple[bytes, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the keys, the one that signs first."""
        yield self.current
        yield from self.previous


def read_keys(environ: Mapping[str, str]) -> Keys:
    """Return the keys: INFOLETTRE_SECRET, and the comma-separated ones of before.

    Raises InputError where one is too short, or where there are only older ones.
    """
    previous = tuple(
        clean.encode() for one in environ.get(PREVIOUS, "").split(",") if (clean := one.strip())
    )
    for one in previous:
        _check(one, PREVIOUS)
    keys = Keys(current=read_secret(environ), previous=previous)
    if previous and not keys.current:
        raise InputError(
            mark(
                "the variable {previous} only holds the keys of before: put the new one, {least}"
                " random characters or more, into {variable}"
            ),
            previous=PREVIOUS,
            variable=SECRET,
            least=MIN_SECRET,
        )
    return keys


def read_secret(environ: Mapping[str, str]) -> bytes:
    """Return the key that signs, empty where there is none. Raises InputError where it is too
    short."""
    secret = environ.get(SECRET, "").encode()
    if secret:
        _check(secret, SECRET)
    return secret


def _check(secret: bytes, variable: str) -> None:
    if len(secret) < MIN_SECRET:
        raise InputError(
            mark("the variable {variable} is too short: put {least} random characters or more"),
            variable=variable,
            least=MIN_SECRET,
        )


def require_keys(environ: Mapping[str, str]) -> Keys:
    """Return the keys. Raises InputError, naming the variable, where they are missing or short."""
    keys = read_keys(environ)
    if keys.current:
        return keys
    raise InputError(
        mark(
            "to forget somebody a key is needed, with which their address is made unreadable: put"
            " {least} random characters or more into the variable {variable}, and keep it"
        ),
        variable=SECRET,
        least=MIN_SECRET,
    )
