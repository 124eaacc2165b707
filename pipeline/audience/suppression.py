"""Those who asked to be forgotten: a keyed hash of each address, so that no list brings them back.

A hash made with a key of before is found as well, as long as that key is still read. Who is
erased, and when, is decided elsewhere.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from pipeline.audience.address import normalise_address
from pipeline.audience.secret import SECRET
from pipeline.audience.states import State
from pipeline.audience.tokens import Secrets, each_secret, suppression_hash
from pipeline.errors import InputError
from pipeline.store.people import suppression
from pipeline.words import mark


def keep_out(connection: Connection, address: str, secret: Secrets, *, now: datetime) -> None:
    """Keep the hash of an address, made with the key that signs. Raises InputError where it is
    no address."""
    hashed = _hashes(normalise_address(address).key, secret)[0]
    row = {"address_hash": hashed, "reason": State.FORGOTTEN.value, "at": now}
    connection.execute(insert(suppression).values(row))


def forgotten_at(connection: Connection, address: str, secret: Secrets) -> datetime | None:
    """Return when who had ``address`` asked to be forgotten, None where nobody did.

    A hash made with a key of before counts as well.
    """
    hashes = _hashes(normalise_address(address).key, secret)
    at: datetime | None = connection.scalar(
        select(func.min(suppression.c.at)).where(suppression.c.address_hash.in_(hashes))
    )
    return at


def _hashes(key: str, secret: Secrets) -> list[str]:
    return [suppression_hash(key, one) for one in each_secret(secret)]


def let_back(connection: Connection, address: str, secret: Secrets) -> None:
    """Drop what kept out one who was forgotten, now that they themselves came back."""
    hashes = _hashes(normalise_address(address).key, secret)
    connection.execute(delete(suppression).where(suppression.c.address_hash.in_(hashes)))


def forgotten_keys(connection: Connection, keys: list[str], secret: Secrets) -> set[str]:
    """Return those of ``keys`` whose owners asked to be forgotten.

    Raises InputError where somebody did, but the secret that would tell who is not given.
    """
    if not connection.scalar(select(select(suppression).exists())):
        return set()
    if not each_secret(secret):
        raise InputError(_NEEDS_SECRET, variable=SECRET)
    hashes = {hashed: key for key in keys for hashed in _hashes(key, secret)}
    rows = select(suppression.c.address_hash).where(suppression.c.address_hash.in_(list(hashes)))
    return {hashes[found] for found in connection.scalars(rows)}


_NEEDS_SECRET: Final = mark(
    "some people asked to be forgotten, and only the key in the variable {variable} tells whether"
    " they are among these: set it as it was then"
)
