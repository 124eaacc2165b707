"""What the public pages work with, and the links that they and their mails carry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from pipeline.audience.secret import Keys
from pipeline.audience.tokens import make_token, read_token
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome
from pipeline.delivery.recipient import Recipient
from pipeline.settings import Settings

#: The pages are named as their paths are; a token is good for the page of its name alone.
ASK: Final = "abonnement"
CONFIRM: Final = "confirmation"
LEAVE: Final = "desabonnement"
PREFERENCES: Final = "preferences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """``base`` is the public address, without a slash at its end; ``post`` hands one mail over
    and says what became of it; ``now`` is the clock (aware)."""

    engine: Engine
    settings: Settings
    keys: Keys
    base: str
    post: Callable[[Letter, Recipient], Outcome]
    now: Callable[[], datetime]

    def confirm_address(self, public_id: str, request: str) -> str:
        """Return the link that confirms one request of one person, for a few days."""
        until = self.now() + timedelta(days=self.settings.subscription.confirm_days)
        subject = f"{public_id}.{request}"
        token = make_token(self.keys.current, purpose=CONFIRM, subject=subject, until=until)
        return f"{self.base}/{CONFIRM}/{token}"

    def leave_address(self, public_id: str) -> str:
        """Return the link by which a person leaves; it works for ever (T6)."""
        token = make_token(self.keys.current, purpose=LEAVE, subject=public_id)
        return f"{self.base}/{LEAVE}/{token}"

    def read_confirm(self, token: str) -> tuple[str, str] | None:
        """Return the person and the request that a link names, None where it is not good."""
        subject = read_token(self.keys, token, purpose=CONFIRM, now=self.now())
        public_id, _, request = (subject or "").partition(".")
        return (public_id, request) if request else None

    def read_person(self, token: str, page: str) -> str | None:
        """Return the person that a link to ``page`` names, None where it is not good."""
        return read_token(self.keys, token, purpose=page)
