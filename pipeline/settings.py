"""The settings of a workspace: ``infolettre.toml``, then ``INFOLETTRE_<SECTION>__<NAME>``.

The dataclasses below are the whole list. No secret lives here: secrets are read from the
environment by the provider that needs them, and are never printed.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from types import GenericAlias
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from pipeline.errors import Mistake, SettingsError
from pipeline.words import mark

ENV_PREFIX: Final = "INFOLETTRE_"
_COLOUR: Final = re.compile("#[0-9a-fA-F]{6}")
#: Seconds between two messages to a domain, at most: slower, a letter would take weeks.
MAX_PAUSE: Final = 1_000
#: The provider with which nothing leaves the machine: what is sent by it is a rehearsal.
OUTBOX: Final = "outbox"
_FONTS: Final = re.compile(r"[\w ,-]+")  # names of several words need no quotes in CSS


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsletter and its public address."""

    name: str = "Infolettre"
    description: str = ""
    url: str = ""
    language: str = "fr"
    timezone: str = "Europe/Paris"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who sends: printed in the footer of each mail and on the archive (T17)."""

    name: str = ""
    address: str = ""
    contact: str = ""
    legal_url: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One profile that a letter's ``sender`` names."""

    name: str
    email: str
    reply_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of one scheme, as ``#rrggbb``."""

    background: str
    surface: str
    ink: str
    muted: str
    accent: str
    on_accent: str
    link: str
    rule: str
    tint: str


LIGHT: Final = Palette(
    background="#f4efe6",
    surface="#ffffff",
    ink="#1d2433",
    muted="#5b6270",
    accent="#b5442c",
    on_accent="#ffffff",
    link="#17616a",
    rule="#e3dccf",
    tint="#fbf6ee",
)
DARK: Final = Palette(
    background="#12151c",
    surface="#1b202a",
    ink="#ece7dd",
    muted="#a9afbb",
    accent="#f0937c",
    on_accent="#1b1210",
    link="#7fd0d8",
    rule="#343b49",
    tint="#232a36",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """How the letter looks: fonts, logo, radius in pixels, and two palettes."""

    font_body: str = "Georgia, Times New Roman, serif"
    font_heading: str = "Avenir Next, Segoe UI, Arial, sans-serif"
    logo: str = ""
    logo_width: int = 56
    radius: int = 10
    light: Palette = LIGHT
    dark: Palette = DARK


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """``linked`` images live on the site; ``embedded`` ones travel in the mail."""

    images: Literal["linked", "embedded"] = "linked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where people and deliveries are: SQLite relative to the workspace, or postgresql://…

    An address with a password belongs into INFOLETTRE_DATABASE__URL.
    """

    url: str = "sqlite:///var/infolettre.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a letter leaves: the provider, the recipients of a batch, the pace, who has to agree.

    ``rate`` is in messages a second, for all workers together; 0 sets no limit. ``grace`` is in
    minutes.
    """

    provider: str = OUTBOX
    list_id: str = ""
    batch: int = 2000
    rate: float = 0.0
    require_approval: bool = False
    grace: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What one domain of recipients takes, in messages a second."""

    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounces:
    """Where mail that could not be delivered comes back, and where we read it.

    ``address`` is the envelope sender: a ``+`` and a signed token are put into it. It is read
    from ``maildir``, relative to the workspace, or by IMAP; the password is
    INFOLETTRE_IMAP_PASSWORD.
    """

    address: str = ""
    maildir: str = ""
    imap_host: str = ""
    imap_port: int = 993
    imap_username: str = ""
    imap_folder: str = "INBOX"
    soft_limit: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """How one subscribes: the text that is agreed to, and who sends the mail that confirms.

    A request that is not confirmed is erased after ``confirm_days``.
    """

    wording: str = ""
    wording_version: str = ""
    sender: str = ""
    confirm_days: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """The Maildir that takes the place of a provider, relative to the workspace."""

    path: str = "var/outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A server to hand mail to; the password is INFOLETTRE_SMTP_PASSWORD."""

    host: str = "localhost"
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    timeout: float = 30.0
    connections: int = 4
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dkim:
    """Signatures of our own, for a server that does not sign; empty, there are none.

    The private key is INFOLETTRE_DKIM_KEY (PEM), or the file named by INFOLETTRE_DKIM_KEY_FILE.
    With ``second_selector`` each message is signed by a second key as well, so that one is of RSA
    and one of Ed25519: INFOLETTRE_DKIM_SECOND_KEY, or INFOLETTRE_DKIM_SECOND_KEY_FILE.
    """

    domain: str = ""
    selector: str = ""
    second_selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendgrid:
    """SendGrid's web API; the key is INFOLETTRE_SENDGRID_API_KEY."""

    host: str = "https://api.sendgrid.com"
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Veille:
    """How feeds are fetched, and for how long what they bring is kept.

    ``allow_private`` lists networks such as ``10.0.0.0/8``. A feed is due again after ``interval``
    minutes; two requests to one host are ``spacing`` seconds apart. What nobody kept is erased
    after ``keep_days``.
    """

    interval: int = 60
    spacing: float = 1.0
    timeout: float = 20.0
    max_bytes: int = 10_000_000
    concurrency: int = 20
    keep_days: int = 180
    allow_private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do by itself with an entry that says one of ``words``, or fits ``pattern``.

    ``where`` names what is read. Without ``watchlists`` a rule is for all of them; where it is not
    ``everywhere``, only for the feeds that name it.
    """

    do: Literal["tag", "keep", "discard"]
    words: tuple[str, ...] = ()
    pattern: str = ""
    where: Literal["anywhere", "title", "body", "author", "source"] = "anywhere"
    tag: str = ""
    watchlists: tuple[str, ...] = ()
    everywhere: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that ``infolettre.toml`` may say; ``senders`` is a table of profiles,
    ``domains`` one of the domains that take no more than so much, ``rules`` those of the veille."""

    language: Literal["fr", "en"] = "fr"
    site: Site = field(default_factory=Site)
    organisation: Organisation = field(default_factory=Organisation)
    senders: dict[str, Sender] = field(default_factory=dict)
    theme: Theme = field(default_factory=Theme)
    render: Render = field(default_factory=Render)
    database: Database = field(default_factory=Database)
    delivery: Delivery = field(default_factory=Delivery)
    domains: dict[str, Domain] = field(default_factory=dict)
    bounces: Bounces = field(default_factory=Bounces)
    subscription: Subscription = field(default_factory=Subscription)
    outbox: Outbox = field(default_factory=Outbox)
    smtp: Smtp = field(default_factory=Smtp)
    dkim: Dkim = field(default_factory=Dkim)
    sendgrid: Sendgrid = field(default_factory=Sendgrid)
    veille: Veille = field(default_factory=Veille)
    rules: dict[str, Rule] = field(default_factory=dict)


def parse_settings(toml: str, *, path: str, environ: Mapping[str, str]) -> Settings:
    """Read ``toml`` and the ``INFOLETTRE_<SECTION>__<NAME>`` variables over it.

    Raises :class:`SettingsError` with every mistake, each with its line or its variable.
    """
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax_mistake(str(error), path)]) from None
    reader = _Reader(path=path, toml=toml)
    reader.overlay(table, environ)
    settings: Settings = reader.build(Settings, table, keys=())
    reader.check_theme(settings.theme)
    reader.check_delivery(settings)
    if reader.mistakes:
        raise SettingsError(reader.mistakes)
    return settings


def _syntax_mistake(sentence: str, path: str) -> Mistake:
    found = re.search(r"\(at line (\d+), column (\d+)\)", sentence)
    line, column = (int(found[1]), int(found[2])) if found else (1, 1)
    return Mistake(
        path=path,
        line=line,
        column=column,
        message=mark("this is not TOML: {reason}"),
        facts={"reason": sentence.partition(" (at ")[0]},
    )


class _Reader:
    """Builds the dataclasses from a table and keeps every mistake that it meets."""

    def __init__(self, *, path: str, toml: str) -> None:
        self.path = path
        self.lines = toml.splitlines()
        self.mistakes: list[Mistake] = []
        self.variables: dict[tuple[str, ...], str] = {}

    def overlay(self, table: dict[str, Any], environ: Mapping[str, str]) -> None:
        """Lay each ``INFOLETTRE_A__B`` over ``table``, remembering whence a value came."""
        for name, text in sorted(environ.items()):
            if not name.startswith(ENV_PREFIX) or "__" not in name:
                continue
            keys = tuple(name.removeprefix(ENV_PREFIX).lower().split("__"))
            place: Any = table
            for key in keys[:-1]:
                place = place.setdefault(key, {}) if isinstance(place, dict) else {}
            if isinstance(place, dict):
                place[keys[-1]] = text
                self.variables[keys] = name

    def build(self, kind: type[Any], table: object, *, keys: tuple[str, ...]) -> Any:
        """Return a ``kind``; where the table is at fault, its defaults and a mistake."""
        if not isinstance(table, dict):
            self.fault(keys, mark("expected a table of settings, found {found}"), found=table)
            table = {}
        hints = get_type_hints(kind)
        known = {one.name: one for one in fields(kind)}
        for key in table.keys() - known.keys():
            near = difflib.get_close_matches(key, known, n=1)
            self.fault(
                (*keys, key),
                mark("unknown setting “{name}”; known here: {known}"),
                name=".".join((*keys, key)),
                known=near[0] if near else ", ".join(known),
            )
        values = {}
        for name, one in known.items():
            if name in table:
                base = one.default if one.default is not MISSING else None
                value = self.value(hints[name], table[name], keys=(*keys, name), base=base)
                if value is not None:
                    values[name] = value
            elif one.default is MISSING and one.default_factory is MISSING:
                self.fault(keys, mark("the setting “{name}” is missing"), name=name)
                values[name] = ""
        return kind(**values)

    def value(self, hint: Any, found: Any, *, keys: tuple[str, ...], base: Any) -> Any:
        """Return ``found`` as ``hint`` wants it, or None after noting the mistake."""
        if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
            if base is not None and isinstance(found, dict):  # a palette may name a few colours
                found = {one.name: getattr(base, one.name) for one in fields(hint)} | found
            return self.build(hint, found, keys=keys)
        if get_origin(hint) is dict:
            inner = get_args(hint)[1]
            if not isinstance(found, dict):
                self.fault(keys, mark("expected a table of settings, found {found}"), found=found)
                found = {}
            return {key: self.build(inner, one, keys=(*keys, key)) for key, one in found.items()}
        value = _convert(hint, found, from_text=keys in self.variables)
        if value is None:
            message = mark("“{name}” should be {expected}, found {found}")
            self.fault(
                keys, message, name=".".join(keys), expected=_expected(hint), found=repr(found)
            )
        return value

    def check_theme(self, theme: Theme) -> None:
        """Note what would break a style sheet: colours and fonts end up in CSS as they are."""
        for scheme in ("light", "dark"):
            for name, colour in asdict(getattr(theme, scheme)).items():
                if not _COLOUR.fullmatch(colour):
                    message = mark("“{found}” is not a colour: write it as #1d2433")
                    self.fault(("theme", scheme, name), message, found=colour)
        for name in ("font_body", "font_heading"):
            if not _FONTS.fullmatch(getattr(theme, name)):
                message = mark("“{found}” is not a list of fonts: write it as Georgia, serif")
                self.fault(("theme", name), message, found=getattr(theme, name))

    def check_delivery(self, settings: Settings) -> None:
        """Note what no sending could keep to: no recipients at a time, less than no message."""
        least: dict[tuple[str, ...], tuple[float, float]] = {
            ("delivery", "batch"): (settings.delivery.batch, 1),
            ("delivery", "rate"): (settings.delivery.rate, 0),
            ("delivery", "grace"): (settings.delivery.grace, 0),
            ("bounces", "soft_limit"): (settings.bounces.soft_limit, 1),
            ("subscription", "confirm_days"): (settings.subscription.confirm_days, 1),
        }
        for name, domain in settings.domains.items():
            if isinstance(domain.rate, float):  # else its own mistake is noted already
                least["domains", name, "rate"] = (domain.rate, 1 / MAX_PAUSE)
        for keys, (found, expected) in least.items():
            if found < expected:
                message = mark("“{name}” is {found}: expected {expected} or more")
                self.fault(keys, message, name=".".join(keys), found=found, expected=expected)

    def fault(self, keys: tuple[str, ...], message: str, **facts: object) -> None:
        variable = self.variables.get(keys)
        self.mistakes.append(
            Mistake(
                path=variable or self.path,
                line=0 if variable else self.line_of(keys),
                column=0 if variable else 1,
                message=message,
                facts=facts,
            )
        )

    def line_of(self, keys: tuple[str, ...]) -> int:
        """Return the 1-based line where ``keys`` is set, else that of its table, else 1."""
        section, best = "", 1
        for number, line in enumerate(self.lines, 1):
            if head := re.match(r"\s*\[([^\[\]]+)\]", line):
                section = head[1].strip()
                if keys and section == ".".join(keys[: section.count(".") + 1]):
                    best = number
            elif keys and (key := re.match(r"\s*([\w-]+)\s*=", line)):
                path = (*section.split("."), key[1]) if section else (key[1],)
                if path == keys[: len(path)]:
                    return number
        return best


def _convert(hint: Any, found: Any, *, from_text: bool) -> Any:
    """Return ``found`` if it fits ``hint``; a variable's text is read as the hint wants."""
    origin = get_origin(hint)
    if origin is Literal:
        return found if found in get_args(hint) else None
    if origin is tuple:
        if from_text:
            found = [part.strip() for part in found.split(",") if part.strip()]
        fits = isinstance(found, list) and all(isinstance(one, str) for one in found)
        return tuple(found) if fits else None
    if from_text and hint is not str:
        try:
            found = json.loads(found)
        except ValueError:
            return None
    if hint is float and isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    return found if type(found) is hint else None


def _expected(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    if isinstance(hint, GenericAlias):
        return "a list of texts"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true | false"}[hint]


def setting_names(kind: type[Any] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield every setting as ``section.name``, for the docs and their test."""
    for name, hint in get_type_hints(kind).items():
        if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
            yield from setting_names(hint, f"{prefix}{name}.")
        elif get_origin(hint) is dict:
            yield from setting_names(get_args(hint)[1], f"{prefix}{name}.<name>.")
        else:
            yield prefix + name
