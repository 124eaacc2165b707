"""One person of a batch, as the delivery room sees them. Consent and segments are elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person in a batch; ``values`` fill the merge places by name.

    ``email`` and ``unsubscribe_url`` need not stand in ``values``: they are the two fields.
    ``message_id`` is ``<…@…>``; empty, it is made from the campaign and ``id``. ``segments``
    decide which variant of the letter they get. ``envelope`` is the address to which a server
    sends this message back (RFC 5321 §4.4; see :mod:`pipeline.delivery.verp`); empty, it is the
    letter's own From. Providers that handle what comes back themselves have no use for it.
    """

    id: str
    address: str
    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    unsubscribe_url: str = ""
    message_id: str = ""
    segments: frozenset[str] = frozenset()
    envelope: str = ""

    def value_of(self, tag: str) -> str:
        """Return what fills a merge tag here, or an empty string."""
        if value := self.values.get(tag, ""):
            return value
        if tag == "email":
            return self.address
        return self.unsubscribe_url if tag == "unsubscribe_url" else ""
