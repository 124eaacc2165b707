"""The secrets of sending by SMTP, read from the environment: a password, a key that signs.

They are checked before a server is met, and never printed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.delivery.connection import PASSWORD
from pipeline.delivery.dkim import Signer, make_signer
from pipeline.errors import InputError
from pipeline.settings import Dkim, Smtp
from pipeline.words import mark

KEY: Final = "INFOLETTRE_DKIM_KEY"
KEY_FILE: Final = "INFOLETTRE_DKIM_KEY_FILE"
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def read_password(smtp: Smtp, environ: Mapping[str, str]) -> str:
    """Return the password, or nothing where the server asks for none.

    Raises InputError where it is missing, cannot be carried, or would travel in clear.
    """
    password = environ.get(PASSWORD, "")
    if smtp.username and not password:
        raise InputError(
            mark(
                "“smtp.username” is set, but the variable {variable} is not: put the password there"
            ),
            variable=PASSWORD,
        )
    if not (smtp.username + password).isascii():
        raise InputError(
            mark(
                "“smtp.username” and {variable} may only have letters, digits and signs of ASCII:"
                " choose another password"
            ),
            variable=PASSWORD,
        )
    if smtp.username and smtp.security == "none" and smtp.host not in _LOCAL:
        raise InputError(
            mark("the password would travel unprotected: set “smtp.security” to starttls or tls")
        )
    return password


def read_signer(dkim: Dkim, *, root: Path, environ: Mapping[str, str]) -> Signer | None:
    """Return what signs our mail, or None where neither a key nor a name is given.

    A file's path is relative to ``root``. Raises InputError where something is missing or wrong.
    """
    variable, pem = _read_key(root, environ)
    missing = [name for name in ("domain", "selector") if not getattr(dkim, name)]
    if not pem and len(missing) == 2:
        return None
    if not pem:
        raise InputError(
            mark(
                "“dkim.domain” is set, but there is no key: put it into the variable {variable},"
                " or the name of its file into {file_variable}"
            ),
            variable=KEY,
            file_variable=KEY_FILE,
        )
    if missing:
        raise InputError(
            mark("{variable} holds a key, but “{setting}” is empty: say whose key it is"),
            variable=variable,
            setting=f"dkim.{missing[0]}",
        )
    return make_signer(pem, domain=dkim.domain, selector=dkim.selector, variable=variable)


def _read_key(root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that has or names the key, and the key's text."""
    if pem := environ.get(KEY, ""):
        return KEY, pem
    name = environ.get(KEY_FILE, "")
    if not name:
        return KEY, ""
    try:
        return KEY_FILE, (root / name).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(
            mark("{variable} names “{file}”, which cannot be read ({reason})"),
            variable=KEY_FILE,
            file=root / name,
            reason=reason or type(error).__name__,
        ) from None
