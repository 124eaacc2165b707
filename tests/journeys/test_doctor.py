"""``infolettre doctor`` as a person runs it, before the first letter and the first real one."""

import json
from pathlib import Path

import pytest

from tests.journeys.workshop import NEWEST, copy_workspace, run
from tests.servers import LOOPBACK, free_port, smtp_server
from tests.zones import DnsStub, dns_server, text_record

EN = {"INFOLETTRE_LANGUAGE": "en"}
DOMAIN = "cercle-cafes.example"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "cercle", NEWEST)


def levels(out: str) -> dict[str, str]:
    """Return the gravest level for each first word."""
    order = ["ok", "warn", "bad"]
    found: dict[str, str] = {}
    for one in json.loads(out):
        about = one["about"].split()[0]
        found[about] = max(one["level"], found.get(about, "ok"), key=order.index)
    return found


def look_by_smtp(workspace: Path, stub: DnsStub, **environ: str) -> tuple[int, dict[str, str]]:
    with smtp_server() as server:
        done = run(
            workspace,
            *("doctor", "--json", "--provider", "smtp", "--dns", stub.place),
            INFOLETTRE_SECRET="sixteen characters or more",
            INFOLETTRE_SMTP__HOST=LOOPBACK,
            INFOLETTRE_SMTP__PORT=str(server.port),
            INFOLETTRE_SMTP__SECURITY="none",
            **EN,
            **environ,
        )
    assert done.err == ""
    return done.code, levels(done.out)


def test_a_workspace_that_keeps_its_mail_is_in_order_offline(workspace: Path) -> None:
    done = run(workspace, "doctor", **EN)

    assert (done.code, done.err) == (0, "")
    assert "✓ the outbox" in done.out
    assert "✗" not in done.out
    assert done.out.splitlines()[-1].startswith("No fault, ")


def test_a_database_is_looked_at_and_not_made(workspace: Path) -> None:
    before = run(workspace, "doctor", **EN)
    assert "✓ the database var/infolettre.db is new" in before.out
    assert not (workspace / "var/infolettre.db").exists()

    run(workspace, "db", "upgrade", **EN)
    after = run(workspace, "doctor", "--json", **EN)

    assert after.code == 0
    assert {"database": "ok", "disk": "ok", "shape": "ok", "subscribers": "ok"}.items() <= levels(
        after.out
    ).items()


def test_a_database_out_of_reach_is_a_fault_and_its_password_stays_hidden(workspace: Path) -> None:
    url = f"postgresql://anne:hush@{LOOPBACK}:{free_port()}/cercle"
    done = run(workspace, "doctor", INFOLETTRE_DATABASE__URL=url, **EN)

    assert (done.code, done.err) == (1, "")
    assert "✗ the database cannot be used\n  → " in done.out
    assert done.out.endswith("\n1 fault keeps letters from arriving.\n")
    assert "hush" not in done.out


def test_what_is_missing_before_real_mail_is_told_with_what_to_do(workspace: Path) -> None:
    with dns_server({}) as stub:
        done = run(workspace, "doctor", "--provider", "sendgrid", "--dns", stub.place, **EN)

    assert done.code == 1
    lines = done.out.splitlines()
    assert f"✗ {DOMAIN} has no SPF record" in lines
    faults = [at for at, line in enumerate(lines) if line.startswith(("✗", "!"))]
    assert all(lines[at + 1].startswith("  → ") for at in faults)
    assert "INFOLETTRE_SENDGRID_API_KEY" in done.out


def test_a_domain_in_order_passes_and_a_script_can_read_it(workspace: Path) -> None:
    zone = {
        (DOMAIN, "TXT"): [text_record("v=spf1 ip4:192.0.2.10 -all")],
        (DOMAIN, "MX"): [f"10 mx.{DOMAIN}."],
        (f"_dmarc.{DOMAIN}", "TXT"): [text_record("v=DMARC1; p=none")],
    }
    with dns_server(zone) as stub:
        code, found = look_by_smtp(workspace, stub)

    assert code == 0
    assert found["SPF"] == found["DMARC"] == found["MX"] == found["smtp"] == "ok"
    assert found["DKIM"] == "warn"


def test_a_dns_that_does_not_answer_is_a_note(workspace: Path) -> None:
    with dns_server({}, fails=True) as stub:
        code, found = look_by_smtp(workspace, stub)

    assert (code, found["DNS"]) == (0, "warn")


def test_a_server_that_is_none_is_told(workspace: Path) -> None:
    done = run(workspace, "doctor", "--provider", "smtp", "--dns", "example.org", **EN)

    assert done.code == 1
    assert "is no DNS server" in done.err
