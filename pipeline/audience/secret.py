"""The key of the audience: what links are signed with and forgotten addresses are hashed with.

It comes from the environment alone and is never printed.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.audience.tokens import MIN_SECRET
from pipeline.errors import InputError
from pipeline.words import mark

SECRET: Final = "INFOLETTRE_SECRET"  # noqa: S105 - the variable's name


def read_secret(environ: Mapping[str, str]) -> bytes:
    """Return the key, empty where there is none. Raises InputError where it is too short."""
    secret = environ.get(SECRET, "").encode()
    if 0 < len(secret) < MIN_SECRET:
        raise InputError(
            mark("the variable {variable} is too short: put {least} random characters or more"),
            variable=SECRET,
            least=MIN_SECRET,
        )
    return secret


def require_secret(environ: Mapping[str, str]) -> bytes:
    """Return the key. Raises InputError, naming the variable, where it is missing or short."""
    if secret := read_secret(environ):
        return secret
    raise InputError(
        mark(
            "to forget somebody a key is needed, with which their address is made unreadable: put"
            " {least} random characters or more into the variable {variable}, and keep it"
        ),
        variable=SECRET,
        least=MIN_SECRET,
    )
