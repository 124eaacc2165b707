"""The name of a time zone, read once for all who tell or are told the time."""

from zoneinfo import ZoneInfo

from pipeline.errors import InputError
from pipeline.words import mark


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name such as ``Europe/Paris``.

    Raises InputError for any other name; ``ZoneInfo`` itself raises three kinds of errors: for an
    unknown place, for one such as "../x", and for the name of a folder of its data.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        message = mark("there is no time zone “{name}”: write it as Europe/Paris")
        raise InputError(message, name=name) from None
