"""What the commands of the desk say: days, marks, shares, states by word, a pull in a line."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest

from pipeline.cli import speech
from pipeline.cli.person import curator_name, user_name
from pipeline.cli.veille import COMMANDS, veille_command
from pipeline.cli.veille.cards import _StateWord, card_facts
from pipeline.cli.veille.table import marks_of, show_cards, show_day
from pipeline.cli.veille.week import decimal, diversity_sentence, percent
from pipeline.text.typography import NBSP
from pipeline.veille.card import Card, Cited
from pipeline.veille.report import Diversity
from pipeline.veille.states import STATE_WORDS, State
from pipeline.words import say
from tests.veille.builders import NOW, an_entry

PARIS = ZoneInfo("Europe/Paris")
TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INFOLETTRE_LANGUAGE", "en")
    monkeypatch.setenv("LANGUAGE", "en")  # restored afterwards: speaking sets it
    speech.language.cache_clear()
    yield
    speech.language.cache_clear()


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOLETTRE_LANGUAGE", "fr")
    speech.language.cache_clear()


def a_card(url: str = "https://revue.example/a", **changes: Any) -> Card:
    return replace(Card(id=1, entry=an_entry(url), state_at=NOW), **changes)


def test_every_command_is_there_and_says_what_it_does() -> None:
    context = click.Context(veille_command)
    for name in COMMANDS:
        command = veille_command.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
    assert veille_command.get_command(context, "push") is None


# --- days -------------------------------------------------------------------------------------


def day(moment: datetime, *, is_wide: bool) -> str:
    said = show_day(moment, zone=PARIS, today=TODAY, is_wide=is_wide)
    return said.replace(NBSP, " ")


def test_a_day_has_its_weekday_where_there_is_room() -> None:
    moment = datetime(2026, 11, 12, 23, 30, tzinfo=UTC)  # the 13th in Paris
    assert day(moment, is_wide=True) == "Fri 13 Nov"
    assert day(moment, is_wide=False) == "13 Nov"


def test_a_day_of_long_ago_or_of_years_to_come_has_its_year() -> None:
    assert day(datetime(1900, 1, 1, tzinfo=UTC), is_wide=True) == "01/01/1900"
    assert day(datetime(2099, 1, 1, tzinfo=UTC), is_wide=False) == "01/01/2099"


# --- marks ------------------------------------------------------------------------------------


def test_what_is_to_sort_has_no_mark() -> None:
    assert marks_of(a_card()).plain == ""


def test_the_marks_say_all_that_is_known_beside_the_title() -> None:
    card = a_card(
        state=State.KEPT,
        issue="2026-11-27-x",
        tags=("école", "ia"),
        note="À lire",
        also_in=("AOC", "Le Monde"),
        cited_in=(
            Cited(slug="s", number="42", title="t"),
            Cited(slug="vieux", number="", title=""),
        ),
    )
    assert marks_of(card).plain == (
        "kept · for 2026-11-27-x · #école · #ia · with a note · also in AOC, Le Monde"
        " · cited already in no. 42, vieux"
    )


def test_of_many_feeds_three_are_named() -> None:
    assert marks_of(a_card(also_in=tuple("abcde"))).plain == "also in a, b, c + 2"


def test_through_a_pipe_each_card_is_one_whole_line_without_colours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "Un titre " * 30
    cards = [
        a_card(entry=an_entry(title=long, source="Une source au nom très très long")),
        a_card(entry=an_entry("https://x.example/b", title="[red]b[/]"), state=State.KEPT),
    ]
    show_cards(cards, zone=PARIS, today=TODAY)
    head, rule, first, second = capsys.readouterr().out.strip("\n").splitlines()
    assert head.split() == ["Id", "Date", "Source", "Title"]
    assert set(rule.strip()) == {"─"}
    assert long.strip() in first
    assert "[red]b[/]  kept" in second
    assert first.index("Un titre") == second.index("[red]")
    assert "\x1b" not in first + second
    assert all(line == line.rstrip() for line in (head, first, second))


def test_a_card_for_a_script_has_the_names_that_it_always_had() -> None:
    facts = card_facts(a_card(cited_in=(Cited(slug="s", number="42", title="t"),)))
    assert list(facts)[:8] == [
        "id",
        "title",
        "url",
        "source",
        "watchlist",
        "authors",
        "date",
        "excerpt",
    ]
    assert facts["state"] == "new"
    assert facts["cited_in"] == [{"slug": "s", "number": "42", "title": "t"}]


# --- states -----------------------------------------------------------------------------------


def read_state(given: str) -> tuple[State, ...]:
    return _StateWord().convert(given, None, None)


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_named_by_its_word_in_both_languages(state: State) -> None:
    for word in (state.value, say(STATE_WORDS[state], "fr"), say(STATE_WORDS[state], "en")):
        assert read_state(word) == (state,)
        assert read_state(word.upper().replace(" ", "-")) == (state,)


def test_all_states_have_a_word_as_well() -> None:
    assert read_state("all") == tuple(State)


def test_what_is_no_state_is_told_with_those_that_are() -> None:
    with pytest.raises(click.UsageError, match="to sort, kept, written, published, discarded, all"):
        read_state("kep")


# --- the week ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100%"), (1 / 3, "33%"), (0.004, f"<{NBSP}1%"), (0.0, "0%")]
)
def test_a_share_is_said_in_percent(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.usefixtures("french")
def test_figures_are_french_in_french() -> None:
    assert percent(1 / 3) == f"33{NBSP}%"
    assert decimal(5.24) == "5,2"


def test_a_decimal_that_is_whole_has_no_decimals() -> None:
    assert [decimal(one) for one in (1.0, 4.96, 5.24)] == ["1", "5", "5.2"]


def test_diversity_is_a_sentence() -> None:
    many = Diversity(sources=7, greatest="La Revue", share=1 / 3, effective=5.2)
    assert diversity_sentence(many) == (
        "La Revue gives most of it: 33%. That is as diverse as 5.2 sources which all give as much."
    )
    one = Diversity(sources=1, greatest="La Revue", share=1.0, effective=1.0)
    assert "one source, La Revue" in diversity_sentence(one)


# --- who --------------------------------------------------------------------------------------


def test_a_curator_is_named_by_the_environment_or_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFOLETTRE_CURATOR", "  Ada \n Martin ")
    assert curator_name() == "Ada Martin"
    monkeypatch.setenv("INFOLETTRE_CURATOR", " ")
    assert curator_name() == user_name()
