"""What rules look for, compiled: words and phrases, and regular expressions.

Values only. Words are met whatever their case and accents; patterns read the text as it stands.
"""

import math
import re
import unicodedata
import warnings
from typing import Any, Final

import regex

from pipeline.veille.plain import fold

MAX_PATTERN: Final = 2_000  # characters
# regex writes out a{100}{100}{100} when it compiles: a million copies took 0.6 s, more take memory
_MAX_COPIES: Final = 1_000_000
_COUNT: Final = re.compile(r"\{(\d{2,})")
_FLAGS: Final = regex.IGNORECASE | regex.MULTILINE


def fold_words(text: str) -> str:
    """Return ``text`` for comparing words: no case, accents, ligatures or curly apostrophes.

    >>> fold_words("L’Œuvre d’Été")
    "l'oeuvre d'ete"
    """
    text = fold(text)
    if text.isascii():
        return text
    return text.replace("’", "'").replace("œ", "oe").replace("æ", "ae")


def compile_word(word: str) -> tuple[str, re.Pattern[str]]:
    """Compile a folded word or phrase; ``*`` goes on to the end of a word.

    Returned before the pattern is a part that a text has to hold: looking for it first is many
    times faster. A pattern that begins with plain letters is, too: re leaps to them.
    """
    parts = word.split()
    first = re.escape(parts[0].removesuffix("*"))
    before = rf"(?<!\w{first})" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    rest = "".join(" +" + re.escape(part.removesuffix("*")) + _rest(part) for part in parts[1:])
    stem = max((part.removesuffix("*") for part in parts), key=len)
    return stem, re.compile(first + before + _rest(parts[0]) + rest + after)


def _rest(part: str) -> str:
    return r"\w*" if part.endswith("*") else ""


def compile_pattern(pattern: str) -> Any:
    """Compile a pattern: any case, ``^`` and ``$`` at the borders of each field.

    Raises regex.error, RecursionError (brackets in brackets) and OverflowError (too large).
    """
    copies = math.prod(int(found) for found in _COUNT.findall(pattern)[:50])
    if len(pattern) > MAX_PATTERN or copies > _MAX_COPIES:
        raise OverflowError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a later version might read otherwise
        return regex.compile(unicodedata.normalize("NFC", pattern), _FLAGS, cache_pattern=False)
