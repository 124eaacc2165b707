"""What a sending would do: who is meant, who has the letter, and which campaign goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from pipeline.audience.queries import save_filter
from pipeline.audience.register import remove
from pipeline.audience.segments import parse_rule
from pipeline.delivery.campaign import Campaign
from pipeline.delivery.campaigns import cancel_campaign, get_campaign, open_campaign
from pipeline.delivery.message import Letter
from pipeline.delivery.plan import Plan, plan_sending
from pipeline.delivery.ports import Outcome, Recipient, State
from pipeline.delivery.reasons import reasons_of
from pipeline.delivery.states import CampaignState, Status
from pipeline.delivery.tending import tend
from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from tests.delivery.mailings import START, Scripted, a_campaign, a_frozen, a_worker, add_people


def plan(
    engine: Engine, segment: str = "all", *, provider: str = "scripted", again: bool = False
) -> Plan:
    return plan_sending(engine, slug="essai", segment=segment, provider=provider, again=again)


def send(
    engine: Engine, provider: Scripted, *, again: bool = False, segment: str = "all"
) -> Campaign:
    """Open a campaign and work on it until no batch is open."""
    found = open_campaign(
        engine, a_frozen(slug="essai"), segment=segment, provider=provider.name, now=START,
        again=again,
    ).campaign  # fmt: skip
    with a_worker(engine, provider) as worker:
        worker.start(found)
        while worker.work(found.id):
            pass
    return found


def test_the_active_people_of_a_segment_are_counted(engine: Engine) -> None:
    add_people(engine, 5)
    add_people(engine, 3, segment="presse", first=6)
    remove(engine, "personne.6@exemple.example", now=START, source="test")
    assert plan(engine).people == 7
    assert plan(engine, "presse") == Plan(people=2)
    with writing(engine) as connection:
        save_filter(connection, "les autres", parse_rule("segment != presse"))
    assert plan(engine, "les autres").people == 5


def test_those_who_have_the_letter_already_are_counted(engine: Engine) -> None:
    add_people(engine, 5)
    add_people(engine, 3, segment="presse", first=6)
    send(engine, Scripted(), segment="presse")
    assert (plan(engine).people, plan(engine).already) == (8, 3)
    # a rehearsal is another matter
    assert plan(engine, provider="outbox").already == 0


def test_a_campaign_that_has_started_goes_on_with_its_own_people(engine: Engine) -> None:
    add_people(engine, 5)
    found = a_campaign(engine)
    assert plan(engine).found == found
    assert not plan(engine).has_started
    send(engine, Scripted())
    add_people(engine, 5, first=6)
    told = plan(engine)
    assert told.has_started
    assert (told.people, told.counts.sent) == (5, 5)


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ("all", "subscribers stats"),
        ("press", "did you mean: presse"),
        ("matelots", "there are: all, personne"),
        ("presse", "no active person fits"),
    ],
)
def test_nobody_at_all_is_told_with_the_way_out(engine: Engine, segment: str, said: str) -> None:
    with pytest.raises(InputError, match="subscribers import"):
        plan(engine, segment)
    add_people(engine, 2)
    with writing(engine) as connection:
        save_filter(connection, "presse", parse_rule("language = eo"))
        save_filter(connection, "personne", parse_rule("language = fr"))
    if segment == "all":
        for number in (1, 2):
            remove(engine, f"personne.{number}@exemple.example", now=START, source="test")
    with pytest.raises(InputError, match=said):
        plan(engine, segment)


def test_another_round_goes_to_everybody_but_takes_up_a_cancelled_one(engine: Engine) -> None:
    add_people(engine, 20)

    def the_odd(recipient: Recipient, turn: int) -> State:
        number = int(recipient.address.split(".")[1].split("@")[0])
        return State.ACCEPTED if number % 2 else State.DEFERRED

    found = send(engine, Scripted(script=the_odd))
    with pytest.raises(InputError, match=f"campaign cancel {found.id}"):
        plan(engine, again=True)
    cancel_campaign(engine, found.id, now=START)
    with pytest.raises(InputError, match="--again"):
        plan(engine)
    assert (plan(engine, again=True).people, plan(engine, again=True).already) == (20, 10)

    second = Scripted()
    rest = send(engine, second, again=True)
    assert sorted(second.taken) == sorted(f"personne.{n}@exemple.example" for n in range(2, 21, 2))
    with a_worker(engine, second) as worker:
        tend(worker)
    with reading(engine) as connection:
        assert get_campaign(connection, rest.id).state is CampaignState.DONE
    assert plan(engine, again=True).already == 0  # on purpose, once more

    other = Scripted(name="other")
    with pytest.raises(InputError, match="--provider scripted"):
        plan(engine, provider="other")
    send(engine, other, again=True)
    assert len(other.taken) == 20


def test_equal_reasons_are_one_whoever_they_name(engine: Engine) -> None:
    add_people(engine, 6)

    class Wordy(Scripted):
        def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
            for outcome, one in zip(super().send(letter, recipients), recipients, strict=True):
                yield replace(outcome, detail=f"550 <{one.address}> unknown ({one.address})")

    def refuse(recipient: Recipient, turn: int) -> State:
        return State.ACCEPTED if recipient.address.startswith("personne.1") else State.FAILED

    found = send(engine, Wordy(script=refuse, code="550"))
    with reading(engine) as connection:
        (reason,) = reasons_of(connection, found.id)
    assert (reason.status, reason.code, reason.count) == (Status.FAILED, "550", 5)
    assert reason.detail == "550 <…> unknown (…)"
    assert reason.example == "personne.2@exemple.example"
