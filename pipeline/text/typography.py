"""French typography (and a little English) on plain text: spaces, apostrophes, ellipses.

Only white space, apostrophes and dots ever change, and typesetting a text twice is typesetting it
once. Addresses, e-mail addresses, emoji short codes, smileys and merge tokens stay as they are.

What French gets: U+202F before `;` `!` `?`, U+00A0 before `:` and inside « », thousands held
together by U+202F, and U+00A0 where a line must not break (10 €, n° 42, p. 12, M. Dupont,
XXIe siècle, 7 mars, 13 h 30). What every language gets: ’ between letters, … for three dots.

Left alone on purpose: straight double quotes (which of two opens is a guess), dashes, telephone
numbers, digits nobody grouped, and a sign stuck to the word that follows it.

What does not live here: Markdown and HTML. Callers hand in text without mark-up; a sentence that
mark-up cuts into pieces goes through `typeset_run`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

NBSP = "\u00a0"  # as wide as a space
NNBSP = "\u202f"  # narrow: the « espace fine insécable » of French printers

# Two letters that no living language writes, from Cyrillic and from Bamum. One stands for what
# must not be touched, the other for a seam between pieces: letters give neighbours a context.
_KEPT = "\ua66e"
_SEAM = "\ua6b0"

_IN_ADDRESS = r"[^\s«»“”\"<>]"
_ADDRESS = re.compile(
    rf"""
    {_KEPT}                                                    # the stand-in, if really written
    | (?<![^\W_])[A-Za-z][A-Za-z0-9+.\-]{{1,15}}+://{_IN_ADDRESS}*+    # https://…
    | (?<!\w)(?<!\w\.)(?:www\.|mailto:|tel:){_IN_ADDRESS}++
    | (?<![\w+\-'’@])(?<![\w+\-'’@]\.)                         # redaction@exemple.fr
      [\w+\-'’]++(?:\.[\w+\-'’]++)*+@
      [\w\-]++(?:\.[\w\-]++)*+
    | (?<![\w\-@])(?<![\w\-@]\.)(?:[\w\-]++\.(?=\w))++         # exemple.fr, and after it
      [A-Za-z]{{2,}}+(?!\w)                                    # its port, path and query
      (?: :\d++ )?(?: /{_IN_ADDRESS}*+ )?(?: \?\w{_IN_ADDRESS}*+ )?
    | (?<![\w:]):[a-z0-9_+\-]{{1,40}}:(?![\w:])                # :tada:
    | &\#?\w{{1,31}};                                          # &nbsp; as somebody typed it
    """,
    re.VERBOSE,
)
# The words worth that look: no address, short code or entity does without one of these signs.
_SIGN = rf"[.:@&{_KEPT}]"
_ADDRESS_SIGN = re.compile(rf"{_SIGN}(?=[^\s.])|{_KEPT}")
_SIGNED_WORD = re.compile(rf"(?<!\S)[^\s.:@&{_KEPT}]*+(?:{_KEPT}|{_SIGN}\S)\S*+")

_ANY_SPACE = " \u00a0\u202f\u2009"
_SPACE = f"[{_ANY_SPACE}]"
_SMILEY = r"[:;][\-'’^o]?[()\[\]|/\\DPp*3](?![^\W_])"
_GLUED = rf"[=0-9A-Za-zÀ-ÿ_{_KEPT}]"
_ENDING = r"[\w)\]»…’%€°]"  # what a word, or something quoted or counted, ends with
_UNIT = (
    r"[€$£%‰]|[kM]€|Md€|°[CF]|millions?|milliards?|euros?|km/h|[kcm]?m[²³23]?|[km]?g|[tLl]|m?s|min|"
    r"[hH]|ha|[kMGT]?Wh?|[kMGT]?[oO]|[kMG]?Hz|[kMGT]?bit/s"
)
_MONTH = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
_DIGITS = "0123456789"
_COUNTERS = (
    *("n°", "N°", "nº", "Nº", "n°s", "nºs", "§"),
    *(r"p\.", r"pp\.", r"art\.", r"vol\.", r"chap\.", r"fig\."),
)
_TITLES = (r"M\.", r"MM\.", "Mme", "Mmes", "Mlle", "Mlles", "Me", "Mgr", "Dr")
_ORDINAL = "(?:(?<=[IVXL0-9]e )|(?<=[I1]er )|(?<=[I1]re ))"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A change, and the characters without one of which there is nothing to change."""

    needles: frozenset[str]
    pattern: re.Pattern[str]
    replacement: str


def _rule(needles: str, pattern: str, replacement: str = NBSP) -> _Rule:
    return _Rule(frozenset(needles), re.compile(pattern), replacement)


def _spaces_before(signs: str) -> str:
    """Match spaces that may stand before a sign: each run once, or it would be quadratic."""
    return rf"{_SPACE}(?=[{signs}{_ANY_SPACE}])(?<!{_SPACE}{_SPACE}){_SPACE}*+(?=[{signs}])"


def _touching(sign: str) -> str:
    """Match a sign that touches the end of a word, over a seam or not."""
    return rf"{sign}(?:(?<={_ENDING}{sign})(?<!{_SEAM}{sign})|(?<={_ENDING}{_SEAM}{sign}))"


def _space_after(*words: str) -> str:
    """Match the space after one of these words."""
    return "(?:" + "|".join(rf"(?<=(?<!\w){word} )" for word in words) + ")"


_EVERYWHERE = (
    _rule(".", r"\.(?<!\.\.)\.\.(?!\.)", "…"),
    _rule("'", r"'(?<=[^\W\d_]')(?=[\w«“])", "’"),
)

# Each pattern starts with the character that is rarest and looks around from there: one that
# starts with a look-behind is tried at every position, which is ten times as slow.
_FRENCH = (
    # The space before a sign that has one already.
    _rule(
        "!?;", rf"{_spaces_before('!?;')}(?!{_SMILEY})(?=[!?]++(?!{_GLUED})|;(?!;|{_GLUED}))", NNBSP
    ),
    _rule(":", rf"{_spaces_before(':')}(?!{_SMILEY})(?=:(?![:/]|{_GLUED}))"),
    # The space that a word's end lacks: never in 10:30, a::b, (?), ?x= or mot:-).
    _rule("!?", rf"{_touching('[!?]')}[!?]*+(?=[\s)\]»”’\"…,{_SEAM}]|$)", rf"{NNBSP}\g<0>"),
    _rule(";", rf"{_touching(';')}(?={_SEAM}?(?:[\s»]|$))", rf"{NNBSP}\g<0>"),
    _rule(":", rf"{_touching(':')}(?={_SEAM}?(?:[\s»]|$))", rf"{NBSP}\g<0>"),
    # Inside « ».
    _rule("«", rf"«{_SPACE}*+(?=[^\s»])(?!{_SEAM}\s)", f"«{NBSP}"),
    _rule("»", _spaces_before("»")),
    _rule("»", rf"»(?:(?<=[^\s«{_SEAM}]»)|(?<=[^\s«]{_SEAM}»))", f"{NBSP}»"),
    # Where a line must not break.
    _rule(_DIGITS, rf" (?<=[0-9] )(?=(?:{_UNIT})(?![\w'’])|(?:{_MONTH})(?!\w))"),
    _rule(_DIGITS, rf" (?=[0-5][0-9](?!\w))(?<=[0-9]{_SPACE}[hH] )"),
    _rule(_DIGITS, r" (?=[0-9])" + _space_after(*_COUNTERS)),
    _rule("1", rf" (?=(?:{_MONTH})(?!\w))" + _space_after("1er")),
    _rule(
        "IVXL" + _DIGITS, r" (?=siècles?(?!\w)|République(?!\w)|arrondissements?(?!\w))" + _ORDINAL
    ),
    _rule("MD", r" (?=[A-ZÀ-ÖØ-Þ])" + _space_after(*_TITLES)),
)

_FRENCH_RULES = _EVERYWHERE + _FRENCH

# Thousands somebody grouped already. Not part of a longer run of digits, which would be a
# telephone, SIRET or account number: nothing before, nothing after, and no zero in front.
_GROUPED = re.compile(
    rf"[1-9](?<![0-9.,+][1-9])(?<![0-9]{_SPACE}[1-9])[0-9]{{0,2}}(?:{_SPACE}[0-9]{{3}})++"
    rf"(?!{_SPACE}?[0-9])"
)


@lru_cache(maxsize=4096)  # headings, names and labels come back in each flavour
def typeset(text: str, *, language: str) -> str:
    r"""Set a plain text as a printer of its language would.

    >>> typeset("C'est vrai ?", language="fr")
    'C’est vrai\u202f?'
    """
    text, kept = _set_aside(text)
    characters = set(text)
    rules = _FRENCH_RULES if language.lower().startswith("fr") else _EVERYWHERE
    for rule in rules:
        if not rule.needles.isdisjoint(characters):
            text = rule.pattern.sub(rule.replacement, text)
    if rules is _FRENCH_RULES:
        text = _GROUPED.sub(_hold_together, text)
    return _put_back(text, kept)


def typeset_run(pieces: Sequence[str | None], *, language: str) -> list[str | None]:
    r"""Typeset pieces of one sentence that mark-up cuts; `None` stands for what is not text.

    >>> typeset_run(["«", "Le Monde", "»"], language="fr")
    ['«\xa0', 'Le Monde', '\xa0»']
    """
    shown = [index for index, piece in enumerate(pieces) if piece != ""]
    texts = [_KEPT if (piece := pieces[index]) is None else piece for index in shown]
    if not texts:
        return list(pieces)
    if any(_SEAM in text for text in texts):  # somebody does write that letter
        return [p if p is None else typeset(p, language=language) for p in pieces]
    result = list(pieces)
    together = typeset(_SEAM.join(texts), language=language).split(_SEAM)
    for index, text in zip(shown, together, strict=True):
        result[index] = None if pieces[index] is None else text
    return result


def _set_aside(text: str) -> tuple[str, Iterator[str]]:
    """Swap each address for a stand-in, so that no rule has to know what an address is."""
    if _ADDRESS_SIGN.search(text) is None:
        return text, iter(())
    kept: list[str] = []

    def swap(match: re.Match[str]) -> str:
        kept.append(match[0])
        return _KEPT

    text = _SIGNED_WORD.sub(lambda word: _ADDRESS.sub(swap, word[0]), text)
    return text, iter(kept)


def _put_back(text: str, kept: Iterator[str]) -> str:
    if _KEPT not in text:
        return text
    first, *others = text.split(_KEPT)
    return first + "".join(next(kept) + other for other in others)


def _hold_together(match: re.Match[str]) -> str:
    return re.sub(_SPACE, NNBSP, match[0])
