"""``send`` against servers that really refuse, stall, drop and throttle: the others go on."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.workshop import COMMAND, NEWEST, Done, copy_workspace, run
from tests.servers import (
    Answer,
    RudeSmtp,
    free_port,
    read_message,
    rude_smtp_server,
    sendgrid_server,
    smtp_server,
)

PEOPLE = [f"{name}@exemple.example" for name in ("ana", "bob", "zoe", "max")]
SMTP = {
    "INFOLETTRE_SECRET": "a secret of more than sixteen",
    "INFOLETTRE_DELIVERY__PROVIDER": "smtp",
    "INFOLETTRE_SMTP__HOST": "127.0.0.1",
    "INFOLETTRE_SMTP__SECURITY": "none",
    "INFOLETTRE_SMTP__TIMEOUT": "1",
    "INFOLETTRE_LANGUAGE": "en",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_workspace(tmp_path_factory.mktemp("send") / "cercle", NEWEST)
    (folder / "people.csv").write_text("email\n" + "\n".join(PEOPLE) + "\n")
    return folder


def send(workspace: Path, port: int, **environ: str) -> Done:
    done = run(
        workspace,
        *("send", NEWEST, "--to", "people.csv"),
        **SMTP | {"INFOLETTRE_SMTP__PORT": str(port)} | environ,
    )
    assert "Traceback" not in done.err
    return done


def test_everybody_gets_the_letter_by_smtp(workspace: Path) -> None:
    with smtp_server() as server:
        done = send(workspace, server.port)
    assert (done.code, done.err) == (0, "")
    assert "4 messages handed over" in done.out
    assert sorted(one.to for one in server.taken) == sorted(PEOPLE)
    message = read_message(server.taken[0].data)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("reply", "said"),
    [("550 5.1.1 no such person", "refused"), ("450 4.2.1 mailbox busy", "not now")],
)
def test_one_that_is_refused_is_named_and_the_others_go_on(
    workspace: Path, reply: str, said: str
) -> None:
    with smtp_server() as server:
        server.replies["bob@exemple.example"] = reply
        done = send(workspace, server.port)
    assert done.code == 1
    assert len(server.taken) == 3
    assert "3 messages handed over" in done.out
    assert f"bob@exemple.example: {said} ({reply[:3]}" in done.err


def test_those_who_have_nothing_yet_are_in_a_file_that_can_be_sent_to(workspace: Path) -> None:
    with smtp_server() as server:
        server.replies["bob@exemple.example"] = "450 4.2.1 mailbox busy"
        first = send(workspace, server.port)
        (rest,) = re.findall(r"--to (var/send/\S+\.csv)", first.out)
        server.replies.clear()
        server.taken.clear()
        second = run(
            workspace,
            *("send", NEWEST, "--to", rest),
            **SMTP | {"INFOLETTRE_SMTP__PORT": str(server.port)},
        )
    assert (second.code, second.err) == (0, "")
    assert [one.to for one in server.taken] == ["bob@exemple.example"]
    assert "var/send" not in second.out


def test_a_server_that_refuses_the_connection_is_named(workspace: Path) -> None:
    port = free_port()
    done = send(workspace, port)
    assert done.code == 1
    assert f"127.0.0.1:{port}" in done.err
    assert "4 not handed over" in done.out


def test_a_server_that_says_nothing_is_given_up(workspace: Path) -> None:
    with rude_smtp_server("greeting", "hang") as server:
        done = send(workspace, server.port)
    assert done.code == 1
    assert "smtp.host" in done.err


def test_a_connection_that_drops_before_the_end_costs_one_person_a_second_try(
    workspace: Path,
) -> None:
    with rude_smtp_server("DATA", "drop", only="bob@exemple.example") as server:
        done = send(workspace, server.port)
    assert done.code == 1
    assert {one.to for one in server.taken} == set(PEOPLE) - {"bob@exemple.example"}
    assert "bob@exemple.example" in done.err


def test_a_connection_that_drops_behind_the_last_dot_is_told_as_uncertain(workspace: Path) -> None:
    server: RudeSmtp
    with rude_smtp_server("dot", "drop", only="bob@exemple.example") as server:
        done = send(workspace, server.port)
    assert done.code == 1
    assert "bob@exemple.example: handed over, but no answer came" in done.err
    assert "1 without an answer" in done.out


def test_ctrl_c_finishes_what_is_under_way_and_says_who_has_nothing_yet(
    workspace: Path, tmp_path: Path
) -> None:
    people = [f"personne.{number}@exemple.example" for number in range(3000)]
    (tmp_path / "many.csv").write_text("email\n" + "\n".join(people) + "\n")
    with smtp_server() as server:
        environ = {name: text for name, text in os.environ.items() if name != "LANGUAGE"}
        sending = subprocess.Popen(
            [COMMAND, "send", NEWEST, "--to", str(tmp_path / "many.csv"), "--json"],
            cwd=workspace,
            env=environ | SMTP | {"INFOLETTRE_SMTP__PORT": str(server.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        wait_until(lambda: len(server.taken) > 5)
        sending.send_signal(signal.SIGINT)
        out, err = sending.communicate(timeout=60)
        taken = [one.to for one in server.taken]
    told = json.loads(out)
    rest = Path(told["rest"]).read_text().splitlines()[1:]
    assert sending.returncode == 1
    assert "Traceback" not in err
    assert "under way is finished first" in err
    assert told["accepted"] == len(taken) < len(people)
    assert sorted(taken + [line.split(",")[0] for line in rest]) == sorted(people)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def sendgrid(workspace: Path, host: str, key: str = "SG.test") -> Done:
    return send(
        workspace,
        0,
        INFOLETTRE_DELIVERY__PROVIDER="sendgrid",
        INFOLETTRE_SENDGRID__HOST=host,
        INFOLETTRE_SENDGRID__TIMEOUT="2",
        INFOLETTRE_SENDGRID_API_KEY=key,
    )


def test_everybody_gets_the_letter_by_sendgrid_in_one_call(workspace: Path) -> None:
    with sendgrid_server() as stub:
        done = sendgrid(workspace, stub.host)
    assert (done.code, done.err, stub.faults) == (0, "", [])
    assert len(stub.calls) == 1
    assert len(stub.calls[0]["personalizations"]) == 4


def test_a_wrong_key_is_told_with_its_variable_and_never_printed(workspace: Path) -> None:
    with sendgrid_server() as stub:
        done = sendgrid(workspace, stub.host, key="SG.wrong-and-private")
    assert done.code == 1
    assert "INFOLETTRE_SENDGRID_API_KEY" in done.err
    assert "wrong-and-private" not in done.err + done.out
    assert "4 not handed over" in done.out


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=429, headers={"Retry-After": "30"}), "4 refused for now"),
        (Answer(status=503), "4 refused for now"),
        (Answer(status=413), "4 refused"),
    ],
)
def test_a_provider_that_cannot_take_it_is_told_and_nothing_is_lost(
    workspace: Path, answer: Answer, said: str
) -> None:
    with sendgrid_server() as stub:
        stub.decide = lambda body: answer
        done = sendgrid(workspace, stub.host)
    assert done.code == 1
    assert said in done.out
    assert all(person in done.err for person in PEOPLE)
