"""``veille list``: the entries of the desk, as many filters as a curator thinks of."""

from datetime import timedelta
from typing import Any, Final

import click
from sqlalchemy import Engine

from pipeline.cli.speech import show, show_json, tell
from pipeline.cli.tally import figure
from pipeline.cli.veille.opened import freshen, now, opened_desk, zone_of
from pipeline.cli.veille.table import OPEN, show_cards
from pipeline.veille.card import Card, Filter
from pipeline.veille.entries import count_cards, list_cards, match_source, match_watchlist
from pipeline.veille.plain import fold
from pipeline.veille.states import STATE_WORDS, State
from pipeline.words import mark, say

_ALL: Final = mark("all")


class _StateWord(click.ParamType[tuple[State, ...]]):
    """A state by its word in French or English, or all of them."""

    name = "state"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[State, ...]:
        if isinstance(value, tuple):
            return value
        found = _states_by_word().get(fold(str(value)).replace("-", " ").replace("_", " "))
        if found is None:
            known = ", ".join([*(tell(word) for word in STATE_WORDS.values()), tell(_ALL)])
            self.fail(tell("“{given}” is no state; there are: {known}", given=value, known=known))
        return found


def _states_by_word() -> dict[str, tuple[State, ...]]:
    words: dict[str, tuple[State, ...]] = {"all": tuple(State), fold(say(_ALL, "fr")): tuple(State)}
    for state, word in STATE_WORDS.items():
        for spelled in (state.value, say(word, "fr"), say(word, "en")):
            words[fold(spelled)] = (state,)
    return words


@click.command(
    "list", help=tell("Show the entries, newest first. What is to sort and what is kept.")
)
@click.option("--watchlist", help=tell("Only this watchlist, or a part of its name."))
@click.option(
    "--state",
    "states",
    type=_StateWord(),
    multiple=True,
    help=tell("Only this state: “to sort”, kept, written, published, discarded, or all."),
)
@click.option("--source", help=tell("Only this source, or a part of its name."))
@click.option("--tag", help=tell("Only entries with this tag."))
@click.option("--language", "spoken", help=tell("Only this language, such as fr."))
@click.option("--issue", help=tell("Only what is meant for this letter, or stands in it."))
@click.option("--search", "text", help=tell("Only entries that say this."))
@click.option("--days", type=click.IntRange(1, 36_500), help=tell("Only the last days."))
@click.option(
    "--cited/--not-cited",
    "is_cited",
    default=None,
    help=tell("Only what a letter cites already, or only what none does."),
)
@click.option(
    "--limit", default=40, show_default=True, type=click.IntRange(1), help=tell("How many at most.")
)
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def list_command(
    watchlist: str | None,
    states: tuple[tuple[State, ...], ...],
    source: str | None,
    tag: str | None,
    spoken: str | None,
    issue: str | None,
    text: str | None,
    days: int | None,
    is_cited: bool | None,
    limit: int,
    as_json: bool,
) -> None:
    with opened_desk() as (workspace, engine):
        freshen(workspace, engine)
        wanted = Filter(
            states=tuple(one for some in states for one in some) or OPEN,
            watchlist=match_watchlist(engine, watchlist) if watchlist else "",
            source=match_source(engine, source) if source else "",
            language=spoken or "",
            tag=(tag or "").removeprefix("#"),
            issue=workspace.find_issue(issue).name if issue else "",
            text=text or "",
            since=now() - timedelta(days=days) if days else None,
            is_cited=is_cited,
        )
        cards = _collect(engine, wanted, limit)
        if as_json:
            show_json([card_facts(card) for card in cards])
            return
        if not cards:
            _show_none(engine)
            return
        zone = zone_of(workspace.settings)
        show_cards(cards, zone=zone, today=now().astimezone(zone).date())
        count = count_cards(engine, wanted)
        show(tell("{shown} of {count}", shown=figure(len(cards)), count=figure(count)))


def _collect(engine: Engine, wanted: Filter, limit: int) -> list[Card]:
    """Return the first cards, page by page: a list of 10,000 is not one query."""
    cards: list[Card] = []
    after = None
    while len(cards) < limit:
        page = list_cards(engine, wanted, limit=min(limit - len(cards), _PAGE), after=after)
        cards += page.cards
        after = page.next
        if after is None:
            break
    return cards


_PAGE: Final = 500


def _show_none(engine: Engine) -> None:
    if count_cards(engine, Filter()):
        show(tell("Nothing like this. All there is: infolettre veille list --state all"))
    else:
        show(tell("No entry yet: “infolettre veille pull” fetches the feeds."))


def card_facts(card: Card) -> dict[str, object]:
    """Return a card for a script; times are in UTC."""
    entry = card.entry
    return {
        "id": entry.id,
        "title": entry.title,
        "url": entry.url,
        "source": entry.source,
        "watchlist": entry.watchlist,
        "authors": list(entry.authors),
        "date": entry.dated_at.isoformat(),
        "excerpt": entry.excerpt,
        "language": entry.language,
        "minutes": entry.minutes,
        "image": entry.image,
        "state": card.state.value,
        "state_at": card.state_at.isoformat(),
        "state_by": card.state_by,
        "rule": card.rule,
        "issue": card.issue,
        "note": card.note,
        "tags": list(card.tags),
        "also_in": list(card.also_in),
        "cited_in": [
            {"slug": one.slug, "number": one.number, "title": one.title} for one in card.cited_in
        ],
    }
