"""A campaign in words: each state has its way on, and figures are parted by thousands."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from pipeline.cli import speech
from pipeline.cli.bar import SHOWN, Troubles, answer_of
from pipeline.cli.dispatch import _states
from pipeline.cli.report import show_complaints
from pipeline.cli.tally import figure, how_far, is_settled, next_steps, state_words
from pipeline.delivery.campaign import Campaign, Counts, Pause
from pipeline.delivery.ledger import Reader
from pipeline.delivery.ports import Outcome, State
from pipeline.delivery.states import CampaignState, Status
from pipeline.errors import WorldError
from pipeline.settings import Settings
from tests.delivery.mailings import a_campaign, a_frozen

NOW = datetime(2026, 11, 27, 16, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INFOLETTRE_LANGUAGE", "en")
    monkeypatch.setenv("LANGUAGE", "en")  # restored afterwards: speaking sets it
    speech.language.cache_clear()
    yield
    speech.language.cache_clear()


def campaign_in(state: CampaignState, **more: object) -> Campaign:
    frozen = a_frozen()
    found = Campaign(
        id=7, name="n", slug=frozen.slug, title=frozen.title, segment="les amis", provider="smtp",
        round=1, state=state, digest=frozen.digest, source="", segments=(), frame=frozen.frame,
        created_at=NOW,
    )  # fmt: skip
    return replace(found, **more)  # type: ignore[arg-type]


def steps(found: Campaign, counts: Counts | None = None, *, is_shared: bool = False) -> str:
    return "\n".join(next_steps(found, counts or Counts(), Settings(), is_shared=is_shared))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (campaign_in(CampaignState.DRAFT), "campaign approve 7"),
        (campaign_in(CampaignState.SCHEDULED, scheduled_at=NOW), "infolettre worker"),
        (campaign_in(CampaignState.SCHEDULED), "--to 'les amis' --provider smtp"),
        (campaign_in(CampaignState.PAUSED, pause=Pause.PERSON), "campaign resume 7"),
        (campaign_in(CampaignState.PAUSED, pause=Pause.EDITED), "as it is now: infolettre send"),
        (campaign_in(CampaignState.PAUSED, pause=Pause.UNAPPROVED), "campaign approve 7"),
    ],
)
def test_each_state_says_what_to_do_next(found: Campaign, said: str) -> None:
    assert said in steps(found)


def test_those_left_and_those_in_doubt_have_their_commands() -> None:
    counts = Counts(by_status={Status.ACCEPTED: 1200, Status.QUEUED: 300, Status.UNCERTAIN: 1})
    found = campaign_in(CampaignState.RUNNING)
    assert "To go on: infolettre send" in steps(found, counts)
    assert "campaign resolve 7 --accept" in steps(found, counts)
    assert "The workers go on" in steps(found, counts, is_shared=True)
    assert how_far(counts) == "1,200 served, 300 left"
    assert steps(campaign_in(CampaignState.DONE)) == ""


def test_only_done_with_nobody_in_doubt_is_settled() -> None:
    done = campaign_in(CampaignState.DONE)
    assert is_settled(done, Counts(by_status={Status.ACCEPTED: 2, Status.FAILED: 1}))
    assert not is_settled(done, Counts(by_status={Status.UNCERTAIN: 1}))
    assert not is_settled(campaign_in(CampaignState.PAUSED), Counts())


def test_a_pause_says_why() -> None:
    found = campaign_in(CampaignState.PAUSED, pause=Pause.PROVIDER, pause_detail="535 no")
    assert state_words(found) == "paused: the provider cannot go on (535 no)"


def test_thousands_are_parted_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figure(1203) == "1,203"
    monkeypatch.setenv("INFOLETTRE_LANGUAGE", "fr")
    speech.language.cache_clear()
    assert figure(1203) == "1\u202f203"


# --- troubles -----------------------------------------------------------------------------------


def reader(number: int) -> Reader:
    return Reader(
        subscriber_id=number, public_id=f"p{number}", address=f"p{number}@exemple.example",
        first_name="", last_name="", is_active=True, state="active", variant=0, attempts=0,
    )  # fmt: skip


def test_the_first_in_trouble_are_named_and_the_others_counted() -> None:
    said: list[str] = []
    troubles = Troubles(said.append)
    for number in range(200):
        outcome = Outcome(recipient=f"p{number}", state=State.FAILED, code="550", detail="550 no")
        troubles.on_outcome(Status.FAILED, reader(number), outcome)
        troubles.on_outcome(Status.SKIPPED, reader(number), None)
    troubles.end()
    assert len(said) == SHOWN + 1
    assert said[0] == "p0@exemple.example: refused (550 no)"
    assert "190 more" in said[-1]


def test_what_keeps_everybody_waiting_is_told_once() -> None:
    said: list[str] = []
    troubles = Troubles(said.append)
    for _ in range(5):
        troubles.on_trouble(WorldError("the server is away"))
    troubles.end()
    assert said == ["the server is away"]


def test_an_answer_does_not_repeat_the_address() -> None:
    detail = "550 5.1.1 <zoe@exemple.example> no such person"
    outcome = Outcome(recipient="p", state=State.FAILED, code="550", detail=detail)
    assert answer_of(outcome, "zoe@exemple.example") == "550 5.1.1 no such person"
    bare = Outcome(recipient="p", state=State.DEFERRED, code="429")
    assert answer_of(bare, "zoe@exemple.example") == "429"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_that_nothing_moves_is_noticed_once(engine: Engine) -> None:
    found, left = a_campaign(engine), threading.Event()
    looks = _states(engine, found.id, left, patience=0.5)
    assert [next(looks).is_still for _ in range(3)] == [False, True, False]
    left.set()
    assert list(looks) == []


@pytest.mark.parametrize(("complaints", "is_told"), [(0, False), (1, True), (4, True)])
def test_readers_who_complain_are_told_of(
    complaints: int, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_complaints(
        Counts(by_status={Status.COMPLAINED: complaints, Status.DELIVERED: 1000 - complaints})
    )
    assert ("report" in capsys.readouterr().out) is is_told
