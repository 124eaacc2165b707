"""A run over many people: each heard of once, in batches, and nobody lost when it stops."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.delivery.events import Event
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.delivery.providers.outbox import Outbox
from pipeline.delivery.sending import MAX_TROUBLES, Summary, send_letter
from pipeline.errors import ProviderError
from tests.delivery.letters import a_letter, a_recipient, an_edition

LETTER = a_letter()


class Scripted:
    """A provider that answers by a recipient's id, and stops when it meets ``stop_at``."""

    name = "scripted"
    capabilities = Capabilities(batch=1000)

    def __init__(self, *, states: dict[str, State] | None = None, stop_at: str = "") -> None:
        self.states = states or {}
        self.stop_at = stop_at
        self.batches: list[tuple[Letter, list[str]]] = []

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        self.batches.append((letter, [one.id for one in recipients]))
        for one in recipients:
            if one.id == self.stop_at:
                raise ProviderError("gone", retryable=True)
            yield Outcome(recipient=one.id, state=self.states.get(one.id, State.ACCEPTED))

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        return []

    def stop(self) -> None: ...

    def close(self) -> None: ...


def run(provider: Scripted, count: int, *, batch: int = 3) -> tuple[Summary, list[str]]:
    heard: list[str] = []

    def hear(outcome: Outcome, recipient: Recipient) -> None:
        assert outcome.recipient == recipient.id
        heard.append(recipient.id)

    people = (a_recipient(number) for number in range(count))
    summary = send_letter(provider, lambda _: LETTER, people, batch=batch, on_outcome=hear)
    return summary, heard


def test_people_go_in_batches_and_each_is_heard_of_once() -> None:
    provider = Scripted()

    summary, heard = run(provider, 8)

    assert [ids for _, ids in provider.batches] == [
        ["r0", "r1", "r2"],
        ["r3", "r4", "r5"],
        ["r6", "r7"],
    ]
    assert heard == [f"r{number}" for number in range(8)]
    assert summary == Summary(accepted=8)


def test_a_batch_is_never_larger_than_the_provider_takes() -> None:
    provider = Scripted()
    provider.capabilities = Capabilities(batch=2)

    run(provider, 5, batch=100)

    assert [len(ids) for _, ids in provider.batches] == [2, 2, 1]


def test_each_gets_the_variant_that_is_theirs() -> None:
    other = a_letter(an_edition(subject="Pour la presse"))
    provider = Scripted()

    send_letter(
        provider,
        lambda one: other if one.id in ("r1", "r3") else LETTER,
        [a_recipient(number) for number in range(4)],
        batch=10,
        on_outcome=lambda outcome, recipient: None,
    )

    assert provider.batches == [(LETTER, ["r0", "r2"]), (other, ["r1", "r3"])]


def test_the_counts_add_up_and_what_went_wrong_is_kept() -> None:
    states = {"r1": State.DEFERRED, "r2": State.FAILED, "r4": State.UNCERTAIN}

    summary, _ = run(Scripted(states=states), 6)

    assert (summary.accepted, summary.deferred, summary.failed, summary.uncertain) == (3, 1, 1, 1)
    assert [one.recipient for one in summary.troubles] == ["r1", "r2", "r4"]
    assert summary.waiting == 0
    assert summary.error is None


def test_when_the_provider_cannot_go_on_the_rest_is_counted_as_waiting() -> None:
    provider = Scripted(stop_at="r4")

    summary, heard = run(provider, 20)

    assert heard == ["r0", "r1", "r2", "r3"]
    assert summary.accepted == 4
    assert summary.waiting == 16
    assert summary.error is not None
    assert summary.error.retryable
    assert len(provider.batches) == 2


def test_who_is_not_handed_over_is_named_in_their_order_and_nobody_else() -> None:
    left: list[str] = []
    provider = Scripted(stop_at="r4", states={"r1": State.FAILED})
    people = (a_recipient(number) for number in range(9))

    summary = send_letter(
        provider,
        lambda _: LETTER,
        people,
        batch=3,
        on_outcome=lambda outcome, recipient: None,
        on_left=lambda recipient: left.append(recipient.id),
    )

    assert left == [f"r{number}" for number in range(4, 9)]
    assert summary.waiting == len(left)


def test_a_provider_that_was_stopped_ends_the_run(tmp_path: Path) -> None:
    provider = Outbox(tmp_path)
    left: list[str] = []

    def hear(outcome: Outcome, recipient: Recipient) -> None:
        if recipient.id == "r3":
            provider.stop()

    summary = send_letter(
        provider,
        lambda _: LETTER,
        (a_recipient(number) for number in range(20)),
        batch=6,
        on_outcome=hear,
        on_left=lambda recipient: left.append(recipient.id),
    )

    assert (summary.accepted, summary.waiting, summary.error) == (4, 16, None)
    assert left == [f"r{number}" for number in range(4, 20)]


def test_a_batch_without_any_answer_is_the_last_one() -> None:
    states = {f"r{number}": State.UNCERTAIN for number in range(3, 20)}
    provider = Scripted(states=states)

    summary, _ = run(provider, 20)

    assert (summary.accepted, summary.uncertain, summary.waiting) == (3, 3, 14)
    assert "answered for none" in str(summary.error)


def test_memory_does_not_grow_with_the_audience() -> None:
    states = {f"r{number}": State.FAILED for number in range(3000)}

    summary, _ = run(Scripted(states=states), 3000, batch=100)

    assert summary.failed == 3000
    assert len(summary.troubles) == MAX_TROUBLES


def test_nobody_at_all_is_a_run_too() -> None:
    assert run(Scripted(), 0) == (Summary(), [])
