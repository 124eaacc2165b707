"""``doctor``: what keeps letters from arriving, each with what to do."""

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipeline.cli.speech import language, show, show_json, tell, tell_count
from pipeline.delivery.dns_checks import (
    Dkim,
    UnreachableDns,
    check_reverse,
    check_sender,
    open_resolver,
)
from pipeline.delivery.findings import Finding, Level, fine, warn
from pipeline.delivery.setup_checks import check_setup, sender_domains
from pipeline.delivery.store_checks import check_store
from pipeline.errors import InputError
from pipeline.settings import OUTBOX, Settings
from pipeline.words import mark
from pipeline.workspace import Workspace, find_workspace

_SIGNS: Final = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.BAD: ("✗", "red")}


@click.command(
    "doctor",
    help=tell("Check that letters can arrive. Settings, secrets, database, server and DNS."),
)
@click.option("--provider", "provider_name", help=tell("outbox, smtp or sendgrid."))
@click.option("--dns", "server", help=tell("Ask this DNS server: 192.0.2.1 or with :port."))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the findings for a script."))
def doctor_command(provider_name: str | None, server: str | None, as_json: bool) -> None:
    workspace = find_workspace(Path.cwd())
    provider = provider_name or workspace.settings.delivery.provider
    findings = []
    for finding in _examine(workspace, provider=provider, server=server or ""):
        findings.append(finding)
        if not as_json:
            _show(finding)
    levels = Counter(finding.level for finding in findings)
    if as_json:
        show_json([_as_json(finding) for finding in findings])
    else:
        show()
        show(_sum_up(faults=levels[Level.BAD], remarks=levels[Level.WARN]))
    if levels[Level.BAD]:
        raise SystemExit(1)


def _examine(workspace: Workspace, *, provider: str, server: str) -> Iterator[Finding]:
    yield from check_setup(
        workspace.settings,
        provider=provider,
        root=workspace.root,
        environ=os.environ,
        now=datetime.now(UTC),
    )
    yield from check_store(
        workspace.settings.database.url, root=workspace.root, clock=lambda: datetime.now(UTC)
    )
    if provider == OUTBOX:  # nothing leaves this machine
        yield fine("DNS", mark("mail stays in the outbox, so the DNS was not asked (--provider)"))
        return
    try:
        yield from _ask_dns(workspace.settings, provider=provider, server=server)
    except UnreachableDns as error:
        yield warn(
            "DNS",
            mark("no DNS server answers ({reason}): SPF, DKIM and DMARC were not looked at"),
            mark("try again online, or name a server with --dns"),
            reason=error,
        )


def _ask_dns(settings: Settings, *, provider: str, server: str) -> Iterator[Finding]:
    try:
        resolver = open_resolver(server)
    except ValueError:
        message = mark("“{server}” is no DNS server: expected an address such as 192.0.2.1")
        raise InputError(message, server=server) from None
    own = settings.dkim
    dkim = None
    if own.selector and own.domain:
        dkim = Dkim(selector=own.selector, domain=own.domain, second_selector=own.second_selector)
    for domain in sender_domains(settings):
        yield from check_sender(domain, resolver=resolver, dkim=dkim)
    if provider == "smtp":
        yield from check_reverse(settings.smtp.host, resolver=resolver)


def _show(finding: Finding) -> None:
    sign, colour = _SIGNS[finding.level]
    show(_hang(click.style(sign, fg=colour), finding.say_what(language()), margin=2))
    if finding.do:
        show(_hang("  →", finding.say_do(language()), margin=4))


def _hang(sign: str, text: str, *, margin: int) -> str:
    """Return ``text`` after its sign; on a terminal no line begins below the sign."""
    if not sys.stdout.isatty():
        return f"{sign} {text}"
    width = max(40, shutil.get_terminal_size().columns) - margin
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"{sign} " + f"\n{' ' * margin}".join(lines)


def _sum_up(*, faults: int, remarks: int) -> str:
    if faults:
        return tell_count(
            "{count} fault keeps letters from arriving.",
            "{count} faults keep letters from arriving.",
            faults,
        )
    if remarks:
        return tell_count("No fault, {count} remark.", "No fault, {count} remarks.", remarks)
    return tell("All is in order.")


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level.value,
        "about": finding.about,
        "what": finding.say_what(language()),
        "do": finding.say_do(language()),
    }
