"""What the delivery room asks of a provider, and the words for what became of a recipient."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.delivery.events import Event
from pipeline.delivery.message import Letter
from pipeline.delivery.recipient import Recipient
from pipeline.errors import InputError

__all__ = ["Capabilities", "Outcome", "Provider", "Recipient", "State"]


class State(StrEnum):
    """What a provider may say of one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # may work later
    FAILED = "failed"  # never, as it stands
    UNCERTAIN = "uncertain"  # handed over, but no answer came: it may have left


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one recipient; ``detail`` is the provider's own answer, never a secret.

    ``enhanced`` is a mail server's status code of RFC 3463, such as ``5.1.1``. ``retry_after`` is
    in seconds. ``error`` is our own refusal of this recipient, to be said in the reader's
    language; ``detail`` then holds its English.
    """

    recipient: str
    state: State
    code: str = ""
    enhanced: str = ""
    detail: str = ""
    retry_after: float | None = None
    is_repeat: bool = False
    error: InputError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the caller may count on."""

    batch: int
    can_be_asked: bool = False  # after a crash, ``held`` knows whether a message left


class Provider(Protocol):
    """Hands batches over. A provider is one file, opened once a campaign and closed at its end."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Yield one outcome a recipient, as each is known.

        Raises ProviderError only when nothing of what is left can be handed over (refused
        credentials, no server): the recipients without an outcome were not sent.
        """
        ...

    def held(self, message_ids: Collection[str]) -> frozenset[str]:
        """Return those of the Message-IDs (with their angle brackets) that were handed over.

        Asked only where ``capabilities.can_be_asked``. Elsewhere it raises NotImplementedError:
        an empty answer would be read as "nobody got it", and everybody would get it twice.
        """
        ...

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Return what a webhook's request says, after checking that the provider wrote it.

        A provider without a webhook answers with none: its bounces come by mail. Raises
        WebhookError where the request cannot be believed or read, InputError where what is needed
        to check it is missing.
        """
        ...

    def stop(self) -> None:
        """Begin nothing more; what is under way is still answered. For signal handlers, too."""
        ...

    def close(self) -> None: ...
