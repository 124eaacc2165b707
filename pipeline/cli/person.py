"""Who is at the keyboard: whom the desk and the campaigns name."""

import getpass
import os
from typing import Final

VARIABLE: Final = "INFOLETTRE_CURATOR"


def user_name() -> str:
    """Return who is at this machine, as far as it knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a list of users
        return ""


def curator_name() -> str:
    """Return who clears the desk: INFOLETTRE_CURATOR, else this machine's user."""
    return " ".join(os.environ.get(VARIABLE, "").split()) or user_name()
