"""One cell of a list: a date, a language, a name, a state, yes or no, as exports spell them.

Which column is which is for ``formats`` to say.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from pipeline.audience.people import MAX_NAME, plain_heading
from pipeline.audience.states import State
from pipeline.errors import InputError
from pipeline.words import mark

MAX_SEGMENT: Final = 200  # characters
_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_LANGUAGES: Final = {"francais": "fr", "french": "fr", "anglais": "en", "english": "en"}
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?\b.*"
)
_DAY_FIRST: Final = re.compile(r"(\d\d?)[/.-](\d\d?)[/.-](\d{4})(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?")
_FORMULA: Final = re.compile(r"'*[=+@\t-]")
_CONTROL: Final = mark("a cell holds a control character or one that cannot be read: remove it")
_STATES: Final[dict[str, State]] = {
    **dict.fromkeys(
        "active enabled subscribed confirmed abonne abonnee inscrit inscrite actif".split(),
        State.ACTIVE,
    ),
    **dict.fromkeys("pending unconfirmed enattente".split(), State.PENDING),
    **dict.fromkeys(
        "unsubscribed disabled blocklisted blacklisted desabonne desabonnee desinscrit desinscrite"
        " inactive inactif".split(),
        State.UNSUBSCRIBED,
    ),
    **dict.fromkeys("bounced cleaned hardbounce hardbounced".split(), State.BOUNCED),
    **dict.fromkeys("complained complaint spam abuse".split(), State.COMPLAINED),
}
_YES: Final = frozenset("yes true oui vrai y t".split())
_NO: Final = frozenset("no false non faux n f".split())


def guard_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(text: str) -> str:
    """Return what :func:`guard_cell` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def read_moment(text: str) -> datetime | None:
    """Return a date in one of the spellings of exports, UTC where it names no zone, else None.

    >>> read_moment("24/11/2021 08:30").isoformat()
    '2021-11-24T08:30:00+00:00'
    """
    if not text:
        return None
    if found := _MOMENT.fullmatch(text):
        year, month, day, hour, minute, second, zone = found.groups()
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, hour, minute, second = found.groups()
        zone = None
    else:
        return None
    date = f"{year}-{int(month):02}-{int(day):02}"
    try:
        moment = datetime.fromisoformat(f"{date}T{hour or '00'}:{minute or '00'}:{second or '00'}")
        return moment.replace(tzinfo=_zone(zone)).astimezone(UTC) if moment.year > 1970 else None
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if not text or text == "Z":
        return UTC
    digits = text.replace(":", "")
    sign = -1 if digits[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5])))


def clean_name(text: str) -> str:
    """Return a name on one line. Raises InputError where it is none."""
    name = " ".join(text.split())
    if len(name) > MAX_NAME:
        raise InputError(mark("a name has more than {most} characters"), most=MAX_NAME)
    if _UNFIT.search(name):
        raise InputError(_CONTROL)
    return name


def clean_segment(text: str) -> str:
    """Return a segment's name without what parts them in a list."""
    return " ".join(re.sub(r"[|,;\"]", " ", text).split())[:MAX_SEGMENT]


def attribute_name(heading: str) -> str:
    """Return a heading as the name of an attribute: ``Code postal`` is ``code_postal``."""
    bare = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "_", bare.lower()).strip("_")[:80]


@lru_cache(maxsize=256)
def read_language(text: str) -> str:
    """Return a language as ``fr`` or ``fr-CA``; nothing where it is none."""
    text = _LANGUAGES.get(plain_heading(text), text).replace("_", "-")
    if not _LANGUAGE.fullmatch(text):
        return ""
    head, _, rest = text.partition("-")
    return f"{head.lower()}-{rest.upper()}" if rest else head.lower()


def state_of(word: str) -> State:
    """Return the state that a word of an export means. Raises InputError where it is none."""
    try:
        return _STATES[plain_heading(word)]
    except KeyError:
        raise InputError(
            mark("“{found}” is not a state: expected {expected}"),
            found=word[:80],
            expected="active, pending, unsubscribed, bounced, complained",
        ) from None


def is_yes(text: str) -> bool:
    """Say whether a cell means yes. Raises InputError where it could mean either."""
    word = text.lower()
    if word in _YES or (word.isdigit() and int(word)):
        return True
    if not word or word in _NO or word.isdigit():
        return False
    raise InputError(
        mark("“{found}” is neither yes nor no: expected {expected}"),
        found=text[:80],
        expected="yes, no, true, false, 1, 0",
    )


def json_attributes(text: str) -> dict[str, str]:
    """Return what a JSON object holds, each value as text. Raises InputError where it is none."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(
            mark("the attributes are not a JSON object: expected one such as {example}"),
            example='{"ville": "Amiens"}',
        )
    told = {name: _told(value) for name, value in found.items() if value is not None}
    if _UNFIT.search("".join((*told, *told.values()))):
        raise InputError(_CONTROL)
    return told


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
