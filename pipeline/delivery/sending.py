"""Sending a letter to people, batch by batch: thin, and with no memory of its own.

What is remembered of each recipient is the caller's, who hears each outcome as it is known; who
gets the letter, and which variant, comes in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, Provider, Recipient, State
from pipeline.errors import ProviderError
from pipeline.words import mark

MAX_TROUBLES: Final = 1000  # outcomes kept in a summary: memory stays flat, whatever happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run ended; the counts add up to the recipients.

    ``waiting`` were not handed over: the provider was stopped, or could not go on (``error``).
    ``repeated`` of the accepted had been handed over before. ``troubles`` are the outcomes that
    are not "accepted", the first thousand of them.
    """

    accepted: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    waiting: int = 0
    repeated: int = 0
    troubles: tuple[Outcome, ...] = ()
    error: ProviderError | None = None


class _Tally:
    """Counts outcomes as they come."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(State, 0)
        self.repeated = 0
        self.troubles: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.state] += 1
        self.repeated += outcome.is_repeat
        if outcome.state is not State.ACCEPTED and len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(outcome)

    def summary(self, *, waiting: int, error: ProviderError | None) -> Summary:
        counts = {state.value: count for state, count in self.counts.items()}
        return Summary(
            **counts,
            waiting=waiting,
            repeated=self.repeated,
            troubles=tuple(self.troubles),
            error=error,
        )


def _nothing(recipient: Recipient) -> None:
    """Let those go who were not handed over: their number is in the summary."""


def send_letter(
    provider: Provider,
    letters: Callable[[Recipient], Letter],
    recipients: Iterable[Recipient],
    *,
    batch: int,
    on_outcome: Callable[[Outcome, Recipient], None],
    on_left: Callable[[Recipient], None] = _nothing,
) -> Summary:
    """Hand a letter over to everybody, in batches of at most ``batch`` of the same variant.

    ``letters`` says which variant a recipient gets. A ProviderError, or a provider that was
    stopped, ends the run: ``on_left`` hears of each who was not handed over, in their order, one
    at a time. Raises what the callbacks raise.
    """
    tally, waiting = _Tally(), 0
    people = iter(recipients)
    size = max(1, min(batch, provider.capabilities.batch))
    error: ProviderError | None = None
    while not waiting and not error and (chunk := list(islice(people, size))):
        answered: set[str] = set()

        def hear(outcome: Outcome, recipient: Recipient, heard: set[str] = answered) -> None:
            heard.add(outcome.recipient)
            tally.add(outcome)
            on_outcome(outcome, recipient)

        try:
            for letter, group in _groups(letters, chunk):
                _send_group(provider, letter, group, hear=hear)
        except ProviderError as failure:
            error = failure
        for recipient in chunk:
            if recipient.id not in answered:
                on_left(recipient)
                waiting += 1
    for recipient in people:  # none where the run came to its end
        on_left(recipient)
        waiting += 1
    return tally.summary(waiting=waiting, error=error)


def _send_group(
    provider: Provider,
    letter: Letter,
    group: list[Recipient],
    *,
    hear: Callable[[Outcome, Recipient], None],
) -> None:
    known = {recipient.id: recipient for recipient in group}
    uncertain = 0
    for outcome in provider.send(letter, group):
        uncertain += outcome.state is State.UNCERTAIN
        hear(outcome, known[outcome.recipient])
    if uncertain == len(group) > 1:  # each costs a person's decision: no further batch of them
        raise ProviderError(
            mark("{provider} took a whole batch and answered for none of it: the rest waits"),
            retryable=True,
            provider=provider.name,
        )


def _groups(
    letters: Callable[[Recipient], Letter], chunk: list[Recipient]
) -> list[tuple[Letter, list[Recipient]]]:
    groups: dict[int, tuple[Letter, list[Recipient]]] = {}
    for recipient in chunk:
        letter = letters(recipient)
        groups.setdefault(id(letter), (letter, []))[1].append(recipient)
    return list(groups.values())
