"""A campaign as a value: one letter × one audience × one provider, and what may be done with it.

Nothing is stored or sent here: the edge reads a campaign, asks what follows, and does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from pipeline.delivery.fields import Frame
from pipeline.delivery.states import SERVED, CampaignState, Status
from pipeline.errors import InputError
from pipeline.settings import OUTBOX
from pipeline.words import mark


class Pause(StrEnum):
    """Why a campaign stands still; the values are those of the database."""

    PERSON = "person"  # somebody asked for it
    MISSED = "missed"  # its time passed while no worker was there
    EDITED = "edited"  # the letter was edited after it was frozen
    UNAPPROVED = "unapproved"  # nobody found good what is frozen, and the settings ask for it
    PROVIDER = "provider"  # the provider cannot go on
    REFUSED = "refused"  # it refuses too many: something is wrong with the letter or the list
    UNANSWERED = "unanswered"  # it took a whole batch and answered for none of it
    COMPLAINTS = "complaints"  # too many readers call it spam


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One row of the table; ``name`` is what Message-IDs are made of and never changes.

    ``digest`` names what was frozen, ``is_approved`` says whether an approval names it too.
    ``reviewed_at`` is when a person last let it go on after a pause. ``strikes`` counts the batches
    in a row that the provider could not take.
    """

    id: int
    name: str
    slug: str
    title: str
    segment: str
    provider: str
    round: int
    state: CampaignState
    digest: str
    source: str
    segments: tuple[str, ...]
    frame: Frame
    created_at: datetime
    created_by: str = ""
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reviewed_at: datetime | None = None
    pause: Pause | None = None
    pause_detail: str = ""
    strikes: int = 0
    total: int = 0
    is_approved: bool = False

    @property
    def is_rehearsal(self) -> bool:
        """Say that nothing leaves this machine."""
        return self.provider == OUTBOX

    @property
    def is_over(self) -> bool:
        return self.state in (CampaignState.DONE, CampaignState.CANCELLED)


def campaign_name(slug: str, segment: str, provider: str, round_: int) -> str:
    """Return the name of a campaign, the same wherever it is made anew from the same letter."""
    return f"{slug}/{segment}/{provider}/{round_}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many deliveries stand where; ``claimed`` of the queued are under way.

    ``next_due`` is when the next of the deferred is tried again.
    """

    by_status: Mapping[Status, int] = field(default_factory=dict)
    claimed: int = 0
    next_due: datetime | None = None

    def of(self, *statuses: Status) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def sent(self) -> int:
        """Return how many the provider has, whatever came back later."""
        return self.of(*SERVED)

    @property
    def waiting(self) -> int:
        """Return how many are queued and not under way."""
        return self.of(Status.QUEUED) - self.claimed


def first_state(*, needs_approval: bool, is_approved: bool) -> CampaignState:
    """Return where a campaign stands that was just frozen."""
    return CampaignState.DRAFT if needs_approval and not is_approved else CampaignState.SCHEDULED


_PAUSABLE: Final = (CampaignState.SCHEDULED, CampaignState.RUNNING)
_CANCELLABLE: Final = (*_PAUSABLE, CampaignState.DRAFT, CampaignState.PAUSED)


def check_pausable(campaign: Campaign) -> None:
    """Raises InputError where there is nothing to pause."""
    if campaign.state not in _PAUSABLE:
        raise _unfit(campaign, mark("only one that is scheduled or running can be paused"))


def check_cancellable(campaign: Campaign) -> None:
    """Raises InputError where a campaign is over."""
    if campaign.state not in _CANCELLABLE:
        raise _unfit(campaign, mark("there is nothing left to cancel"))


def state_resumed(campaign: Campaign) -> CampaignState:
    """Return where a paused campaign goes on from. Raises InputError where it is not paused."""
    if campaign.state is not CampaignState.PAUSED:
        raise _unfit(campaign, mark("only one that is paused can be resumed"))
    return CampaignState.RUNNING if campaign.started_at else CampaignState.SCHEDULED


def _unfit(campaign: Campaign, reason: str) -> InputError:
    return InputError(
        mark("campaign {id} is {state}: {reason}"),
        id=campaign.id,
        state=STATE_WORDS[campaign.state],
        reason=reason,
    )


#: The states and reasons as people read them.
STATE_WORDS: Final = {
    CampaignState.DRAFT: mark("waiting for approval"),
    CampaignState.SCHEDULED: mark("scheduled"),
    CampaignState.RUNNING: mark("running"),
    CampaignState.PAUSED: mark("paused"),
    CampaignState.CANCELLED: mark("cancelled"),
    CampaignState.DONE: mark("done"),
}
PAUSE_WORDS: Final = {
    Pause.PERSON: mark("somebody paused it"),
    Pause.MISSED: mark("its time passed while nothing was there to send it"),
    Pause.EDITED: mark("the letter was edited after it had been scheduled"),
    Pause.UNAPPROVED: mark("nobody approved it yet"),
    Pause.PROVIDER: mark("the provider cannot go on"),
    Pause.REFUSED: mark("the provider refuses too many recipients"),
    Pause.UNANSWERED: mark("the provider took a whole batch and answered for none of it"),
    Pause.COMPLAINTS: mark("too many readers report your letters as spam"),
}
STATUS_WORDS: Final = {
    Status.QUEUED: mark("waiting"),
    Status.DEFERRED: mark("to be tried again"),
    Status.ACCEPTED: mark("sent"),
    Status.DELIVERED: mark("delivered"),
    Status.BOUNCED: mark("bounced"),
    Status.COMPLAINED: mark("complained"),
    Status.FAILED: mark("refused"),
    Status.SKIPPED: mark("skipped"),
    Status.UNCERTAIN: mark("uncertain"),
}
