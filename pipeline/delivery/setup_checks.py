"""Whether this workspace can send: settings, secrets, outbox, server and clock, before the DNS.

Nothing leaves the machine but a greeting to the SMTP server. Secrets are looked at, never shown.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.audience.address import normalise_address
from pipeline.audience.secret import SECRET
from pipeline.delivery.connection import end_connection, open_connection, verify_with
from pipeline.delivery.findings import Finding, bad, failed, fine, warn
from pipeline.delivery.mailing import secret_of
from pipeline.delivery.providers import open_provider
from pipeline.delivery.sendgrid_events import WEBHOOK_KEY
from pipeline.errors import InfolettreError, InputError
from pipeline.settings import OUTBOX, Settings
from pipeline.words import mark

_YEARS: Final = range(2025, 2100)


def check_setup(
    settings: Settings,
    *,
    provider: str,
    root: Path,
    environ: Mapping[str, str],
    now: datetime,
) -> Iterator[Finding]:
    """Yield what is found, each as it is known, for sending by ``provider``."""
    yield check_clock(now)
    yield from check_settings(settings, provider=provider)
    yield check_secret(environ, provider=provider)
    opened = check_provider(settings, provider=provider, root=root, environ=environ)
    yield opened
    if provider == OUTBOX:
        yield check_outbox(root / settings.outbox.path)
    elif provider == "smtp":
        yield check_server(settings, root=root)
    elif provider == "sendgrid":
        yield check_webhook(environ)


def check_clock(now: datetime) -> Finding:
    """Judge the year alone: the seconds are NTP's."""
    if now.year in _YEARS:
        return fine(
            "clock", mark("this machine's clock says {now}"), now=f"{now:%Y-%m-%d %H:%M} UTC"
        )
    return bad(
        "clock",
        mark("this machine's clock says that it is the year {year}"),
        mark("set it, or let NTP do so: dates and signatures of mail would be wrong"),
        year=now.year,
    )


def check_settings(settings: Settings, *, provider: str) -> Iterator[Finding]:
    """Yield what a letter needs to say of its sender (T17), and to be left by one click (T5)."""
    yield from _senders(settings)
    organisation = settings.organisation
    missing = [name for name in ("name", "address", "contact") if not getattr(organisation, name)]
    if missing:
        yield warn(
            "settings",
            mark("the footer does not say all of who sends: {settings}"),
            mark("fill in {settings}"),
            settings=", ".join(f"organisation.{name}" for name in missing),
        )
    if not settings.site.url.startswith("https://") and provider != OUTBOX:
        yield bad(
            "settings",
            mark("“site.url” is not an https address: readers cannot leave by one click"),
            mark("set “site.url” to the address where the letter's site is served"),
        )
    if provider == "smtp" and settings.smtp.security == "none" and not _is_here(settings.smtp.host):
        yield warn(
            "settings",
            mark("letters go to {place} unprotected"),
            mark("set “smtp.security” to starttls or tls"),
            place=settings.smtp.host,
        )


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _senders(settings: Settings) -> Iterator[Finding]:
    if not settings.senders:
        what = mark("no sender is set, so no letter can be sent")
        yield bad("settings", what, mark("add one to infolettre.toml: [senders.redaction]"))
    for name, sender in settings.senders.items():
        try:
            for address in (sender.email, sender.reply_to):
                if address:
                    normalise_address(address)
        except InputError as error:
            yield failed("settings", mark("a sender's address is wrong"), error)
        else:
            what = mark("sender “{sender}”: {address}")
            yield fine("settings", what, sender=name, address=sender.email)


def sender_domains(settings: Settings) -> list[str]:
    """Return the domains that stand in From, each once; a wrong address has none."""
    domains = []
    for sender in settings.senders.values():
        try:
            domains.append(normalise_address(sender.email).domain)
        except InputError:  # check_settings tells it
            continue
    return list(dict.fromkeys(domains))


def check_secret(environ: Mapping[str, str], *, provider: str) -> Finding:
    """Say whether links to leave can be signed."""
    try:
        secret_of(environ, provider=provider)
    except InputError as error:
        return failed("secret", mark("links to unsubscribe cannot be signed"), error)
    if not environ.get(SECRET):
        return warn(
            "secret",
            mark("{variable} is not set: the outbox does without, no other provider will"),
            mark("put 32 random characters there before you send for real, and keep them"),
            variable=SECRET,
        )
    return fine("secret", mark("{variable} is set"), variable=SECRET)


def check_provider(
    settings: Settings, *, provider: str, root: Path, environ: Mapping[str, str]
) -> Finding:
    """Open the provider, which reads its credentials, and close it again."""
    try:
        open_provider(provider, settings=settings, root=root, environ=environ).close()
    except InfolettreError as error:
        return failed("provider", mark("the provider cannot be used as it is set up"), error)
    return fine("provider", mark("{provider} has what it needs"), provider=provider)


def check_outbox(folder: Path) -> Finding:
    """Write a file to the outbox, and take it away again."""
    try:
        with tempfile.TemporaryFile(dir=folder / "tmp") as file:
            file.write(b"infolettre doctor")
    except OSError as error:
        return bad(
            "outbox",
            mark("the outbox {folder} cannot be written ({reason})"),
            mark("give yourself the right to write there, or set “outbox.path”"),
            folder=folder,
            reason=error.strerror or str(error),
        )
    return fine("outbox", mark("the outbox {folder} can be written"), folder=folder)


def check_webhook(environ: Mapping[str, str]) -> Finding:
    """Say whether SendGrid's events can be believed; without them nobody hears of a bounce."""
    from pipeline.delivery.signature import read_key

    if not (key := environ.get(WEBHOOK_KEY, "").strip()):
        return warn(
            "webhook",
            mark("{variable} is not set: bounces and complaints will not be heard of"),
            mark("sign the Event Webhook at SendGrid, and put its verification key there"),
            variable=WEBHOOK_KEY,
        )
    try:
        read_key(key, variable=WEBHOOK_KEY)
    except InputError as error:
        return failed("webhook", mark("SendGrid's events cannot be checked"), error)
    return fine("webhook", mark("{variable} is set"), variable=WEBHOOK_KEY)


def check_server(settings: Settings, *, root: Path) -> Finding:
    """Greet the SMTP server over TLS as it will be; no password is sent."""
    smtp = replace(settings.smtp, username="")
    place = f"{smtp.host}:{smtp.port}"
    try:
        end_connection(open_connection(smtp, password="", context=verify_with(smtp, root)))
    except InfolettreError as error:
        return failed("smtp", mark("the SMTP server cannot be used"), error)
    return fine("smtp", mark("{place} answers"), place=place)
