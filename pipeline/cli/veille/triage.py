"""What is done to entries one by one or many: kept, written, discarded, tagged, noted, undone."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click
from click.termui import edit
from sqlalchemy import Engine

from pipeline.cli.person import curator_name
from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.cli.tally import figure, in_words
from pipeline.cli.veille.opened import local_now, opened_desk
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.veille import letter, triage
from pipeline.veille.card import Card, Filter
from pipeline.veille.decisions import MAX_NOTE
from pipeline.veille.entries import find_cards, list_cards
from pipeline.veille.notice import Notice
from pipeline.veille.states import STATE_WORDS, State
from pipeline.veille.triage import Done, Event
from pipeline.words import mark, mark_count
from pipeline.workspace import Workspace, shown

BLOCKS: Final = ("veille", "on-en-parle", "en-bref")
SHOWN: Final = 10  # entries that are named one by one

_KEPT: Final = mark_count("✓ {count} entry is kept.", "✓ {count} entries are kept.")
_DISCARDED: Final = mark_count("✓ {count} entry is discarded.", "✓ {count} entries are discarded.")
_PUT_BACK: Final = mark_count(
    "✓ {count} entry is to sort again.", "✓ {count} entries are to sort again."
)
_ASSIGNED: Final = mark_count(
    "✓ {count} entry is kept for {issue}.", "✓ {count} entries are kept for {issue}."
)

_IDS: Final = click.argument("ids", nargs=-1, required=True)


# --- into the letter --------------------------------------------------------------------------


@click.command("keep", help=tell("Write entries into a letter, or only mark them as kept."))
@click.argument("ids", nargs=-1)
@click.option("--issue", help=tell("The letter; else that of the entry, or the newest."))
@click.option(
    "--block", type=click.Choice(BLOCKS), default="veille", show_default=True,
    help=tell("Into this block of the letter."),
)  # fmt: skip
@click.option("--later", is_flag=True, help=tell("Only mark them as kept; no letter is touched."))
@click.option("--all", "takes_all", is_flag=True, help=tell("Every entry that is marked as kept."))
def keep_command(
    ids: tuple[str, ...], issue: str | None, block: str, later: bool, takes_all: bool
) -> None:
    if takes_all == bool(ids):
        raise click.UsageError(tell("Say which entries: their ids, or --all for what is kept"))
    if later and (takes_all or issue):
        raise click.UsageError(tell("--later marks entries: it goes with ids, and with no letter"))
    with opened_desk() as (workspace, engine):
        if later:
            done = triage.keep(engine, ids, by=curator_name(), now=local_now(workspace.settings))
            _show_done(done, _KEPT)
            return
        cards = _kept(engine) if takes_all else find_cards(engine, ids)
        if not cards:
            show(tell("Nothing is kept: “infolettre veille triage” goes through the entries."))
        for folder, some in _by_letter(workspace, cards, issue).items():
            written = letter.write_cards(
                engine,
                workspace,
                [card.entry.id for card in some],
                folder,
                block=block,
                by=curator_name(),
                now=local_now(workspace.settings),
            )
            for card in written.cards:
                show(
                    tell(
                        "✓ “{title}” is now in {file}",
                        title=card.entry.title,
                        file=shown(written.file),
                    )
                )
            _show_notices(written.notices)


def _kept(engine: Engine) -> Sequence[Card]:
    """Return all that is kept and stands in no letter, the oldest first, as it was kept."""
    wanted = Filter(states=(State.KEPT,))
    found: list[Card] = []
    page = list_cards(engine, wanted, limit=500)
    found += page.cards
    while page.next is not None:
        page = list_cards(engine, wanted, limit=500, after=page.next)
        found += page.cards
    return sorted(found, key=lambda card: (card.state_at, card.id))


def _by_letter(
    workspace: Workspace, cards: Iterable[Card], issue: str | None
) -> dict[Path, list[Card]]:
    """Return the cards by the letter's folder: the one asked for, else each one's, or the newest.

    Raises WorkspaceError where a letter is not there.
    """
    found: dict[Path, list[Card]] = {}
    for card in cards:
        name = issue or (card.issue if card.state is not State.PUBLISHED else "")
        folder = workspace.find_issue(name) if name else workspace.newest_issue()
        found.setdefault(folder, []).append(card)
    return found


@click.command("assign", help=tell("Say for which letter entries are meant."))
@_IDS
@click.option("--issue", required=True, help=tell("The letter for which they are meant."))
def assign_command(ids: tuple[str, ...], issue: str) -> None:
    with opened_desk() as (workspace, engine):
        name = workspace.find_issue(issue).name
        done = triage.assign(
            engine, ids, name, by=curator_name(), now=local_now(workspace.settings)
        )
        _show_done(done, _ASSIGNED, issue=name)


# --- sorted -----------------------------------------------------------------------------------


@click.command("discard", help=tell("Put entries aside: they are erased one day."))
@_IDS
def discard_command(ids: tuple[str, ...]) -> None:
    with opened_desk() as (workspace, engine):
        done = triage.discard(engine, ids, by=curator_name(), now=local_now(workspace.settings))
        _show_done(done, _DISCARDED)


@click.command("put-back", help=tell("Put entries back among those to sort."))
@_IDS
def put_back_command(ids: tuple[str, ...]) -> None:
    with opened_desk() as (workspace, engine):
        done = triage.put_back(engine, ids, by=curator_name(), now=local_now(workspace.settings))
        _show_done(done, _PUT_BACK)


@click.command("undo", help=tell("Undo what you did last. Once more: what you did before."))
def undo_command() -> None:
    with opened_desk() as (workspace, engine):
        done = triage.undo(engine, by=curator_name(), now=local_now(workspace.settings))
        for card in done.cards[:SHOWN]:
            show(
                tell(
                    "✓ “{title}” is {state} again.",
                    title=card.entry.title,
                    state=STATE_WORDS[card.state],
                )
            )
        _show_more(len(done.cards) - SHOWN)
        _show_notices(done.notices)


# --- told -------------------------------------------------------------------------------------


@click.command("tag", help=tell("Give entries tags, or take them away."))
@_IDS
@click.option("--add", "add", multiple=True, help=tell("This tag; may be given again."))
@click.option(
    "--remove", "remove", multiple=True, help=tell("Take this tag away; may be given again.")
)
def tag_command(ids: tuple[str, ...], add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    if not (add or remove):
        raise click.UsageError(tell("Say which tag: --add name, or --remove name"))
    with opened_desk() as (workspace, engine):
        done = triage.tag(
            engine,
            ids,
            add=add,
            remove=remove,
            by=curator_name(),
            now=local_now(workspace.settings),
        )
        for card in done.cards[:SHOWN]:
            tags = " ".join(f"#{one}" for one in card.tags) or "—"
            show(tell("✓ “{title}”: {tags}", title=card.entry.title, tags=tags))
        _show_more(len(done.cards) - SHOWN)
        _show_notices(done.notices)


@click.command("note", help=tell("Write a note on an entry. It becomes the item's text."))
@click.argument("id")
@click.argument("text", required=False)
def note_command(id: str, text: str | None) -> None:
    with opened_desk() as (workspace, engine):
        (card,) = find_cards(engine, [id])
        said = _asked(card) if text is None else text
        if said is None:
            show(tell("The note stays as it was."))
            return
        done = triage.write_note(
            engine,
            card.entry.id,
            said.strip(),
            by=curator_name(),
            now=local_now(workspace.settings),
        )
        message = mark("✓ The note on “{title}” is written.")
        if not said.strip():
            message = mark("✓ “{title}” has no note any more.")
        for one in done.cards:
            show(tell(message, title=one.entry.title))
        _show_notices(done.notices)


def _asked(card: Card) -> str | None:
    """Return a note from the pipe, or from the editor; None where the editor was left as it was."""
    if not sys.stdin.isatty():
        found = sys.stdin.buffer.read(4 * MAX_NOTE + 1)  # longer, it is refused
        said = found.decode("utf-8", "replace")
        if not said.strip():
            raise InputError(mark("no note came: write it behind the id, in quotation marks"))
        return said
    return edit(card.note, extension=".md")


@click.command("history", help=tell("Show who did what to an entry, and when."))
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help=tell("Print a list for a script."))
def history_command(id: str, as_json: bool) -> None:
    with opened_desk() as (workspace, engine):
        (card,) = find_cards(engine, [id])
        events = triage.history(engine, card.entry.id)
        if as_json:
            show_json([_event_facts(one) for one in events])
            return
        show(card.entry.title)
        show(f"  {card.entry.url}")
        if card.note:
            show("  " + tell("Note: {note}", note=" ".join(card.note.split())))
        seen = in_words(card.entry.seen_at, workspace.settings)
        show("  " + tell("{when}: arrived", when=seen))
        for one in events:
            show("  " + _event_line(one, workspace.settings))


def _event_facts(one: Event) -> dict[str, object]:
    return {
        "at": one.at.isoformat(),
        "by": one.by,
        "action": one.action,
        "before": dict(one.before),
        "after": dict(one.after),
        "is_undone": one.is_undone,
    }


_ACTIONS: Final = {
    "keep": mark("kept"),
    "discard": mark("discarded"),
    "put_back": mark("put back"),
    "assign": mark("meant for a letter"),
    "tag": mark("tagged"),
    "note": mark("noted"),
    "write": mark("written into a letter"),
    "publish": mark("published"),
    "rule": mark("sorted by a rule"),
    "find": mark("found in a letter"),
    "take_out": mark("taken out of the letter"),
}


def _event_line(one: Event, settings: Settings) -> str:
    when = in_words(one.at, settings)
    what = tell(_ACTIONS[one.action]) if one.action in _ACTIONS else one.action
    if details := _details(one):
        what = tell("{what} ({details})", what=what, details=details)
    line = tell("{when}: {what}, by {who}", when=when, what=what, who=one.by)
    if not one.by:  # the desk itself
        line = tell("{when}: {what}", when=when, what=what)
    return tell("{line} [undone]", line=line) if one.is_undone else line


def _details(one: Event) -> str:
    """Return what changed but for the state, which the action says."""
    said = []
    for name in ("issue", "tags", "rule"):
        after = one.after.get(name)
        if isinstance(after, list | tuple):
            after = ", ".join(map(str, after))
        if after:
            said.append(str(after))
    return "; ".join(said)


# --- on the screen ----------------------------------------------------------------------------


def _show_done(done: Done, words: tuple[str, str], *, issue: str = "") -> None:
    """Say how many cards an action changed, and what is to be known of the others."""
    if done.changed:
        show(tell_count(*words, len(done.changed), issue=issue))
    elif not done.notices:
        show(tell("Nothing to change: it was so already."))
    _show_notices(done.notices)


def _show_more(count: int) -> None:
    if count > 0:
        show(tell("… and {count} more", count=figure(count)))


def _show_notices(notices: Iterable[Notice]) -> None:
    for notice in notices:
        click.echo(notice.say(language()), err=True)
