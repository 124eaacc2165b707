"""Whether a workspace can send: each fault is found before a letter leaves."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.delivery.findings import Finding, Level
from pipeline.delivery.setup_checks import (
    check_clock,
    check_settings,
    check_setup,
    sender_domains,
)
from pipeline.settings import Organisation, Outbox, Sender, Settings, Site, Smtp
from tests.servers import LOOPBACK, authority, free_port, smtp_server

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = {"INFOLETTRE_SECRET": "sixteen characters or more"}
FINE = Settings(
    site=Site(url="https://lettre.cercle.example"),
    organisation=Organisation(name="Le Cercle", address="Amiens", contact="a@cercle.example"),
    senders={"redaction": Sender(name="La rédaction", email="lettre@cercle.example")},
    outbox=Outbox(path="outbox"),
)


def check(
    settings: Settings, *, provider: str, root: Path, environ: dict[str, str]
) -> dict[str, Finding]:
    """Return the findings by what they are about; of several, the graver."""
    found = check_setup(settings, provider=provider, root=root, environ=environ, now=NOW)
    graver = sorted(found, key=lambda one: list(Level).index(one.level))
    for one in graver:
        assert one.say_what("en")
        assert bool(one.say_do("en")) is (one.level is not Level.OK)
    return {one.about: one for one in graver}


def test_a_workspace_in_order_has_nothing_to_do(tmp_path: Path) -> None:
    found = check(FINE, provider="outbox", root=tmp_path, environ=SECRET)

    assert set(found) == {"clock", "settings", "secret", "provider", "outbox"}
    assert {one.level for one in found.values()} == {Level.OK}
    assert list((tmp_path / "outbox/tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (replace(FINE, senders={}), "no sender"),
        (replace(FINE, senders={"a": Sender(name="A", email="a@")}), "address is wrong"),
        (replace(FINE, site=Site(url="http://lettre.cercle.example")), "one click"),
        (replace(FINE, organisation=Organisation(name="A")), "organisation.contact"),
    ],
)
def test_settings_that_a_letter_needs_are_asked_for(
    settings: Settings, said: str, tmp_path: Path
) -> None:
    found = check(settings, provider="sendgrid", root=tmp_path, environ={})

    assert said in found["settings"].say_what("en")


@pytest.mark.parametrize(("host", "is_told"), [("relais.example", True), (LOOPBACK, False)])
def test_mail_that_would_travel_unprotected_is_told(host: str, is_told: bool) -> None:
    settings = replace(FINE, smtp=Smtp(host=host, security="none"))

    said = [one.say_what("en") for one in check_settings(settings, provider="smtp")]

    assert any("unprotected" in one for one in said) is is_told


def test_a_missing_secret_is_grave_but_for_the_outbox(tmp_path: Path) -> None:
    outbox = check(FINE, provider="outbox", root=tmp_path, environ={})
    sendgrid = check(FINE, provider="sendgrid", root=tmp_path, environ={})

    assert outbox["secret"].level is Level.WARN
    assert sendgrid["secret"].level is Level.BAD
    assert "INFOLETTRE_SECRET" in sendgrid["secret"].say_do("en")


def test_an_outbox_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be")

    found = check(FINE, provider="outbox", root=tmp_path, environ=SECRET)

    assert found["provider"].level is Level.BAD
    assert found["outbox"].level is Level.BAD


def test_sendgrids_two_keys_are_looked_for(tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    api = {"INFOLETTRE_SENDGRID_API_KEY": "SG.secret-key"}
    hook = "INFOLETTRE_SENDGRID_WEBHOOK_KEY"

    without = check(FINE, provider="sendgrid", root=tmp_path, environ=SECRET)
    half = check(FINE, provider="sendgrid", root=tmp_path, environ=SECRET | api)
    wrong = check(FINE, provider="sendgrid", root=tmp_path, environ=SECRET | api | {hook: "x"})
    whole = check(
        FINE, provider="sendgrid", root=tmp_path, environ=SECRET | api | {hook: key.decode()}
    )

    assert without["provider"].level is Level.BAD
    assert [one["webhook"].level for one in (half, wrong, whole)] == [
        Level.WARN,
        Level.BAD,
        Level.OK,
    ]
    assert "SG.secret-key" not in repr(whole)


def test_the_smtp_server_is_greeted_and_gets_no_password(tmp_path: Path) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with smtp_server(security="starttls", login=("anne", "right")) as server:
        smtp = Smtp(host=LOOPBACK, port=server.port, username="anne", ca_file="ca.pem")
        environ = SECRET | {"INFOLETTRE_SMTP_PASSWORD": "right"}
        found = check(replace(FINE, smtp=smtp), provider="smtp", root=tmp_path, environ=environ)

    assert found["smtp"].level is Level.OK
    assert server.logins == []


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    smtp = Smtp(host=LOOPBACK, port=free_port(), security="none")

    found = check(replace(FINE, smtp=smtp), provider="smtp", root=tmp_path, environ=SECRET)

    assert found["smtp"].level is Level.BAD
    assert "smtp.host" in found["smtp"].say_do("en")


@pytest.mark.parametrize("year", [1970, 2024, 2107])
def test_a_year_that_cannot_be_is_told(year: int) -> None:
    assert check_clock(NOW.replace(year=year)).level is Level.BAD


def test_each_senders_domain_is_looked_at_once() -> None:
    senders = {
        name: Sender(name=name, email=email)
        for name, email in [
            ("a", "a@b.example"),
            ("b", "b@B.example"),
            ("c", "é@é.example"),
            ("d", ""),
        ]
    }

    assert sender_domains(replace(FINE, senders=senders)) == ["b.example", "xn--9ca.example"]
