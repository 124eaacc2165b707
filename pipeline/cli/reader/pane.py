"""The reading pane: all that is known of one card. Content from outside is never markup here."""

from datetime import date, tzinfo
from typing import Final

from textual.content import Content

from pipeline.cli.reader.texts import (
    also_in,
    cited_in,
    day_of,
    reading_of,
    seemly,
    seemly_lines,
    state_of,
    title_of,
)
from pipeline.cli.speech import tell
from pipeline.veille.card import Card, Cited
from pipeline.veille.states import State

_STYLES: Final = {
    State.KEPT: "ansi_green",
    State.WRITTEN: "ansi_green",
    State.PUBLISHED: "ansi_green",
    State.DISCARDED: "dim",
}
_DOT: Final = " · "
Line = tuple[str, str]


def read_card(card: Card, *, zone: tzinfo, today: date, note: str | None = None) -> Content:
    """Return a card as it is read; ``note`` is one that waits to be written."""
    entry = card.entry
    by = _DOT.join(filter(None, (seemly(entry.source), ", ".join(map(seemly, entry.authors)))))
    facts = [day_of(entry.dated_at, zone, today=today), *reading_of(card)]
    blocks: list[list[Line]] = [
        [(title_of(card), "bold"), (by, ""), (_DOT.join(facts), "dim")],
        [(seemly(entry.excerpt), "")],
        [(seemly(entry.url), "ansi_cyan")],
        [*_said(card, zone)],
    ]
    if text := card.note if note is None else note:
        blocks.append([(tell("Note"), "bold"), (seemly_lines(text), "")])
    shown = (Content("\n").join(_lines(block)) for block in blocks)
    return Content("\n\n").join([block for block in shown if block.plain])


def _lines(block: list[Line]) -> list[Content]:
    return [Content.styled(text, style) for text, style in block if text]


def _said(card: Card, zone: tzinfo) -> list[Line]:
    said = [(_cited(one), "ansi_magenta") for one in card.cited_in]
    said.append((state_of(card, zone), _STYLES.get(card.state, "")))
    if card.issue:
        said.append((tell("for the letter {slug}", slug=seemly(card.issue)), ""))
    if card.tags:
        said.append((" ".join(f"#{seemly(tag)}" for tag in card.tags), ""))
    if card.also_in:
        said.append((also_in(card), "dim"))
    if card.entry.watchlist:
        said.append((seemly(card.entry.watchlist), "dim"))
    return [(text[:1].upper() + text[1:], style) for text, style in said]


def _cited(cited: Cited) -> str:
    said = cited_in(cited)
    return tell("{said}: “{title}”", said=said, title=seemly(cited.title)) if cited.title else said
