"""The campaigns in the database: opened once, approved, started, stopped, and counted.

Each change is one transaction that holds the campaign's row, so that two programs at once do it
once. The recipients' rows are :mod:`pipeline.delivery.ledger`'s.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from pipeline.delivery.campaign import (
    STATE_WORDS,
    Campaign,
    Counts,
    Pause,
    campaign_name,
    check_cancellable,
    check_pausable,
    first_state,
    state_resumed,
)
from pipeline.delivery.frozen import Frozen, edition_facts, frame_facts, read_edition, read_frame
from pipeline.delivery.states import CampaignState, Status
from pipeline.errors import InputError
from pipeline.render.edition import Edition
from pipeline.settings import OUTBOX
from pipeline.store.campaigns import (
    approval,
    batch,
    campaign,
    campaign_edition,
    campaign_picture,
    delivery,
)
from pipeline.store.engine import writing
from pipeline.words import mark

_LOCK: Final = 0x1F01_CA11  # any number, the same for all who open or start campaigns


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A campaign that was opened: a new one, or the one that is there already.

    ``is_edited`` says that the letter is another by now than what is being sent.
    """

    campaign: Campaign
    is_new: bool
    is_edited: bool = False


def open_campaign(
    engine: Engine,
    frozen: Frozen,
    *,
    segment: str,
    provider: str,
    now: datetime,
    by: str = "",
    needs_approval: bool = False,
    scheduled_at: datetime | None = None,
    again: bool = False,
) -> Opened:
    """Return the campaign of a letter and an audience: run again, it is the same one.

    One that has not started takes the letter as it is now, which voids an approval of another. A
    second one is opened with ``again`` only. Raises InputError where that cannot be.
    """
    with writing(engine) as connection:
        hold_campaigns(connection)
        latest = check_openable(
            connection, frozen.slug, segment=segment, provider=provider, again=again
        )
        if latest is not None and hold_campaign(connection, latest.id) != latest:
            latest = check_openable(  # somebody changed it before it was held
                connection, frozen.slug, segment=segment, provider=provider, again=again
            )
        if latest is None or again:
            number = _insert(
                connection,
                frozen,
                segment=segment,
                provider=provider,
                round_=next_round(connection, frozen.slug, segment=segment, provider=provider)
                if again
                else 1,
                values={
                    "state": first_state(needs_approval=needs_approval, is_approved=False).value,
                    "scheduled_at": scheduled_at,
                    "created_at": now,
                    "created_by": by,
                },
            )
            return Opened(campaign=get_campaign(connection, number), is_new=True)
        is_edited = latest.digest != frozen.digest
        if latest.started_at is None and latest.state is not CampaignState.DONE:
            _freeze_again(connection, latest, frozen, needs_approval, scheduled_at)
            is_edited = False
        return Opened(
            campaign=get_campaign(connection, latest.id), is_new=False, is_edited=is_edited
        )


_UNFINISHED: Final = mark(
    "campaign {id} is {state}: let it end, or “infolettre campaign cancel {id}”, before another"
)
_CANCELLED: Final = mark(
    "this letter's campaign {id} was cancelled: to send to those who have nothing, use --again"
)
_ELSEWHERE: Final = mark(
    "this letter goes to these people by {other} already (campaign {id}): go on with"
    " --provider {other}, or send it once more on purpose with --again"
)


def hold_campaigns(connection: Connection) -> None:
    """Keep those who open or start campaigns out of each other's way; SQLite has one writer as it
    is.

    Two that start at once would not see each other's recipients, nor whom they have in common.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def check_openable(
    connection: Connection, slug: str, *, segment: str, provider: str, again: bool
) -> Campaign | None:
    """Return the last campaign of a letter, an audience and a provider; None: there is none.

    Raises InputError where it was cancelled, or another provider sends the letter already; with
    ``again``, where one of any provider is not over.
    """
    columns = campaign.c
    query = (
        select(campaign)
        .where(columns.slug == slug, columns.segment == segment, _of_a_kind(provider))
        .order_by(columns.round.desc(), columns.id.desc())
    )
    known = list(_read(connection, connection.execute(query)))
    if again:
        for one in known:
            if not one.is_over:
                raise InputError(_UNFINISHED, id=one.id, state=STATE_WORDS[one.state])
    for one in known:
        if not again and one.provider != provider and one.state is not CampaignState.CANCELLED:
            raise InputError(_ELSEWHERE, id=one.id, other=one.provider)
    latest = next((one for one in known if one.provider == provider), None)
    if latest and latest.state is CampaignState.CANCELLED and not again:
        raise InputError(_CANCELLED, id=latest.id)
    return latest


def next_round(connection: Connection, slug: str, *, segment: str, provider: str) -> int:
    """Return the number of a campaign that is opened once more, whoever sent the one before."""
    columns = campaign.c
    query = select(func.max(columns.round)).where(
        columns.slug == slug, columns.segment == segment, _of_a_kind(provider)
    )
    return (connection.scalar(query) or 0) + 1


def _of_a_kind(provider: str) -> ColumnElement[bool]:
    """Tell rehearsals in the outbox from the rest: neither counts for the other."""
    is_rehearsal = campaign.c.provider == OUTBOX
    return is_rehearsal if provider == OUTBOX else ~is_rehearsal


def _insert(
    connection: Connection,
    frozen: Frozen,
    *,
    segment: str,
    provider: str,
    round_: int,
    values: dict[str, Any],
) -> int:
    row = {
        "name": campaign_name(frozen.slug, segment, provider, round_),
        "slug": frozen.slug,
        "segment": segment,
        "provider": provider,
        "round": round_,
        **_frozen_columns(frozen),
        **values,
    }
    made = insert(campaign).values(row).returning(campaign.c.id)
    number: int = connection.execute(made).scalar_one()
    _keep(connection, number, frozen)
    return number


def _frozen_columns(frozen: Frozen) -> dict[str, Any]:
    return {
        "title": frozen.title,
        "digest": frozen.digest,
        "source": frozen.source,
        "segments": list(frozen.segments),
        "frame": frame_facts(frozen.frame),
    }


def _keep(connection: Connection, number: int, frozen: Frozen) -> None:
    editions = [
        {"campaign_id": number, "variant": variant, "edition": edition_facts(edition)}
        for variant, edition in frozen.editions.items()
    ]
    connection.execute(insert(campaign_edition), editions)
    pictures = [
        {"campaign_id": number, "name": name, "data": data}
        for name, data in frozen.pictures.items()
    ]
    if pictures:
        connection.execute(insert(campaign_picture), pictures)


def _freeze_again(
    connection: Connection,
    found: Campaign,
    frozen: Frozen,
    needs_approval: bool,
    scheduled_at: datetime | None,
) -> None:
    """Take the letter as it is now into a campaign that has not started."""
    for table in (campaign_edition, campaign_picture):
        connection.execute(delete(table).where(table.c.campaign_id == found.id))
    _keep(connection, found.id, frozen)
    is_approved = _is_approved(connection, found.id, frozen.digest)
    state = first_state(needs_approval=needs_approval, is_approved=is_approved)
    _set(
        connection,
        found.id,
        **_frozen_columns(frozen),
        state=state.value,
        scheduled_at=scheduled_at,
        pause_reason="",
        pause_detail="",
    )


def _stored(detail: str) -> str:
    """Return what a server said as every database takes it."""
    return detail.replace("\0", "")[:500]


def _set(connection: Connection, number: int, **values: object) -> None:
    connection.execute(update(campaign).where(campaign.c.id == number).values(**values))


# --- found ------------------------------------------------------------------------------------


def get_campaign(connection: Connection, number: int) -> Campaign:
    """Return a campaign by its number. Raises InputError where there is none."""
    found = list(
        _read(connection, connection.execute(select(campaign).where(campaign.c.id == number)))
    )
    if not found:
        raise InputError(_NO_CAMPAIGN, name=number)
    return found[0]


def find_campaign(connection: Connection, name: str) -> Campaign:
    """Return a campaign by its number, or the only one whose letter's slug ``name`` is part of.

    Raises InputError where there is none, or several.
    """
    if name.isdecimal() and len(name) < 10:
        return get_campaign(connection, int(name))
    query = select(campaign).where(campaign.c.slug.contains(name, autoescape=True))
    found = list(_read(connection, connection.execute(query.order_by(campaign.c.id))))
    if not found:
        raise InputError(_NO_CAMPAIGN, name=name)
    if len(found) > 1:
        raise InputError(
            mark("“{name}” is said of several campaigns: give the number of one of {known}"),
            name=name,
            known=", ".join(str(one.id) for one in found),
        )
    return found[0]


_NO_CAMPAIGN: Final = mark("there is no campaign “{name}”: see “infolettre campaign list”")


def all_campaigns(
    connection: Connection, *, states: Iterable[CampaignState] = tuple(CampaignState)
) -> list[Campaign]:
    """Return the campaigns in these states, the oldest first."""
    wanted = [state.value for state in states]
    query = select(campaign).where(campaign.c.state.in_(wanted)).order_by(campaign.c.id)
    return list(_read(connection, connection.execute(query)))


def _read(connection: Connection, rows: Iterable[Row[Any]]) -> Iterator[Campaign]:
    for row in rows:
        yield Campaign(
            id=row.id,
            name=row.name,
            slug=row.slug,
            title=row.title,
            segment=row.segment,
            provider=row.provider,
            round=row.round,
            state=CampaignState(row.state),
            digest=row.digest,
            source=row.source,
            segments=tuple(row.segments),
            frame=read_frame(row.frame),
            created_at=row.created_at,
            created_by=row.created_by,
            scheduled_at=row.scheduled_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            reviewed_at=row.reviewed_at,
            pause=Pause(row.pause_reason) if row.pause_reason else None,
            pause_detail=row.pause_detail,
            strikes=row.strikes,
            total=row.total,
            is_approved=_is_approved(connection, row.id, row.digest),
        )


def read_variant(connection: Connection, number: int, variant: int) -> Edition:
    """Return one edition of what was frozen."""
    columns = campaign_edition.c
    query = select(columns.edition).where(columns.campaign_id == number, columns.variant == variant)
    return read_edition(connection.execute(query).scalar_one())


def read_pictures(connection: Connection, number: int) -> dict[str, bytes]:
    """Return the images that travel with a campaign's mails."""
    columns = campaign_picture.c
    rows = connection.execute(
        select(columns.name, columns.data).where(columns.campaign_id == number)
    )
    return {row.name: row.data for row in rows}


def count_deliveries(connection: Connection, number: int) -> Counts:
    """Count a campaign's recipients by where they stand: exact, at one moment."""
    columns = delivery.c
    claimed = select(batch.c.number).where(
        batch.c.campaign_id == number, batch.c.state == "claimed"
    )
    is_claimed = (columns.state == Status.QUEUED.value) & columns.batch.in_(claimed)
    query = (
        select(
            columns.state,
            func.count(),
            func.count().filter(is_claimed),
            func.min(columns.due_at),
        )
        .where(columns.campaign_id == number)
        .group_by(columns.state)
    )
    rows = connection.execute(query).all()  # one statement: PostgreSQL looks once for each
    return Counts(
        by_status={Status(state): count for state, count, _, _ in rows},
        claimed=sum(claimed for _, _, claimed, _ in rows),
        next_due=min((due for *_, due in rows if due is not None), default=None),
    )


# --- changed ----------------------------------------------------------------------------------


def hold_campaign(connection: Connection, number: int) -> Campaign:
    """Return a campaign and keep others from changing it until the transaction ends."""
    query = select(campaign).where(campaign.c.id == number).with_for_update()
    found = list(_read(connection, connection.execute(query)))
    if not found:
        raise InputError(_NO_CAMPAIGN, name=number)
    return found[0]


def pause_campaign(engine: Engine, number: int, *, reason: Pause, detail: str = "") -> Campaign:
    """Let a campaign stand still from its next batch on. Raises InputError where it is over."""
    with writing(engine) as connection:
        check_pausable(hold_campaign(connection, number))
        state = CampaignState.PAUSED.value
        detail = _stored(detail)
        _set(connection, number, state=state, pause_reason=reason.value, pause_detail=detail)
        return get_campaign(connection, number)


def resume_campaign(engine: Engine, number: int, *, now: datetime) -> Campaign:
    """Let a paused campaign go on, at once if its time has passed. Raises InputError."""
    with writing(engine) as connection:
        found = hold_campaign(connection, number)
        state = state_resumed(found)
        at = found.scheduled_at
        _set(
            connection,
            number,
            state=state.value,
            scheduled_at=at if at and at > now else None,
            reviewed_at=now,
            pause_reason="",
            pause_detail="",
            strikes=0,
        )
        return get_campaign(connection, number)


def cancel_campaign(engine: Engine, number: int, *, now: datetime) -> Campaign:
    """End a campaign; whoever has nothing yet gets nothing. Raises InputError where it is over."""
    with writing(engine) as connection:
        check_cancellable(hold_campaign(connection, number))
        _set(connection, number, state=CampaignState.CANCELLED.value, finished_at=now)
        return get_campaign(connection, number)


def approve_campaign(engine: Engine, number: int, *, by: str, now: datetime) -> Campaign:
    """Note that somebody found good what is frozen; a draft is then scheduled."""
    with writing(engine) as connection:
        found = hold_campaign(connection, number)
        if not found.is_approved:
            row = {"campaign_id": number, "digest": found.digest, "by": by, "at": now}
            connection.execute(insert(approval).values(row))
        is_paused = found.state is CampaignState.PAUSED and found.pause is Pause.UNAPPROVED
        if found.state is CampaignState.DRAFT or is_paused:
            state = CampaignState.SCHEDULED.value
            _set(connection, number, state=state, pause_reason="", pause_detail="")
        return get_campaign(connection, number)


def approvals_of(connection: Connection, found: Campaign) -> list[tuple[str, datetime, bool]]:
    """Return who approved what is or was frozen, when, and whether it is still the same."""
    columns = approval.c
    query = select(approval).where(columns.campaign_id == found.id).order_by(columns.id)
    return [(row.by, row.at, row.digest == found.digest) for row in connection.execute(query)]


def _is_approved(connection: Connection, number: int, digest: str) -> bool:
    columns = approval.c
    here = select(approval).where(columns.campaign_id == number, columns.digest == digest)
    return bool(connection.scalar(select(here.exists())))


def strike(engine: Engine, number: int, *, detail: str, most: int) -> int:
    """Count a batch that the provider could not take; at the ``most``-th the campaign pauses."""
    with writing(engine) as connection:
        found = hold_campaign(connection, number)
        strikes = found.strikes + 1
        _set(connection, number, strikes=strikes)
        if strikes >= most and found.state is CampaignState.RUNNING:
            reason, state = Pause.PROVIDER.value, CampaignState.PAUSED.value
            detail = _stored(detail)
            _set(connection, number, state=state, pause_reason=reason, pause_detail=detail)
        return strikes


def forgive(engine: Engine, number: int) -> None:
    """Forget the strikes: the provider takes batches again."""
    with writing(engine) as connection:
        _set(connection, number, strikes=0)
