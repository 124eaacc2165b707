"""One sending to a segment: what it would do is said, asked about, done, and told at its end."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from pipeline.audience.segments import ALL
from pipeline.cli.dispatch import Ended, dispatch, is_shared, read_state
from pipeline.cli.person import user_name
from pipeline.cli.speech import show, show_json, tell, tell_count
from pipeline.cli.tally import (
    campaign_facts,
    figure,
    how_far,
    in_words,
    is_settled,
    show_counts,
    show_next,
    show_wrapped,
    state_words,
)
from pipeline.delivery.campaign import Campaign
from pipeline.delivery.campaigns import Opened, open_campaign
from pipeline.delivery.frozen import Frozen, embeds_images
from pipeline.delivery.plan import Plan
from pipeline.delivery.states import CampaignState
from pipeline.errors import InputError
from pipeline.settings import OUTBOX
from pipeline.words import mark
from pipeline.workspace import Workspace, shown


def confirm(question: str) -> None:
    """Ask before something that cannot be undone; any other answer than yes aborts."""
    answer = click.prompt(question, default="", show_default=False, prompt_suffix=" › ")
    if answer.strip().lower() not in {"o", "oui", "y", "yes"}:
        raise click.Abort


def is_timed(found: Campaign) -> bool:
    """Say that a campaign waits for its time."""
    return found.state is CampaignState.SCHEDULED and found.scheduled_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One sending as it was asked for, and what it would do."""

    workspace: Workspace
    folder: Path
    frozen: Frozen
    segment: str
    provider: str
    at: datetime | None
    again: bool
    plan: Plan
    as_json: bool

    # --- before -------------------------------------------------------------------------------

    def show_dry(self) -> None:
        """Say what would happen, and stop there."""
        if self.as_json:
            found = self.plan.found
            show_json(
                {
                    "title": self.frozen.title,
                    "segment": self.segment,
                    "people": self.plan.people,
                    "already": self.plan.already,
                    "provider": self.provider,
                    "digest": self.frozen.digest,
                    "scheduled_at": self.at.isoformat() if self.at else None,
                    "campaign": found.id if found else None,
                }
            )
        else:
            self._show_statement()
            show(tell("Nothing was sent (--dry-run)."))

    def ask(self, *, is_asking: bool) -> None:
        """Say what will happen, and wait for a yes where somebody is there to say it."""
        found = self.plan.found
        if self.plan.has_started and found is not None:
            if self.at is not None:
                raise InputError(
                    mark(
                        "campaign {id} has started already: --at comes too late. Without it, the"
                        " same command goes on"
                    ),
                    id=found.id,
                )
            if found.state is not CampaignState.RUNNING:
                return
        if self.as_json and not is_asking:
            return
        self._show_statement()
        if is_asking:
            confirm(self._question())

    def _question(self) -> str:
        if self.plan.has_started:
            return tell("Go on? yes / no")
        if self._needs_approval():
            return tell("Freeze it, to be approved? yes / no")
        if self.at is not None:
            return tell("Schedule it? yes / no")
        return tell("Send now? yes / no")

    def _needs_approval(self) -> bool:
        found = self.plan.found
        is_approved = found is not None and found.is_approved and self._is_same(found)
        return self.workspace.settings.delivery.require_approval and not is_approved

    def _is_same(self, found: Campaign) -> bool:
        return found.digest == self.frozen.digest

    def _show_statement(self) -> None:
        """Say in a few lines what will happen."""
        show(click.style(tell("“{title}”", title=self.frozen.title), bold=True))
        rows = [
            (tell("to"), self._whom()),
            (tell("by"), self._how()),
            (tell("from"), f"{self.frozen.frame.name} <{self.frozen.frame.address}>"),
            (tell("fingerprint"), self._digest()),
            (tell("when"), self._when()),
        ]
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            show(f"  {label:<{width}}  {value}")
        for remark in self._remarks():
            show_wrapped(remark)

    def _whom(self) -> str:
        count = self.plan.people
        if self.segment == ALL:
            return tell_count(
                "{n} person: every active subscriber",
                "{n} people: every active subscriber",
                count,
                n=figure(count),
            )
        return tell_count(
            "{n} person: segment {segment}",
            "{n} people: segment {segment}",
            count,
            n=figure(count),
            segment=self.segment,
        )

    def _how(self) -> str:
        if self.provider == OUTBOX:
            return tell("outbox, a rehearsal: nothing leaves this machine")
        return self.provider

    def _digest(self) -> str:
        found = self.plan.found
        return (found.digest if found and self.plan.has_started else self.frozen.digest)[:12]

    def _when(self) -> str:
        return in_words(self.at, self.workspace.settings) if self.at else tell("now")

    def _remarks(self) -> list[str]:
        """Return what a person should know before a yes."""
        plan, found, remarks = self.plan, self.plan.found, []
        if plan.already and not plan.has_started:
            remarks.append(
                tell_count(
                    "{n} of them has this letter from another campaign: it is not sent twice.",
                    "{n} of them have this letter from another campaign: it is not sent twice.",
                    plan.already,
                    n=figure(plan.already),
                )
            )
        elif self.again:
            remarks.append(tell("Once more: whoever has it already gets it a second time."))
        if found is None:
            return remarks
        if plan.has_started:
            remarks.append(
                tell(
                    "This campaign exists already (no. {id}): {far}. It goes on.",
                    id=found.id,
                    far=how_far(plan.counts),
                )
            )
            if not self._is_same(found):
                remarks.append(self._edited(found))
        elif found.scheduled_at is not None and found.scheduled_at != self.at:
            remarks.append(
                tell(
                    "It was scheduled for {when}: that is replaced.",
                    when=in_words(found.scheduled_at, self.workspace.settings),
                )
            )
        return remarks

    def _edited(self, found: Campaign) -> str:
        return tell(
            "The letter was edited since: what was frozen on {when} is what goes out. To send the"
            " new one to those who have nothing: infolettre campaign cancel {id}, then this command"
            " with --again.",
            when=in_words(found.started_at or found.created_at, self.workspace.settings),
            id=found.id,
        )

    # --- done ---------------------------------------------------------------------------------

    def fulfil(self, engine: Engine, *, now: datetime) -> Ended:
        """Open the campaign, see it through as far as it goes now, and tell the end."""
        if not self.plan.has_started and self.provider != OUTBOX:
            self._publish_images()
        opened = open_campaign(
            engine,
            self.frozen,
            segment=self.segment,
            provider=self.provider,
            now=now,
            by=user_name(),
            needs_approval=self.workspace.settings.delivery.require_approval,
            scheduled_at=self.at,
            again=self.again,
        )
        found = opened.campaign
        is_due = found.state is CampaignState.RUNNING or (
            found.state is CampaignState.SCHEDULED and not is_timed(found)
        )
        if is_due:
            ended = dispatch(self.workspace, engine, found, people=self.plan.people)
        else:
            ended = read_state(engine, found.id)
        if self.as_json:
            facts = campaign_facts(ended.campaign, ended.counts)
            show_json(facts | {"is_new": opened.is_new, "is_edited": opened.is_edited})
        else:
            self._show_end(engine, opened, ended, was_due=is_due)
        return ended

    def _publish_images(self) -> None:
        """Put the letter on the site first where its mails will ask the site for their images."""
        if embeds_images(self.workspace.settings):
            return
        from pipeline.cli.publish import publish_letter

        site = publish_letter(self.workspace, self.folder)
        show_wrapped(
            tell(
                "The mails load their images from {url}: {folder} has to be on that server before"
                " anybody opens them.",
                url=self.workspace.settings.site.url,
                folder=shown(site),
            ),
            err=self.as_json,
        )

    def _show_end(self, engine: Engine, opened: Opened, ended: Ended, *, was_due: bool) -> None:
        found, counts, settings = ended.campaign, ended.counts, self.workspace.settings
        if was_due:
            _show_summary(ended)
            show_counts(counts, settings)
        elif found.state is CampaignState.DONE:
            _show_summary(ended)
            show_counts(counts, settings)
            if opened.is_edited:
                show(tell("The letter was edited since it was sent; nobody gets the new one."))
            if counts.total:
                show_wrapped(
                    tell(
                        "This letter has been sent to this audience. Once more, on purpose: --again"
                    )
                )
        elif found.state is CampaignState.SCHEDULED and found.scheduled_at:
            when = in_words(found.scheduled_at, settings)
            show_wrapped(tell("✓ Campaign {id} is scheduled: {when}.", id=found.id, when=when))
        else:
            show_wrapped(tell("Campaign {id} is {state}.", id=found.id, state=state_words(found)))
            if found.started_at:
                show_counts(counts, settings)
        show_next(found, counts, settings, is_shared=is_shared(engine))


def _show_summary(ended: Ended) -> None:
    """Say in one line how a campaign stands."""
    found, counts = ended.campaign, ended.counts
    if is_settled(found, counts):
        show(tell("✓ Campaign {id} is done.", id=found.id))
    else:
        show_wrapped(tell("Campaign {id} is {state}.", id=found.id, state=state_words(found)))
