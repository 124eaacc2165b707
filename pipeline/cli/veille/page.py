"""``veille add``: a page by its address, and whence each of its fields is."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

import click

from pipeline.cli.person import curator_name
from pipeline.cli.speech import language, show, show_json, tell
from pipeline.cli.veille.cards import card_facts
from pipeline.cli.veille.opened import now, opened_desk, zone_of
from pipeline.cli.veille.table import ID, cited_words
from pipeline.errors import FetchError
from pipeline.text.dates import long_date
from pipeline.text.languages import language_name
from pipeline.veille.adding import add_by_hand, add_page, may_be_typed
from pipeline.veille.card import Card
from pipeline.veille.citations import refresh_citations
from pipeline.veille.entries import find_cards
from pipeline.veille.item import Entry
from pipeline.veille.origins import FieldOrigin
from pipeline.words import mark

ORIGIN_WORDS: Final = {
    FieldOrigin.JSON_LD: mark("the page's data"),
    FieldOrigin.OPEN_GRAPH: mark("the page's card for social networks"),
    FieldOrigin.META: mark("the page's meta tags"),
    FieldOrigin.HTML: mark("the text of the page"),
    FieldOrigin.TRAFILATURA: mark("guessed from the text"),
    FieldOrigin.PDF: mark("the document's properties"),
    FieldOrigin.ADDRESS: mark("its address"),
    FieldOrigin.HAND: mark("typed by you"),
}


@click.command("add", help=tell("Add a page by its address."))
@click.argument("url")
@click.option("--note", default="", help=tell("A note on it."))
@click.option("--tag", "tags", multiple=True, help=tell("A tag; may be given again."))
@click.option("--title", default="", help=tell("The title, where the page cannot be had."))
@click.option("--source", default="", help=tell("The source, where the page cannot be had."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def add_command(
    url: str, note: str, tags: tuple[str, ...], title: str, source: str, as_json: bool
) -> None:
    with opened_desk() as (workspace, engine):
        by = curator_name()
        begin = now()
        try:
            card = add_page(engine, workspace.settings, url, by=by, now=begin, note=note, tags=tags)
        except FetchError as error:
            if not (title.strip() and may_be_typed(error)):
                raise _with_way_out(error, url) from None
            click.echo(error.say(language()), err=True)
            card = add_by_hand(
                engine, url, title=title, source=source, by=by, now=begin, note=note, tags=tags
            )
        refresh_citations(engine, workspace)
        (card,) = find_cards(engine, [card.entry.id])
        if as_json:
            show_json(card_facts(card) | {"origins": dict(card.entry.origins)})
            return
        _show(card, zone=zone_of(workspace.settings))


def _with_way_out(error: FetchError, url: str) -> FetchError:
    """Return an error that says what to do where the page exists, but not for us."""
    if not may_be_typed(error) or "--title" in error.message:
        return error
    message = mark(
        "{said}. If your browser can read it: infolettre veille add {url} --title “its title”"
    )
    said = error.say(language()).rstrip(".")
    return FetchError(message, retryable=error.retryable, said=said, url=url)


def _show(card: Card, *, zone: tzinfo) -> None:
    """Print what was found, a field a line, each with its origin."""
    rows = [(label, text, name) for name, label, text in _fields(card.entry, zone) if text]
    width = max(len(label) for label, _, _ in rows)
    for label, text, name in rows:
        origin = card.entry.origins.get(name, "")
        whence = f"  ({_origin(origin)})" if origin else ""
        show(f"  {label:<{width}}  {text}{whence}")
    if card.entry.feed_url:
        show(tell("A feed has brought this page already."))
    if letters := cited_words(card):
        show(tell("Cited already in {letters}.", letters=", ".join(letters)))
    show(tell("To put it into the letter: infolettre veille keep {id}", id=card.entry.id[:ID]))


def _fields(entry: Entry, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    yield "title", tell("Title"), entry.title
    yield "url", tell("Address"), entry.url
    yield "source", tell("Source"), entry.source
    yield "authors", tell("Authors"), ", ".join(entry.authors)
    day = entry.published_at.astimezone(zone).date() if entry.published_at else None
    yield "published_at", tell("Date"), long_date(day, language()) if day else ""
    spoken = entry.language
    yield "language", tell("Language"), language_name(spoken, language()) if spoken else ""
    yield "minutes", tell("To read"), _minutes(entry.minutes)
    yield "image", tell("Image"), entry.image
    yield "excerpt", tell("Excerpt"), entry.excerpt


def _minutes(count: int) -> str:
    return tell("{count} min", count=count) if count else ""


def _origin(name: str) -> str:
    try:
        return tell(ORIGIN_WORDS[FieldOrigin(name)])
    except ValueError:  # of a later version
        return name
