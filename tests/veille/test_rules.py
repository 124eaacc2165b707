"""Rules: what they fit, what they make of an entry, and what is said of one that is wrong."""

import pickle
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import MistakesError
from pipeline.settings import Rule, parse_settings
from pipeline.veille.item import Entry
from pipeline.veille.phrases import MAX_PATTERN, compile_word, fold_words
from pipeline.veille.rules import (
    TIME_LIMIT,
    WHITELIST_RULE,
    Rulebook,
    Verdict,
    read_rules,
    tell_trouble,
    unknown_names,
    unknown_watchlists,
)
from pipeline.veille.states import State
from pipeline.veille.watchlists import Feed, Watchlist
from tests.veille.builders import an_entry

FEED = Feed(title="La Revue", url="https://revue.example/flux.xml")
CATASTROPHE = r"(a|aa)+$"  # each further a doubles the ways to fail
LONG = "a" * 60 + "!"


def a_book(**rules: Rule) -> Rulebook:
    return read_rules(rules)


def judge(entry: Entry, feed: Feed | None = FEED, **rules: Rule) -> Verdict:
    return a_book(**rules).judge(entry, feed=feed)


def fits(rule: Rule, **fields: Any) -> bool:
    return judge(an_entry(**fields), rule=rule).matched == ("rule",)


def keep(*words: str, **more: Any) -> Rule:
    return Rule(do="keep", words=words, **more)


def discard(*words: str, **more: Any) -> Rule:
    return Rule(do="discard", words=words, **more)


def tag(name: str, *words: str, **more: Any) -> Rule:
    return Rule(do="tag", tag=name, words=words, **more)


def mistakes(**rules: Rule) -> list[str]:
    with pytest.raises(MistakesError) as caught:
        read_rules(rules)
    return caught.value.say("en").splitlines()


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "title"),
    [
        ("école", "L’ÉCOLE publique"),
        ("ECOLE", "l'école"),
        ("l'école", "À l’école des communs"),
        ("l’école", "À l'école des communs"),
        ("écoles publiques", "Les écoles  publiques"),
        ("écoles publiques", "Les écoles\u00a0publiques"),
        ("  écoles\n publiques ", "Les écoles publiques"),
        ("sponsor*", "Un article sponsorisé"),
        ("sponsor*", "Un sponsor"),
        ("commun* numérique*", "Les communs numériques"),
        ("commun* numérique*", "Un commun numérique"),
        ("cœur", "Au coeur de la ville"),
        ("coeur", "Au cœur de la ville"),
        ("C++", "Le C++, encore"),
        (".net", "Le .NET est là"),
        ("r&d", "La R&D publique"),
        ("co-working", "Un espace de co-working"),
        ("🎉", "Fête🎉!"),
        ("ecole", unicodedata.normalize("NFD", "L’école")),
        ("été", "E\u0301te\u0301 pourri"),
    ],
)
def test_words_are_met_whatever_their_case_accents_and_apostrophes(word: str, title: str) -> None:
    assert fits(keep(word, where="title"), title=title)


@pytest.mark.parametrize(
    ("word", "title"),
    [
        ("art", "Un article"),
        ("art", "Départ"),
        ("mot*", "Un émotif"),
        ("écoles publiques", "Les écoles sont publiques"),
        ("écoles publiques", "Écoles publiquesque"),
        ("commun* numérique", "Les communs numériques"),
        ("c++", "Le C, encore"),
        ("1", "Le 12"),
    ],
)
def test_only_whole_words_count_unless_a_star_says_otherwise(word: str, title: str) -> None:
    assert not fits(keep(word, where="title"), title=title)


def test_one_of_several_words_is_enough() -> None:
    rule = keep("rien", "communs", where="title")

    assert fits(rule, title="Des communs")
    assert not fits(rule, title="Des privés")


letters = st.text(alphabet="abéÉœ’' -+*", min_size=1, max_size=8)


@given(word=letters, before=letters, after=letters)
def test_a_word_between_spaces_is_found_in_any_text(word: str, before: str, after: str) -> None:
    folded = " ".join(fold_words(word).replace("*", "").split())
    if not folded:
        return
    part, pattern = compile_word(folded)
    text = fold_words(f"{before.strip()} {word.replace('*', '').upper()} {after.strip()}")

    assert part in text
    assert pattern.search(text)


# --- where --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "field"),
    [("title", "title"), ("body", "excerpt"), ("author", "authors"), ("source", "source")],
)
@pytest.mark.parametrize("kind", ["words", "pattern"])
def test_a_rule_reads_only_where_it_looks(where: Any, field: str, kind: str) -> None:
    sought: Any = {"words": ("trésor",)} if kind == "words" else {"pattern": "trésor"}
    fields: dict[str, Any] = {"title": "t", "excerpt": "e", "authors": ("a",), "source": "s"}
    for name in fields:
        entry = an_entry(**fields | {name: ("le trésor",) if name == "authors" else "le trésor"})
        found = judge(
            entry,
            here=Rule(do="keep", where=where, **sought),
            anywhere=Rule(do="keep", **sought),
        )
        assert found.matched == (("here", "anywhere") if name == field else ("anywhere",))


def test_a_source_is_its_name_or_its_host_but_a_host_is_not_anywhere() -> None:
    entry = an_entry("https://www.lemonde.example/blog/1", source="Le Monde")

    assert judge(entry, rule=keep("lemonde.example", where="source")).matched
    assert judge(entry, rule=keep("le monde", where="source")).matched
    assert not judge(entry, rule=keep("lemonde.example")).matched


def test_no_phrase_reaches_from_one_field_into_the_next() -> None:
    fields: dict[str, Any] = {"title": "Les écoles", "excerpt": "publiques"}

    assert not fits(keep("écoles publiques"), **fields)
    assert not fits(Rule(do="keep", pattern="écoles.publiques"), **fields)


def test_a_pattern_reads_the_text_as_it_stands_in_any_case() -> None:
    rule = Rule(do="discard", pattern=r"^\[?pub(licité)?\b")

    assert fits(rule, title="[PUB] Achetez", excerpt="")
    assert fits(rule, title="Des communs", excerpt="Publicité : achetez")
    assert not fits(rule, title="La publicité", excerpt="")
    assert fits(rule, title=unicodedata.normalize("NFD", "Publicité"), excerpt="")
    assert not fits(Rule(do="keep", pattern="(?-i:RSS)"), title="rss")


def test_a_rule_for_watchlists_minds_their_titles_not_their_case() -> None:
    rule = keep("communs", watchlists=("numerique et SOCIÉTÉ",))

    assert fits(rule)
    assert not fits(rule, watchlist="Numérique")


def test_a_rule_that_is_not_everywhere_is_for_the_feeds_that_name_it() -> None:
    rule = keep("communs", everywhere=False)
    asking = Feed(title="f", url=FEED.url, rules=("autre", "rule"))

    assert not fits(rule)
    assert not judge(an_entry(), None, rule=rule).matched
    assert judge(an_entry(), asking, rule=rule).matched


# --- the verdict --------------------------------------------------------------------------------


def test_keeping_beats_discarding_and_the_first_rule_of_the_kind_is_named() -> None:
    found = judge(
        an_entry(),
        a=discard("communs"),
        b=tag("école", "école"),
        c=keep("école"),
        d=keep("communs"),
        e=tag("bien", "wiki"),
        f=tag("école", "wiki"),
        g=keep("rien"),
    )

    assert found == Verdict(
        state=State.KEPT,
        rule="c",
        tags=("école", "bien"),
        matched=("a", "b", "c", "d", "e", "f"),
    )


def test_a_tag_decides_no_state() -> None:
    found = judge(an_entry(), a=tag("x", "communs"))

    assert (found.state, found.rule, found.tags) == (None, "", ("x",))


def test_what_no_rule_fits_is_left() -> None:
    assert judge(an_entry(), a=keep("rien")) == Verdict()
    assert Rulebook().judge(an_entry(), feed=None) == Verdict()


WHITELISTED = Feed(title="f", url=FEED.url, is_whitelisted=True)


def test_a_whitelisted_feed_keeps_only_what_a_rule_speaks_for() -> None:
    for book in (Rulebook(), a_book(a=keep("rien"))):
        found = book.judge(an_entry(), feed=WHITELISTED)
        assert (found.state, found.rule) == (State.DISCARDED, WHITELIST_RULE)
        assert found.is_whitelist
    assert judge(an_entry(), WHITELISTED, a=keep("communs")).state is State.KEPT
    assert judge(an_entry(), WHITELISTED, a=tag("x", "communs")) == Verdict(
        tags=("x",), matched=("a",)
    )
    refused = judge(an_entry(), WHITELISTED, a=discard("communs"))
    assert (refused.state, refused.rule, refused.is_whitelist) == (State.DISCARDED, "a", False)


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        CATASTROPHE,
        r"(?:(a)|a)*\1{9}[?;]",
        r"(?R)?a[?;]",
        r"(a{1,1000}){1,1000}[?;]",
        r"(a|(?1)a?b?)+[?;]",
    ],
)
def test_a_pattern_that_would_run_for_ever_is_stopped_and_named(pattern: str) -> None:
    book = a_book(slow=Rule(do="discard", pattern=pattern), ok=keep("communs"))
    before = time.thread_time()

    found = book.judge(an_entry(title=LONG, excerpt="des communs"), feed=FEED)

    assert found == Verdict(state=State.KEPT, rule="ok", matched=("ok",), trouble=("slow",))
    assert time.thread_time() - before < TIME_LIMIT * 4


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(\w+\s?)+[?;]", r"(?:(?:a+)+)+[?;]", "(.*a){20}b"]
)
def test_a_pattern_that_other_engines_choke_on_is_quick(pattern: str) -> None:
    found = judge(an_entry(title=LONG, excerpt="b"), slow=Rule(do="discard", pattern=pattern))

    assert found == Verdict()


def test_many_slow_patterns_share_the_time_of_one_judgement() -> None:
    book = a_book(**{f"r{n}": Rule(do="keep", pattern=CATASTROPHE) for n in range(40)})
    before = time.process_time()

    found = book.judge(an_entry(title=LONG), feed=FEED)

    assert found.trouble == book.names
    assert time.process_time() - before < TIME_LIMIT * 6


def test_a_rule_that_is_given_up_costs_nothing_and_is_named_still() -> None:
    book = a_book(slow=Rule(do="keep", pattern=CATASTROPHE), ok=keep("communs")).without(["slow"])
    before = time.process_time()

    verdicts = {book.judge(an_entry(title=LONG), feed=FEED).trouble for _ in range(200)}

    assert verdicts == {("slow",)}
    assert time.process_time() - before < 1


def test_whitelist_mode_discards_nothing_where_a_rule_ran_out_of_time() -> None:
    found = judge(
        an_entry(title=LONG), WHITELISTED, slow=Rule(do="keep", pattern=CATASTROPHE, where="title")
    )

    assert (found.state, found.trouble) == (None, ("slow",))


def test_what_is_said_of_a_slow_rule_names_it() -> None:
    (notice,) = tell_trouble({"slow": 3})

    assert "“slow”" in notice.say("en")
    assert "(entries: 3)" in notice.say("en")


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "where", "said"),
    [
        (Rule(do="keep", pattern="(a"), "pattern", "missing )"),
        (Rule(do="keep", pattern="*a"), "pattern", "at character 1"),
        (Rule(do="keep", pattern="[z-a]"), "pattern", "no regular expression"),
        (Rule(do="keep", pattern="(" * 1000 + ")" * 1000), "pattern", "too large"),
        (Rule(do="keep", pattern="((a{100}){200}){100}"), "pattern", "too large"),
        (Rule(do="keep", pattern="a{999999999999}"), "pattern", "too large"),
        (Rule(do="keep", pattern="a" * (MAX_PATTERN + 1)), "pattern", "too large"),
        (Rule(do="keep", pattern="pub|"), "pattern", "fits the empty text"),
        (Rule(do="keep", pattern=".*"), "pattern", "fits the empty text"),
        (Rule(do="keep"), "words", "looks for something"),
        (Rule(do="keep", words=("a",), pattern="b"), "words", "not both"),
        (keep("a", ""), "words", "“” is no word"),
        (keep("a", " * "), "words", "is no word"),
        (keep("*a"), "words", "“*a” is no word"),
        (keep("a*b"), "words", "is no word"),
        (keep("a * b"), "words", "is no word"),
        (keep("a**"), "words", "is no word"),
        (tag("", "a"), "tag", "says which"),
        (tag("  #", "a"), "tag", "says which"),
        (tag("a,b", "a"), "tag", "no comma"),
        (tag("t" * 81, "a"), "tag", "at most 80"),
        (keep("a", tag="x"), "tag", "second rule"),
        (keep("a", watchlists=("Numérique", " ")), "watchlists", "by its title"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(rule: Rule, where: str, said: str) -> None:
    (line,) = mistakes(sponsors=rule)

    assert line.startswith(f"[rules.sponsors] {where}: ")
    assert said in line


@pytest.mark.parametrize("name", ["deux mots", "", WHITELIST_RULE, "a,b", "x" * 81])
def test_a_rules_name_can_be_written_in_a_feeds_attribute(name: str) -> None:
    (line,) = mistakes(**{name: keep("a")})

    assert "letters, digits" in line


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(a=Rule(do="tag", pattern="("), b=keep("*"), c=keep("fine"))

    assert [line.partition(":")[0] for line in found] == [
        "[rules.a] pattern",
        "[rules.a] tag",
        "[rules.b] words",
    ]


def test_rules_come_from_the_settings() -> None:
    toml = '[rules.sponsors]\ndo = "discard"\nwords = ["sponsor*"]\nwhere = "title"\n'

    book = read_rules(parse_settings(toml, path="infolettre.toml", environ={}).rules)

    assert book.names == ("sponsors",)
    assert book.judge(an_entry(title="Sponsorisé"), feed=FEED).rule == "sponsors"


def test_a_tag_is_written_as_those_of_people() -> None:
    assert judge(an_entry(), a=tag(" #biens  communs ", "communs")).tags == ("biens communs",)


@settings(deadline=None)
@given(st.text(max_size=30))
@example("(?P<a>x)(?P<a>y)")
@example("\\p{Foo}")
@example("[[a]--[b]]")
@example("(?:a{2}){e<=1}")
@example("(?R)")
@example("\ud800")
@example("(?i)a(?i)")
@example("\\L<x>")
def test_any_text_is_a_pattern_or_a_mistake(pattern: str) -> None:
    try:
        book = a_book(rule=Rule(do="keep", words=("x",) if not pattern else (), pattern=pattern))
    except MistakesError as error:
        lines = error.say("en").splitlines()
    else:
        lines = []
        book.judge(an_entry(), feed=FEED)
    assert len(lines) < 2


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_any_words_are_words_or_mistakes(words: list[str]) -> None:
    try:
        book = a_book(rule=Rule(do="keep", words=tuple(words)))
    except MistakesError as error:
        lines = error.say("en").splitlines()
    else:
        lines = []
        book.judge(an_entry(), feed=FEED)
    assert all(line.startswith("[rules.rule] words: ") for line in lines)


def test_names_that_mean_nothing_are_found() -> None:
    feed = Feed(title="f", url="https://a.example/", rules=("a", "b"))
    lists = [Watchlist(title="Numérique", feeds=(feed,)), Watchlist(title="Vide")]
    book = a_book(a=keep("x", watchlists=("numerique", "Nulle part")), c=keep("y"))

    assert unknown_names(lists, book) == [(feed, "b")]
    assert unknown_watchlists(lists, book) == [("a", "Nulle part")]
    assert unknown_names([], book) == []


def test_a_rulebook_can_be_handed_to_another_process() -> None:
    book = a_book(a=keep("communs"), b=Rule(do="discard", pattern="wiki"))

    again = pickle.loads(pickle.dumps(book))

    assert again.judge(an_entry(), feed=FEED).matched == ("a", "b")


def test_an_empty_book_says_so() -> None:
    assert Rulebook().is_empty
    assert not a_book(a=keep("x")).is_empty
    assert a_book(a=keep("x")).rules == {"a": keep("x")}
