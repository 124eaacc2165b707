"""What comes back of a letter, by mail and by webhook, and what the command then says of people."""

import json
import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pipeline.delivery.feedback import Recorded
from pipeline.delivery.returns import read_returns
from pipeline.delivery.verp import verp_of
from pipeline.store.upgrade import opened_store
from pipeline.workspace import find_workspace
from tests.delivery.sent import add_campaign, numbers_of
from tests.journeys.workshop import copy_workspace, run
from tests.web.webhooks.workshop import ENVIRON, post, serving

BASE = "retours@cercle-cafes.example"
SECRET = "une clé pour les tests seulement"
PEOPLE = ("Zoé", "Léa", "Ida")
CASES = Path(__file__).parents[1] / "cases/bounces"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace with a bounce mailbox and three people."""
    folder = copy_workspace(tmp_path / "cercle")
    with (folder / "infolettre.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[bounces]\naddress = "{BASE}"\nmaildir = "var/retours"\n')
    for name in PEOPLE:
        added = run(folder, "subscribers", "add", f"{name}@ailleurs.example", "--consent", "Oui.")
        assert (added.code, added.err) == (0, "")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def engine(workspace: Path) -> Iterator[Engine]:
    """Return its database, in which a letter went to all three an hour later."""
    url = find_workspace(workspace).settings.database.url
    with opened_store(url, workspace) as engine:
        accepted = dict.fromkeys(numbers_of(engine), "accepted")
        add_campaign(engine, "46", accepted, started_at=datetime.now(UTC), provider="sendgrid")
        yield engine


def show(folder: Path, name: str) -> dict[str, Any]:
    done = run(folder, "subscribers", "show", f"{name}@ailleurs.example")
    assert done.code == 0
    told: dict[str, Any] = json.loads(done.out)
    return told


def test_who_bounces_by_mail_and_who_complains_by_webhook_are_written_to_no_more(
    workspace: Path, engine: Engine
) -> None:
    zoe, lea, ida = numbers_of(engine)
    now = datetime.now(UTC) + timedelta(seconds=5)
    envelope = verp_of(zoe, base=BASE, secret=SECRET.encode())
    report = (CASES / "unknown-user.eml").read_bytes()
    report = report.replace(b"bounce+token@cercle.example", envelope.encode())
    day = now.strftime("%a, %d %b %Y %H:%M:%S +0000").encode()
    lines = report.splitlines()
    dated = [b"Date: " + day if line.startswith(b"Date:") else line for line in lines]
    box = mailbox.Maildir(workspace / "var/retours")
    box.add(b"\r\n".join(dated))
    complaint = {
        "event": "spamreport",
        "sg_event_id": "1",
        "recipient": lea,
        "campaign": "46",
        "timestamp": int(now.timestamp()),
    }
    here = find_workspace(workspace)

    with serving(engine, workspace, settings=here.settings, environ=ENVIRON) as at:
        assert post(at, complaint).status_code == 204
        assert post(at, complaint).status_code == 204
    returned = read_returns(
        engine, here.settings, root=workspace, environ={"INFOLETTRE_SECRET": SECRET}, now=now
    )

    assert returned == Recorded(new=1, suppressed=1)
    assert {name: show(workspace, name)["state"] for name in PEOPLE} == {
        "Zoé": "bounced",
        "Léa": "complained",
        "Ida": "active",
    }
    log = [(line["kind"], line["source"]) for line in show(workspace, "Léa")["consents"]]
    assert log == [("added", "command"), ("complained", "webhook sendgrid")]
    listed = run(workspace, "subscribers", "list", "--segment", "all", "--json").out
    assert [one["address"] for one in json.loads(listed)] == ["Ida@ailleurs.example"]
    assert ida in numbers_of(engine)
