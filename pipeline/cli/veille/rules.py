"""``veille rules``: which there are, what they would do to what is stored, and doing it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click

from pipeline.cli.person import curator_name
from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.cli.tally import figure
from pipeline.cli.veille.opened import local_now, opened_desk
from pipeline.cli.veille.table import ID
from pipeline.settings import Rule
from pipeline.veille.following import load_watchlists
from pipeline.veille.notice import Notice
from pipeline.veille.rulebook import Effect, Preview, apply_rules, preview_rules
from pipeline.veille.rules import (
    WHITELIST_RULE,
    Rulebook,
    read_rules,
    unknown_names,
    unknown_watchlists,
)
from pipeline.veille.watchlists import Watchlist
from pipeline.words import mark
from pipeline.workspace import Workspace

ACTIONS: Final = ("list", "test", "apply")
EXAMPLES: Final = 5  # entries of each rule that a test names
_DOES: Final = {
    "tag": mark("gives the tag #{tag}"),
    "keep": mark("keeps"),
    "discard": mark("discards"),
}
_WHERE: Final = {
    "anywhere": mark("anywhere"),
    "title": mark("in the title"),
    "body": mark("in the text"),
    "author": mark("in the authors"),
    "source": mark("in the source"),
}


@click.command(
    "rules",
    help=tell("Show the rules. “test” says what they would do to what is there, “apply” does it."),
)
@click.argument("action", type=click.Choice(ACTIONS), default="list")
@click.option("--rule", "only", multiple=True, help=tell("Only this rule; may be given again."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def rules_command(action: str, only: tuple[str, ...], as_json: bool) -> None:
    with opened_desk() as (workspace, engine):
        book = read_rules(workspace.settings.rules)
        watchlists = known_watchlists(workspace)
        for notice in strange_names(watchlists, book):
            click.echo(notice.say(language()), err=True)
        if action == "list":
            _show_rules(workspace.settings.rules, as_json=as_json)
            return
        if action == "test":
            found = preview_rules(engine, book, watchlists, only=only, limit=EXAMPLES)
        else:
            found = apply_rules(
                engine,
                book,
                watchlists,
                by=curator_name(),
                now=local_now(workspace.settings),
                only=only,
            )
        if as_json:
            show_json(_facts(found))
        else:
            _show_preview(found, is_done=action == "apply")
        for notice in found.notices:
            click.echo(notice.say(language()), err=True)


def known_watchlists(workspace: Workspace) -> list[Watchlist]:
    """Return the watchlists; no file is none, as entries may be added by hand alone."""
    return load_watchlists(workspace) if workspace.watchlists.exists() else []


def strange_names(watchlists: Sequence[Watchlist], book: Rulebook) -> Iterator[Notice]:
    """Yield what names a rule or a watchlist that does not exist."""
    for feed, name in unknown_names(watchlists, book):
        message = mark(
            "“{feed}” asks for the rule “{rule}”, which is not in infolettre.toml; there are:"
            " {known}"
        )
        known = ", ".join(book.names) or "—"
        facts = {"feed": feed.title or feed.url, "rule": name, "known": known}
        yield Notice(message=message, facts=facts)
    if not watchlists:
        return
    for rule, title in unknown_watchlists(watchlists, book):
        message = mark(
            "the rule “{rule}” is for the watchlist “{watchlist}”, which does not exist; there are:"
            " {known}"
        )
        known = ", ".join(one.title for one in watchlists)
        yield Notice(message=message, facts={"rule": rule, "watchlist": title, "known": known})


# --- on the screen ----------------------------------------------------------------------------


def _show_rules(rules: dict[str, Rule], *, as_json: bool) -> None:
    if as_json:
        show_json([_rule_facts(name, rule) for name, rule in rules.items()])
        return
    if not rules:
        show(tell("No rule yet: write one into infolettre.toml, as [rules.sponsors]"))
    for name, rule in rules.items():
        show(click.style(name, bold=True) + "  " + rule_words(rule))


def rule_words(rule: Rule) -> str:
    """Say what a rule does, in one line."""
    sought = ", ".join(tell("“{note}”", note=word) for word in rule.words) or f"/{rule.pattern}/"
    said = tell(
        "{does} what says {words} {where}",
        does=tell(_DOES[rule.do], tag=rule.tag),
        words=sought,
        where=tell(_WHERE[rule.where]),
    )
    if rule.watchlists:
        lists = ", ".join(rule.watchlists)
        said = tell("{said}; only in: {watchlists}", said=said, watchlists=lists)
    if not rule.everywhere:
        said = tell("{said}; only for the feeds that name it", said=said)
    return said


def _show_preview(found: Preview, *, is_done: bool) -> None:
    for effect in _worth(found):
        _show_effect(effect, is_done=is_done)
    if is_done:
        show(
            tell_count(
                "✓ {n} of {read} entries is changed. To take it back: infolettre veille undo",
                "✓ {n} of {read} entries are changed. To take it back: infolettre veille undo",
                found.changed,
                n=figure(found.changed),
                read=figure(found.read),
            )
        )
        return
    show(
        tell_count(
            "{n} of {read} entries would change. Nothing was changed yet.",
            "{n} of {read} entries would change. Nothing was changed yet.",
            found.changed,
            n=figure(found.changed),
            read=figure(found.read),
        )
    )
    if found.changed:
        show(tell("To do it: infolettre veille rules apply"))


def _worth(found: Preview) -> Iterable[Effect]:
    """Return the effects that are told: of each rule, and of what no rule decides any more."""
    return [*found.effects, *([found.put_back] if found.put_back.changed else [])]


def _show_effect(effect: Effect, *, is_done: bool) -> None:
    changed = mark("{rule}: fits {fitting}, changed {changed}")
    would = mark("{rule}: fits {fitting}, would change {changed}")
    name = click.style(rule_name(effect.rule), bold=True)
    if effect.rule:
        show(
            tell(
                changed if is_done else would,
                rule=name,
                fitting=figure(effect.fitting),
                changed=figure(effect.changed),
            )
        )
    else:
        show(tell("{label}: {count}", label=name, count=figure(effect.changed)))
    for card in effect.cards:
        source = f" ({card.entry.source})" if card.entry.source else ""
        show(f"  {card.entry.id[:ID]}  {card.entry.title}{source}")
    if effect.cards and (more := effect.changed - len(effect.cards)) > 0:
        show("  " + tell("… and {count} more", count=figure(more)))


def rule_name(name: str) -> str:
    """Return a rule's name for people; what is none of the file's has words."""
    if not name:
        return tell("To sort again, as no rule decides any more")
    return tell("Whitelist mode") if name == WHITELIST_RULE else name


# --- for a script -----------------------------------------------------------------------------


def _rule_facts(name: str, rule: Rule) -> dict[str, object]:
    return {
        "name": name,
        "do": rule.do,
        "words": list(rule.words),
        "pattern": rule.pattern,
        "where": rule.where,
        "tag": rule.tag,
        "watchlists": list(rule.watchlists),
        "everywhere": rule.everywhere,
    }


def _facts(found: Preview) -> dict[str, object]:
    return {
        "read": found.read,
        "changed": found.changed,
        "rules": [_effect_facts(one) for one in found.effects],
        "put_back": _effect_facts(found.put_back),
        "notices": [one.say(language()) for one in found.notices],
    }


def _effect_facts(effect: Effect) -> dict[str, object]:
    return {
        "rule": effect.rule,
        "fitting": effect.fitting,
        "changed": effect.changed,
        "entries": [
            {"id": card.entry.id, "title": card.entry.title, "source": card.entry.source}
            for card in effect.cards
        ],
    }
