"""``send`` to a segment: nobody forgotten, nobody twice, against servers that really misbehave."""

import asyncio
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Engine

from pipeline.delivery.campaigns import all_campaigns
from pipeline.store.engine import reading
from pipeline.store.upgrade import open_store
from tests.delivery.mailings import add_people
from tests.journeys.workshop import COMMAND, NEWEST, Done, copy_workspace, run
from tests.servers import (
    Answer,
    RudeSmtp,
    SmtpServer,
    read_message,
    rude_smtp_server,
    sendgrid_server,
    smtp_server,
)

BOB = "personne.2@exemple.example"
EN = {"INFOLETTRE_LANGUAGE": "en"}
SMTP_BY = EN | {
    "INFOLETTRE_SECRET": "a secret of more than sixteen",
    "INFOLETTRE_DELIVERY__PROVIDER": "smtp",
    "INFOLETTRE_SMTP__HOST": "127.0.0.1",
    "INFOLETTRE_SMTP__SECURITY": "none",
    "INFOLETTRE_SMTP__TIMEOUT": "1",
}
SEND = ("send", NEWEST, "--to", "all")


def people(count: int) -> list[str]:
    return [f"personne.{number}@exemple.example" for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a database and its caches filled, to be copied."""
    folder = copy_workspace(tmp_path_factory.mktemp("send") / "cercle", NEWEST)
    (folder / "var").mkdir()
    open_store("sqlite:///var/infolettre.db", folder).dispose()
    assert run(folder, "render", NEWEST).code == 0
    return folder


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Return what makes a workspace with so many subscribers."""

    def make(count: int) -> Path:
        folder = tmp_path / "cercle"
        shutil.copytree(prepared, folder)
        engine = open_store("sqlite:///var/infolettre.db", folder)
        add_people(engine, count)
        engine.dispose()
        return folder

    return make


def by_smtp(server: SmtpServer | RudeSmtp, **more: str) -> dict[str, str]:
    return SMTP_BY | {"INFOLETTRE_SMTP__PORT": str(server.port)} | more


def do(folder: Path, *arguments: str, **environ: str) -> Done:
    done = run(folder, *arguments, **EN | environ)
    assert "Traceback" not in done.err
    return done


def counts(folder: Path, number: int = 1) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(do(folder, "campaign", "show", str(number), "--json").out)
    found: dict[str, Any] = told["counts"]
    return found | {"state": told["state"], "pause": told["pause"]}


class Running:
    """The command under way: what it says on stderr is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def interrupt(self, *, by: signal.Signals = signal.SIGINT) -> Done:
        self.process.send_signal(by)
        return self.end()

    def end(self) -> Done:
        out, err = self.process.communicate(timeout=30)
        assert "Traceback" not in err
        return Done(self.process.returncode, out, err)

    def says(self, part: str) -> None:
        """Wait for a line on stderr."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if part in line:
                return
        raise AssertionError(f"it never said {part!r}")


@contextmanager
def running(folder: Path, *arguments: str, **environ: str) -> Iterator[Running]:
    base = {name: text for name, text in os.environ.items() if not name.startswith("INFOLETTRE_")}
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=base | EN | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def slow_down(server: SmtpServer, seconds: float) -> None:
    """Let a server take its time over each message, on each connection."""

    async def handle(smtp: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(seconds)
        return await SmtpServer.handle_DATA(server, smtp, session, envelope)

    vars(server)["handle_DATA"] = handle


def edit(folder: Path) -> None:
    file = folder / "issues" / NEWEST / "issue.yaml"
    file.write_text(file.read_text().replace("sous la lampe !", "sous les lampes !"))


def mails(folder: Path) -> list[Path]:
    box = folder / "var/outbox/new"
    return sorted(box.iterdir()) if box.exists() else []


# --- the plain way ----------------------------------------------------------------------------


def test_a_letter_goes_to_a_segment_once_and_the_second_time_says_so(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    assert do(folder, "subscribers", "add", "ana@exemple.example", "--segment", "presse").code == 0
    first = do(folder, "send", NEWEST, "--to", "presse")
    assert (first.code, first.err) == (0, "")
    assert "1 person: segment presse" in first.out
    assert "nothing leaves this machine" in first.out
    assert len(mails(folder)) == 1

    everybody = do(folder, *SEND)
    assert "1 of them has this letter from another campaign" in everybody.out
    assert len(mails(folder)) == 4

    again = do(folder, *SEND)
    assert (again.code, again.err) == (0, "")
    assert "has been sent to this audience" in again.out
    assert len(mails(folder)) == 4
    assert counts(folder, 2) | {"sent": 3, "skipped": 1, "state": "done"} == counts(folder, 2)


def test_on_purpose_a_letter_goes_out_once_more(workspace: Callable[[int], Path]) -> None:
    folder = workspace(2)
    do(folder, *SEND)
    more = do(folder, *SEND, "--again")
    assert more.code == 0
    assert "gets it a second time" in more.out
    assert len(mails(folder)) == 4


def test_everybody_gets_the_letter_by_smtp(workspace: Callable[[int], Path]) -> None:
    folder = workspace(4)
    with smtp_server() as server:
        done = do(folder, *SEND, "--json", **by_smtp(server))
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["state"], told["counts"]["sent"], told["is_new"]) == ("done", 4, True)
    assert sorted(one.to for one in server.taken) == people(4)
    message = read_message(server.taken[0].data)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_two_who_send_at_once_serve_everybody_once(workspace: Callable[[int], Path]) -> None:
    folder = workspace(300)
    with smtp_server() as server:
        environ = by_smtp(server, INFOLETTRE_DELIVERY__BATCH="20")
        with running(folder, *SEND, **environ) as one, running(folder, *SEND, **environ) as other:
            ended = [one.end(), other.end()]
        assert [done.code for done in ended] == [0, 0], ended
        assert sorted(one.to for one in server.taken) == sorted(people(300))
    assert counts(folder)["sent"] == 300


# --- refused, put off, in doubt ---------------------------------------------------------------


def test_one_who_is_refused_is_named_and_the_others_go_on(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(4)
    with smtp_server() as server:
        server.replies[BOB] = "550 5.1.1 no such person"
        done = do(folder, *SEND, **by_smtp(server))
    assert done.code == 0  # settled for good
    assert f"{BOB}: refused (550 5.1.1 no such person)" in done.err
    assert len(server.taken) == 3
    told = do(folder, "campaign", "show", NEWEST).out
    assert "refused (1): 550 5.1.1 no such person" in told
    assert BOB in told


def test_many_who_are_refused_do_not_flood_the_screen_and_stop_the_campaign(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(200)
    with smtp_server() as server:
        server.replies |= dict.fromkeys(people(60), "550 5.7.1 not from you")
        done = do(folder, *SEND, **by_smtp(server, INFOLETTRE_DELIVERY__BATCH="60"))
    assert done.code == 1
    assert len(done.err.splitlines()) == 11
    assert "… and 50 more like these" in done.err
    assert "the provider refuses too many recipients" in done.out
    assert "infolettre campaign resume 1" in done.out
    assert not server.taken


def test_one_who_is_put_off_is_waited_for_and_ctrl_c_leaves_with_the_way_on(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(4)
    with smtp_server() as server:
        server.replies[BOB] = "450 4.2.1 mailbox busy"
        with running(folder, *SEND, **by_smtp(server)) as sending:
            sending.says(f"{BOB}: not now (450")
            sending.says("The next try is at")
            done = sending.interrupt()
        assert done.code == 1
        assert f"To go on: infolettre send {NEWEST} --to all" in done.out
        assert counts(folder) | {"sent": 3, "to_try_again": 1} == counts(folder)

        # the letter is edited meanwhile: what was frozen is what goes out, and that is said
        edit(folder)
        dry = do(folder, *SEND, "--dry-run", **by_smtp(server))
        assert "exists already (no. 1): 3 served, 1 left" in dry.out
        assert "The letter was edited since" in dry.out

        # the new one goes to who has nothing, once the old one is cancelled
        server.replies.clear()
        refused = do(folder, *SEND, "--again", **by_smtp(server))
        assert refused.code == 1
        assert "campaign cancel 1" in refused.err
        assert do(folder, "campaign", "cancel", "1").code == 0
        told = do(folder, *SEND, **by_smtp(server))
        assert told.code == 1
        assert "--again" in told.err
        last = do(folder, *SEND, "--again", **by_smtp(server))
    assert last.code == 0
    assert sorted(one.to for one in server.taken) == people(4)
    assert "lampes" in str(read_message(server.taken[-1].data)["Subject"])


@pytest.mark.parametrize("verb", ["--resend", "--accept"])
def test_one_in_doubt_waits_for_a_person_who_decides(
    workspace: Callable[[int], Path], verb: str
) -> None:
    folder = workspace(4)
    with rude_smtp_server("dot", "drop", only=BOB) as rude:
        done = do(folder, *SEND, **by_smtp(rude))
    assert done.code == 1
    assert f"{BOB}: handed over, but no answer came" in done.err
    assert "campaign resolve 1 --resend" in done.out
    assert counts(folder)["uncertain"] == 1
    resolved = do(folder, "campaign", "resolve", "1", verb)
    assert resolved.code == 0
    with smtp_server() as server:
        last = do(folder, *SEND, **by_smtp(server))
    assert last.code == 0
    assert [one.to for one in server.taken] == ([BOB] if verb == "--resend" else [])
    assert counts(folder) | {"sent": 4, "uncertain": 0, "state": "done"} == counts(folder)


def test_what_keeps_everybody_waiting_pauses_the_campaign_and_is_told(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(4)
    sendgrid = EN | {
        "INFOLETTRE_SECRET": "a secret of more than sixteen",
        "INFOLETTRE_DELIVERY__PROVIDER": "sendgrid",
        "INFOLETTRE_SENDGRID__TIMEOUT": "2",
    }
    with sendgrid_server() as stub:
        sendgrid["INFOLETTRE_SENDGRID__HOST"] = stub.host
        wrong = do(folder, *SEND, INFOLETTRE_SENDGRID_API_KEY="SG.wrong-and-private", **sendgrid)
        assert wrong.code == 1
        assert "INFOLETTRE_SENDGRID_API_KEY" in wrong.err + wrong.out
        assert "wrong-and-private" not in wrong.err + wrong.out
        assert "infolettre campaign resume 1" in wrong.out
        sendgrid["INFOLETTRE_SENDGRID_API_KEY"] = "SG.test"
        still = do(folder, *SEND, **sendgrid)
        assert still.code == 1
        assert "paused: the provider cannot go on" in still.out

        assert do(folder, "campaign", "resume", "1").code == 0
        stub.decide = lambda body: Answer(status=429, headers={"Retry-After": "300"})
        later = do(folder, *SEND, **sendgrid)
        assert later.code == 1
        assert "Next try" in later.out
        assert counts(folder) | {"to_try_again": 4, "state": "running"} == counts(folder)
        assert stub.faults == []


# --- stopped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_finishes_what_is_under_way_and_the_same_command_goes_on(
    workspace: Callable[[int], Path], by: signal.Signals
) -> None:
    folder = workspace(200)
    with smtp_server() as server:
        slow_down(server, 0.03)
        with running(folder, *SEND, **by_smtp(server)) as sending:
            wait_until(lambda: len(server.taken) > 10)
            done = sending.interrupt(by=by)
        taken = len(server.taken)
        assert done.code == 1
        assert "what is under way is finished" in done.err
        assert 10 < taken < 200
        told = counts(folder)
        assert (told["sent"], told["under_way"], told["uncertain"]) == (taken, 0, 0)
        slow_down(server, 0)
        again = do(folder, *SEND, **by_smtp(server))
        assert again.code == 0
        assert f"exists already (no. 1): {taken} served, {200 - taken} left" in again.out
        assert sorted(one.to for one in server.taken) == sorted(people(200))


def test_a_second_ctrl_c_quits_at_once_and_the_next_run_says_who_is_in_doubt(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    with rude_smtp_server("dot", "hang") as rude:
        environ = by_smtp(rude, INFOLETTRE_SMTP__TIMEOUT="30", INFOLETTRE_SMTP__CONNECTIONS="1")
        with running(folder, *SEND, **environ) as sending:
            wait_until(lambda: len(rude.sockets) > 0)
            time.sleep(0.5)  # the first message is on its way
            sending.process.send_signal(signal.SIGINT)
            sending.says("Again to quit at once")
            asked = time.monotonic()
            done = sending.interrupt()
    assert time.monotonic() - asked < 10
    assert done.code == 1
    assert "Quit at once" in done.err
    with smtp_server() as server:
        again = do(folder, *SEND, **by_smtp(server))
    told = counts(folder)
    assert again.code == 1
    assert "campaign resolve 1" in again.out
    assert told["uncertain"] + told["sent"] == 3
    assert told["uncertain"] >= 1
    assert len(server.taken) == told["sent"]


def test_pausing_leaving_and_cancelling_act_while_a_campaign_runs(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(30)
    with smtp_server() as server:
        environ = by_smtp(server, INFOLETTRE_DELIVERY__RATE="10")
        with running(folder, *SEND, **environ) as sending:
            wait_until(lambda: len(server.taken) >= 10)
            last = people(30)[-1]
            assert do(folder, "subscribers", "remove", last).code == 0
            assert do(folder, "campaign", "pause", NEWEST).code == 0
            done = sending.end()
        assert done.code == 1
        assert "paused: somebody paused it" in done.out
        taken = len(server.taken)
        assert 10 <= taken < 30

        quick = by_smtp(server)
        assert do(folder, *SEND, **quick).code == 1  # only a person lets it go on
        assert len(server.taken) == taken
        assert do(folder, "campaign", "resume", "1").code == 0
        assert do(folder, *SEND, **quick).code == 0
    assert sorted(one.to for one in server.taken) == sorted(set(people(30)) - {last})
    assert counts(folder) | {"sent": 29, "skipped": 1, "state": "done"} == counts(folder)
    rows = list(csv.DictReader(io.StringIO(do(folder, "campaign", "export", "1").out)))
    assert [row["email"] for row in rows] == people(30)
    assert {row["state"] for row in rows[:-1]} == {"accepted"}
    assert (rows[-1]["state"], rows[-1]["code"]) == ("skipped", "unsubscribed")
    assert all(datetime.fromisoformat(row["at"]).utcoffset() == timedelta(0) for row in rows)
    over = do(folder, "campaign", "cancel", "1")
    assert (over.code, "nothing left to cancel" in over.err) == (1, True)


# --- at its time ------------------------------------------------------------------------------


def in_seconds(seconds: int) -> tuple[datetime, str]:
    moment = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    return moment, f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def wait_for(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()) + 0.05)


def test_a_scheduled_letter_leaves_at_its_time_and_not_before(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    moment, text = in_seconds(6)
    scheduled = do(folder, *SEND, "--at", text)
    assert (scheduled.code, scheduled.err) == (0, "")
    assert "infolettre worker" in scheduled.out
    assert do(folder, "worker", "--once").code == 0
    early = len(mails(folder)) if datetime.now(UTC) < moment else 0
    assert early == 0
    wait_for(moment)
    done = do(folder, "worker", "--once")
    assert (done.code, done.err) == (0, "")
    assert "begins: 3 recipients" in done.out
    assert len(mails(folder)) == 3


def test_a_letter_whose_time_was_missed_waits_for_a_person(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    moment, text = in_seconds(4)
    assert do(folder, *SEND, "--at", text).code == 0
    wait_for(moment)
    late = do(folder, "worker", "--once", INFOLETTRE_DELIVERY__GRACE="0")
    assert late.code == 0
    assert "its time passed" in late.out
    assert mails(folder) == []
    assert counts(folder) | {"state": "paused", "pause": "missed"} == counts(folder)
    assert do(folder, "campaign", "resume", "1").code == 0
    assert do(folder, "worker", "--once", INFOLETTRE_DELIVERY__GRACE="0").code == 0
    assert len(mails(folder)) == 3


def test_a_scheduled_letter_that_was_edited_waits_and_a_worker_ends_when_asked(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    moment, text = in_seconds(4)
    assert do(folder, *SEND, "--at", text).code == 0
    edit(folder)
    wait_for(moment)
    with running(folder, "worker") as worker:
        assert worker.process.stdout is not None
        said = ""
        while "edited" not in said:
            said = worker.process.stdout.readline()
            assert said
        done = worker.interrupt(by=signal.SIGTERM)
    assert done.code == 0
    assert mails(folder) == []
    assert do(folder, *SEND).code == 0
    assert all("lampes" in str(read_message(one.read_bytes())["Subject"]) for one in mails(folder))
    assert len(mails(folder)) == 3


def test_where_approval_is_asked_for_only_what_was_approved_leaves(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(3)
    asked = {"INFOLETTRE_DELIVERY__REQUIRE_APPROVAL": "true"}
    draft = do(folder, *SEND, **asked)
    assert draft.code == 1
    assert "infolettre campaign approve 1" in draft.out
    assert do(folder, "campaign", "approve", "1", "--by", "Ana").code == 0
    edit(folder)
    assert do(folder, *SEND, **asked).code == 1  # the edit made it void
    assert mails(folder) == []
    shown = do(folder, "campaign", "show", "1").out
    assert "approved by Ana" in shown
    assert "no longer counts" in shown
    assert do(folder, "campaign", "approve", "1").code == 0
    assert do(folder, *SEND, **asked).code == 0
    assert len(mails(folder)) == 3
    listed = json.loads(do(folder, "campaign", "list", "--json").out)
    assert [(one["state"], one["is_approved"]) for one in listed] == [("done", True)]


# --- images on the site -----------------------------------------------------------------------


def test_linked_images_are_on_the_site_before_anything_leaves(
    workspace: Callable[[int], Path],
) -> None:
    folder = workspace(1)
    with smtp_server() as server:
        done = do(folder, *SEND, **by_smtp(server, INFOLETTRE_RENDER__IMAGES="linked"))
    assert done.code == 0
    assert "var/site has to be on that server" in done.out
    assert list((folder / "var/site" / NEWEST / "images").iterdir())


# --- on PostgreSQL, where workers do the work ---------------------------------------------------


def has_started(engine: Engine) -> bool:
    with reading(engine) as connection:
        return any(one.started_at for one in all_campaigns(connection))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_on_postgresql_workers_send_and_the_command_watches(engine: Engine, prepared: Path) -> None:
    add_people(engine, 30)
    url = engine.url.render_as_string(hide_password=False)
    with smtp_server() as server:
        server.replies[BOB] = "550 5.1.1 no such person"
        environ = by_smtp(server, INFOLETTRE_DATABASE__URL=url, INFOLETTRE_DELIVERY__BATCH="10")
        with running(prepared, *SEND, **environ) as watching:
            wait_until(lambda: has_started(engine))
            time.sleep(0.3)  # it is announced, and watched
            left = watching.interrupt()
        assert left.code == 1
        assert "the workers go on" in left.err
        assert not server.taken
        with running(prepared, "worker", **environ) as worker:
            done = do(prepared, *SEND, **environ)
            stopped = worker.interrupt(by=signal.SIGTERM)
        assert (done.code, stopped.code) == (0, 0)
        assert "Ready to send" in stopped.out
        assert sorted(one.to for one in server.taken) == sorted(set(people(30)) - {BOB})
        shown = do(prepared, "campaign", "show", "1", **environ)
    assert "refused (1): 550 5.1.1 no such person" in shown.out
