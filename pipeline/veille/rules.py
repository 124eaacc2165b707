"""Rules: what is tagged, kept or discarded by itself when a feed brings it.

Values only: :func:`read_rules` checks and compiles what ``infolettre.toml`` says, and
:meth:`Rulebook.judge` says what becomes of one entry. Nothing is stored here; ``rulebook.py``
applies rules to what is stored.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import regex

from pipeline.errors import Mistake, MistakesError
from pipeline.settings import Rule
from pipeline.veille.item import Entry
from pipeline.veille.notice import Notice
from pipeline.veille.phrases import MAX_PATTERN, compile_pattern, compile_word, fold_words
from pipeline.veille.plain import fold, tidy
from pipeline.veille.states import State
from pipeline.veille.watchlists import Feed, Watchlist
from pipeline.words import mark

#: What stands in place of a rule's name where whitelist mode discarded an entry.
WHITELIST_RULE: Final = "(whitelist)"
MAX_TAG: Final = 80  # characters
#: Seconds of CPU that the patterns of one judgement may take together.
TIME_LIMIT: Final = 0.05
_SHOWN: Final = 60  # characters, of a text that is wrong
_LEAST_TIME: Final = 0.001  # seconds for one pattern, however many there are
_NAME: Final = re.compile(r"[\w-]{1,80}")
_ANYWHERE: Final = ("title", "body", "author", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of an entry.

    ``state`` is KEPT or DISCARDED, or None where no rule decides; ``rule`` names the first rule
    that does, else it is empty. ``tags`` are those of all rules that fit, ``matched`` the names
    of these rules. ``trouble`` names the rules that ran out of time: they count as not fitting.
    """

    state: State | None = None
    rule: str = ""
    tags: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()

    @property
    def is_whitelist(self) -> bool:
        """Say whether it is discarded because nothing spoke for it."""
        return self.rule == WHITELIST_RULE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """A rule, compiled: its words, each with a part that a text has to hold, or its pattern."""

    name: str
    rule: Rule
    watchlists: frozenset[str]
    words: tuple[tuple[str, re.Pattern[str]], ...] = ()
    pattern: Any = None

    def concerns(self, watchlist: str, feed: Feed | None) -> bool:
        if not self.rule.everywhere and (feed is None or self.name not in feed.rules):
            return False
        return not self.watchlists or watchlist in self.watchlists

    def fits(self, texts: "_Texts", *, timeout: float) -> bool:
        """Say whether it fits. Raises TimeoutError."""
        if self.pattern is not None:
            text = texts.plain(self.rule.where)
            return self.pattern.search(text, timeout=timeout) is not None
        text = texts.folded(self.rule.where)
        return any(part in text and word.search(text) for part, word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """The rules of a workspace, in the order of the file, ready to judge.

    The rules in ``given_up`` are not tried any more: each counts as one that ran out of time.
    """

    tests: tuple[_Test, ...] = ()
    given_up: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all rules."""
        return tuple(test.name for test in self.tests)

    @property
    def is_empty(self) -> bool:
        """Say whether there is no rule; an empty book still keeps to whitelist mode."""
        return not self.tests

    @property
    def rules(self) -> dict[str, Rule]:
        """Return the rules by their names, as the settings give them (a tag is tidied)."""
        return {test.name: test.rule for test in self.tests}

    def without(self, names: Collection[str]) -> "Rulebook":
        """Return the book with these rules given up, since their patterns take too long."""
        return replace(self, given_up=self.given_up | frozenset(names))

    def judge(self, entry: Entry, *, feed: Feed | None) -> Verdict:
        """Return what becomes of ``entry``, which ``feed`` brought (None: by hand, or unknown).

        To keep beats to discard, and all tags add up. What a whitelisted feed brings is discarded
        where no rule keeps or tags it; if one ran out of time nobody knows, and it is left.
        """
        texts, watchlist = _Texts(entry), fold(entry.watchlist)
        fitting: list[_Test] = []
        trouble: list[str] = []
        timeout = self._timeout()
        for test in self.tests:
            if not test.concerns(watchlist, feed):
                continue
            try:
                if test.name in self.given_up:
                    raise TimeoutError
                if test.fits(texts, timeout=timeout):
                    fitting.append(test)
            except TimeoutError:
                trouble.append(test.name)
        return _verdict(fitting, trouble, is_whitelisted=feed is not None and feed.is_whitelisted)

    def _timeout(self) -> float:
        """Return the seconds that each pattern may take.

        regex counts the CPU time of the process, so that a busy machine makes no difference.
        """
        patterns = sum(test.pattern is not None for test in self.tests)
        return max(TIME_LIMIT / max(patterns, 1), _LEAST_TIME)


def _verdict(fitting: list[_Test], trouble: list[str], *, is_whitelisted: bool) -> Verdict:
    first = {test.rule.do: test.name for test in reversed(fitting)}
    state, rule = None, ""
    if "keep" in first:
        state, rule = State.KEPT, first["keep"]
    elif "discard" in first:
        state, rule = State.DISCARDED, first["discard"]
    elif is_whitelisted and not fitting and not trouble:
        state, rule = State.DISCARDED, WHITELIST_RULE
    return Verdict(
        state=state,
        rule=rule,
        tags=tuple(dict.fromkeys(test.rule.tag for test in fitting if test.rule.do == "tag")),
        matched=tuple(test.name for test in fitting),
        trouble=tuple(trouble),
    )


class _Texts:
    """The texts of one entry, as rules read them; each is made when it is first asked for.

    The source is its name and its host. ``anywhere`` is all fields, one a line, but no host: the
    word “blog” would be in many.
    """

    __slots__ = ("_entry", "_folded", "_plain")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._plain: dict[str, str] = {}
        self._folded: dict[str, str] = {}

    def plain(self, where: str) -> str:
        """Return a field in Unicode's composed form, for patterns."""
        return self._get(where, self._plain, lambda text: unicodedata.normalize("NFC", text))

    def folded(self, where: str) -> str:
        """Return a field without case and accents, for words."""
        return self._get(where, self._folded, fold_words)

    def _get(self, where: str, made: dict[str, str], make: Callable[[str], str]) -> str:
        if where not in made:
            if where == "anywhere":
                made[where] = "\n".join(self._get(one, made, make) for one in _ANYWHERE)
            else:
                made[where] = make(self._field(where))
        return made[where]

    def _field(self, where: str) -> str:
        entry = self._entry
        match where:
            case "title":
                return entry.title
            case "body":
                return entry.excerpt
            case "author":
                return "\n".join(entry.authors)
            case "source":
                host = entry.canonical_url.partition("://")[2].partition("/")[0]
                return f"{entry.source}\n{host}"
        return entry.source


def read_rules(rules: Mapping[str, Rule]) -> Rulebook:
    """Check and compile the rules of the settings.

    Raises MistakesError with all that is wrong, each with its place, such as
    ``[rules.sponsors] pattern``.
    """
    reader = _Reader()
    tests = tuple(reader.test(name, rule) for name, rule in rules.items())
    if reader.mistakes:
        raise MistakesError(reader.mistakes)
    return Rulebook(tests=tests)


class _Reader:
    """Compiles rules and keeps every mistake that it meets."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def fault(self, rule: str, key: str, message: str, **facts: object) -> None:
        path = f"[rules.{tidy(rule, limit=_SHOWN)}] {key}".rstrip()
        self.mistakes.append(Mistake(path=path, message=message, facts=facts))

    def test(self, name: str, rule: Rule) -> _Test:
        if not _NAME.fullmatch(name):
            self.fault(
                name,
                "",
                mark("a rule's name is made of at most 80 letters, digits, “-” and “_”"),
            )
        tag = self.tag(name, rule)
        if bool(rule.words) == bool(rule.pattern):
            both = mark("a rule has words or a pattern, not both: make two rules of it")
            neither = mark(
                'a rule looks for something: give it words = ["sponsorisé", "publi*"] or a pattern'
            )
            self.fault(name, "words", both if rule.words else neither)
        if not all(map(fold, rule.watchlists)):
            self.fault(name, "watchlists", mark("a watchlist is named by its title, here is none"))
        words = self.words(name, rule.words)
        return _Test(
            name=name,
            rule=replace(rule, tag=tag),
            watchlists=frozenset(map(fold, rule.watchlists)),
            words=tuple(map(compile_word, words)),
            pattern=self.pattern(name, rule.pattern) if rule.pattern else None,
        )

    def tag(self, name: str, rule: Rule) -> str:
        tag = tidy(rule.tag, limit=2 * MAX_TAG).removeprefix("#").strip()  # as people's tags are
        if rule.do != "tag" and tag:
            message = mark('a tag is given by a rule with do = "tag": make a second rule for it')
            self.fault(name, "tag", message)
        elif rule.do == "tag" and not tag:
            message = mark('a rule with do = "tag" says which: tag = "climat"')
            self.fault(name, "tag", message)
        elif len(tag) > MAX_TAG or "," in tag:
            message = mark("“{tag}” is no tag: it has at most {limit} characters and no comma")
            self.fault(name, "tag", message, tag=tidy(tag, limit=_SHOWN), limit=MAX_TAG)
        return tag

    def words(self, name: str, words: Iterable[str]) -> list[str]:
        found = []
        for word in words:
            parts = fold_words(word).split()
            cores = [part.removesuffix("*") for part in parts]
            if not cores or not all(cores) or "*" in "".join(cores):
                message = mark(
                    "“{word}” is no word to look for: it is a word or a phrase, with “*” at the"
                    " end of a word to mean its beginning"
                )
                self.fault(name, "words", message, word=tidy(word, limit=_SHOWN))
            else:
                found.append(" ".join(parts))
        return found

    def pattern(self, name: str, pattern: str) -> Any:
        try:
            found = compile_pattern(pattern)
            is_for_all = found.search("", timeout=TIME_LIMIT) is not None
        except regex.error as error:
            message = mark("this is no regular expression: {reason}, at character {at}")
            at = (error.pos or 0) + 1
            self.fault(name, "pattern", message, reason=error.msg, at=at)
        except (RecursionError, OverflowError, TimeoutError):
            message = mark(
                "this regular expression is too large: it has at most {limit} characters, few"
                " brackets within brackets, and repeats nothing a million times"
            )
            self.fault(name, "pattern", message, limit=MAX_PATTERN)
        else:
            if not is_for_all:
                return found
            message = mark(
                "this regular expression fits the empty text, and so everything: take out what"
                " may be empty, or write “.” where everything is meant"
            )
            self.fault(name, "pattern", message)
        return None


def unknown_names(watchlists: Iterable[Watchlist], book: Rulebook) -> list[tuple[Feed, str]]:
    """Return the feeds that name a rule which does not exist, each with that name."""
    known = frozenset(book.names)
    return [
        (feed, name)
        for watchlist in watchlists
        for feed in watchlist.feeds
        for name in feed.rules
        if name not in known
    ]


def unknown_watchlists(watchlists: Iterable[Watchlist], book: Rulebook) -> list[tuple[str, str]]:
    """Return the rules that name a watchlist which does not exist, each with that title."""
    known = {fold(watchlist.title) for watchlist in watchlists}
    return [
        (test.name, title)
        for test in book.tests
        for title in test.rule.watchlists
        if fold(title) not in known
    ]


def tell_trouble(counts: Mapping[str, int]) -> tuple[Notice, ...]:
    """Return what to say of rules that ran out of time, each with its number of entries."""
    message = mark(
        "the rule “{rule}” took too long and counts as not fitting (entries: {count}): make its"
        " pattern simpler, with no repetition inside a repetition"
    )
    return tuple(
        Notice(message=message, facts={"rule": rule, "count": count})
        for rule, count in counts.items()
    )
