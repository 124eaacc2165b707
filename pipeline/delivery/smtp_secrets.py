"""The secrets of sending by SMTP, read from the environment: a password, the keys that sign.

They are checked before a server is met, and never printed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.delivery.connection import PASSWORD
from pipeline.delivery.dkim import Signer, SignerPair, make_signer, pair_signers
from pipeline.errors import InputError
from pipeline.settings import Dkim, Smtp
from pipeline.words import mark

KEY: Final = "INFOLETTRE_DKIM_KEY"
SECOND_KEY: Final = "INFOLETTRE_DKIM_SECOND_KEY"
_FILE: Final = "_FILE"  # behind a key's variable: the one that names the key's file
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


def read_signer(
    dkim: Dkim, *, root: Path, environ: Mapping[str, str]
) -> Signer | SignerPair | None:
    """Return what signs our mail, or None where neither a key nor a name is given.

    A file's path is relative to ``root``. Raises InputError where something is missing or wrong.
    """
    first = _read_signer(dkim, "selector", KEY, root=root, environ=environ)
    second = _read_signer(dkim, "second_selector", SECOND_KEY, root=root, environ=environ)
    return pair_signers(first, second) if first and second else first


def _read_signer(
    dkim: Dkim, selector: str, key: str, *, root: Path, environ: Mapping[str, str]
) -> Signer | None:
    """Return the signer of one key, or None where nothing asks for it.

    ``selector`` is the setting that names the key, ``key`` the variable that has it. A domain
    asks for the first key, and so there is no second one alone.
    """
    variable, pem = _read_key(key, root, environ)
    wanted = [selector] if key == SECOND_KEY else ["domain", selector]
    given = [name for name in wanted if getattr(dkim, name)]
    if not pem and not given:
        return None
    if not pem:
        raise InputError(
            mark(
                "“{setting}” is set, but there is no key: put it into the variable {variable},"
                " or the name of its file into {file_variable}"
            ),
            setting=f"dkim.{given[0]}",
            variable=key,
            file_variable=key + _FILE,
        )
    for name in ("domain", selector):
        if not getattr(dkim, name):
            raise InputError(
                mark("{variable} holds a key, but “{setting}” is empty: say whose key it is"),
                variable=variable,
                setting=f"dkim.{name}",
            )
    return make_signer(
        pem,
        domain=dkim.domain,
        selector=getattr(dkim, selector),
        variable=variable,
        setting=f"dkim.{selector}",
    )


def _read_key(key: str, root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that has or names a key, and the key's text."""
    if pem := environ.get(key, ""):
        return key, pem
    variable = key + _FILE
    name = environ.get(variable, "")
    if not name:
        return key, ""
    try:
        return variable, (root / name).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(
            mark("{variable} names “{file}”, which cannot be read ({reason})"),
            variable=variable,
            file=root / name,
            reason=reason or type(error).__name__,
        ) from None
