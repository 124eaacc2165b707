"""A reader's way in and out with `infolettre serve`: the form, the mail, the button, one click."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.workshop import COMMAND, ROOT, run
from tests.servers import free_port, read_message

SECRET = {"INFOLETTRE_SECRET": "une clé pour les tests seulement"}
EN = {"INFOLETTRE_LANGUAGE": "en"}
LOCAL = {"INFOLETTRE_SITE__URL": ""}  # links lead to where the site is served
ZOE = "zoe@boite-aux-lettres.example"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "infolettre.toml", tmp_path)
    return tmp_path


@contextmanager
def served(folder: Path, *, stop: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """Run ``infolettre serve`` on a free port, yield its address, and end it with a signal."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("INFOLETTRE_")}
    with subprocess.Popen(
        [COMMAND, "serve", "--port", "0"],
        cwd=folder,
        env={**base, **SECRET, **EN, **LOCAL, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        try:
            assert found, line + process.stderr.read()
            yield found[0]
        finally:
            process.send_signal(stop)
            code, told = process.wait(20), process.stderr.read()
        # Nobody who came was written down.
        assert (code, told) == (0, "")
        assert ZOE not in process.stdout.read()


def mails(folder: Path) -> list[EmailMessage]:
    return [read_message(file.read_bytes()) for file in (folder / "var/outbox/new").iterdir()]


def shown(folder: Path, address: str = ZOE) -> dict[str, object]:
    told: dict[str, object] = json.loads(run(folder, "subscribers", "show", address).out)
    return told


@pytest.mark.chromium
def test_a_reader_subscribes_from_the_mail_and_leaves_in_one_click(
    workspace: Path, browser: Browser
) -> None:
    with served(workspace) as address, httpx.Client() as program:
        page = browser.new_page(locale="fr-FR")
        page.goto(f"{address}/abonnement")
        expect(page.locator("html")).to_have_attribute("lang", "fr")
        wording = page.locator(".wording").inner_text()
        page.locator("#email").fill(ZOE)
        page.locator("#first_name").fill("Zoé")
        page.locator("button").click()
        expect(page.locator("main strong")).to_have_text(ZOE)

        [mail] = mails(workspace)
        part = mail.get_body(("plain",))
        assert part is not None
        [link] = re.findall(rf"{address}/confirmation/\S+", part.get_content())
        assert (mail["To"], mail["List-Unsubscribe"]) == (ZOE, None)

        for _ in range(2):  # a scanner first
            assert program.get(link).status_code == program.head(link).status_code == 200
        assert shown(workspace)["state"] == "pending"
        page.goto(link)
        page.locator("button").click()
        expect(page.locator("form")).to_have_count(0)
        zoe = shown(workspace)
        assert (zoe["state"], zoe["first_name"], zoe["language"]) == ("active", "Zoé", "fr")
        consents = zoe["consents"]
        assert isinstance(consents, list)
        assert [one["kind"] for one in consents] == ["asked", "confirmed"]
        assert {one["wording"] for one in consents} == {wording}
        page.close()

        leave = own_link(workspace, "desabonnement", address)
        one_click = {"List-Unsubscribe": "One-Click"}
        for _ in range(2):
            assert program.post(leave, data=one_click).status_code == 200
        assert shown(workspace)["state"] == "unsubscribed"
        for old in (leave, link):  # whoever looks at old mail again
            program.get(old)
        assert program.post(link).status_code == 404
        assert shown(workspace)["state"] == "unsubscribed"


def own_link(folder: Path, page: str, address: str) -> str:
    """Return a person's own link to a page, made as mails make it, by the public id alone."""
    from pipeline.audience.tokens import make_token

    [row] = csv.DictReader(run(folder, "subscribers", "export").out.splitlines())
    assert row["address"] == ZOE
    public_id = str(shown(folder)["public_id"])
    token = make_token(SECRET["INFOLETTRE_SECRET"].encode(), purpose=page, subject=public_id)
    assert ZOE.partition("@")[0] not in urlsplit(token).path
    return f"{address}/{page}/{token}"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_at_once_and_in_peace(workspace: Path, stop: signal.Signals) -> None:
    with served(workspace, stop=stop) as address:
        assert httpx.get(f"{address}/abonnement").status_code == 200


def test_the_archive_is_at_the_root(workspace: Path) -> None:
    shutil.copytree(ROOT / "issues", workspace / "issues")
    assert run(workspace, "archive", "build").code == 0
    with served(workspace) as address:
        assert httpx.get(f"{address}/").text == (workspace / "var/site/index.html").read_text()
        assert "xml" in httpx.get(f"{address}/feed.xml").headers["content-type"]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "INFOLETTRE_SECRET"),
        ({"INFOLETTRE_SECRET": "court"}, "too short"),
        (SECRET | {"INFOLETTRE_SUBSCRIPTION__SENDER": "personne"}, "redaction"),
        (SECRET | {"INFOLETTRE_DELIVERY__PROVIDER": "pigeon"}, "outbox"),
        (SECRET | {"INFOLETTRE_DELIVERY__PROVIDER": "sendgrid"}, "INFOLETTRE_SENDGRID_API_KEY"),
    ],
)
def test_what_is_missing_is_told_before_anybody_comes(
    workspace: Path, environ: dict[str, str], said: str
) -> None:
    done = run(workspace, "serve", "--port", str(free_port()), **environ, **EN)
    assert (done.code, said in done.err, "Traceback" in done.err) == (1, True, False), done.err


def test_those_whose_consent_is_too_old_are_counted_and_listed(workspace: Path) -> None:
    file = workspace / "liste.csv"
    file.write_text("email,subscribed_at\nancienne@lettre.example,2019-05-02T08:00:00Z\n"
                    "recente@lettre.example,\n")  # fmt: skip
    assert run(workspace, "subscribers", "import", str(file), **EN).code == 0
    stats = run(workspace, "subscribers", "stats", **EN).out
    assert "1 agreed more than three years ago" in stats
    assert json.loads(run(workspace, "subscribers", "stats", "--json").out)["stale"] == 1
    listed = json.loads(run(workspace, "subscribers", "list", "--stale", "--json").out)
    assert [one["address"] for one in listed] == ["ancienne@lettre.example"]
