"""``doctor``: what keeps letters from arriving, each with what to do."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipeline.cli.speech import language, show, show_json, tell
from pipeline.delivery.dns_checks import (
    Dkim,
    UnreachableDns,
    check_reverse,
    check_sender,
    open_resolver,
)
from pipeline.delivery.findings import Finding, Level, fine, warn
from pipeline.delivery.setup_checks import check_setup, sender_domains
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.words import mark
from pipeline.workspace import Workspace, find_workspace

_SIGNS: Final = {Level.OK: ("✓", "green"), Level.WARN: ("!", "yellow"), Level.BAD: ("✗", "red")}


@click.command(
    "doctor", help=tell("Check that letters can arrive. Settings, secrets, server and DNS.")
)
@click.option("--provider", "provider_name", help=tell("outbox, smtp or sendgrid."))
@click.option(
    "--dns", "server", default="", help=tell("Ask this DNS server: 192.0.2.1 or with :port.")
)
@click.option("--json", "as_json", is_flag=True, help=tell("Print the findings for a script."))
def doctor_command(provider_name: str | None, server: str, as_json: bool) -> None:
    workspace = find_workspace(Path.cwd())
    provider = provider_name or workspace.settings.delivery.provider
    grave = 0
    findings = []
    for finding in _examine(workspace, provider=provider, server=server):
        grave += finding.level is Level.BAD
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        show_json([_as_json(finding) for finding in findings])
    if grave:
        raise SystemExit(1)


def _examine(workspace: Workspace, *, provider: str, server: str) -> Iterator[Finding]:
    yield from check_setup(
        workspace.settings,
        provider=provider,
        root=workspace.root,
        environ=os.environ,
        now=datetime.now(UTC),
    )
    if provider == "outbox":  # nothing leaves this machine
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
    dkim = Dkim(selector=own.selector, domain=own.domain) if own.selector and own.domain else None
    for domain in sender_domains(settings):
        yield from check_sender(domain, resolver=resolver, dkim=dkim)
    if provider == "smtp":
        yield from check_reverse(settings.smtp.host, resolver=resolver)


def _show(finding: Finding) -> None:
    sign, colour = _SIGNS[finding.level]
    show(f"{click.style(sign, fg=colour)} {finding.say_what(language())}")
    if finding.do:
        show(f"  → {finding.say_do(language())}")


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level.value,
        "about": finding.about,
        "what": finding.say_what(language()),
        "do": finding.say_do(language()),
    }
