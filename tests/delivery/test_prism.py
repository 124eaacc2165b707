"""SendGrid's own OpenAPI file, by Prism: every body that we send is valid, a broken one is not.

The file stands beside the repository, and Prism is installed by ``make contract``; where either
is missing there is nothing to judge by. The other limits, in words only, are in test_sendgrid.py.
"""

import http.client
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Outcome, Recipient, State
from pipeline.delivery.providers.sendgrid import open_provider
from pipeline.errors import ProviderError
from pipeline.render.edition import picture_cid
from pipeline.settings import Sendgrid, Settings
from pipeline.text.merge import MergeTag, encode
from tests.delivery.letters import (
    FIRST_NAME,
    HTML,
    PNG,
    a_letter,
    a_recipient,
    a_sender,
    an_edition,
)
from tests.servers import LOOPBACK, SPEC, free_port, sendgrid_server

PRISM: Final = (
    Path(__file__).parents[1] / "contract/node_modules/@stoplight/prism-cli/dist/index.js"
)
NODE: Final = shutil.which("node") or ""
MISSING: Final = [
    name
    for name, here in (
        ("node", NODE),
        ("Prism (make contract)", PRISM.is_file()),
        ("SendGrid's OpenAPI file", SPEC.is_file()),
    )
    if not here
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}")
KEY: Final = "SG.test"
WORDS: Final = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=80)


@dataclass
class Prism:
    """A running Prism; ``said`` is what it printed, an objection to a line."""

    port: int
    said: list[str] = field(default_factory=list)

    def send(self, letter: Letter, recipients: list[Recipient]) -> list[Outcome]:
        """Send as the pipeline does; what Prism objects to is in the failure."""
        provider = open_provider(
            settings=Settings(sendgrid=Sendgrid(host=f"http://{LOOPBACK}:{self.port}")),
            root=Path(),
            environ={"INFOLETTRE_SENDGRID_API_KEY": KEY},
        )
        self.said.clear()
        try:
            return list(provider.send(letter, recipients))
        except ProviderError as error:
            raise AssertionError("\n".join([str(error), *self.objections()])) from error

    def judge(self, body: dict[str, Any], *, key: str = KEY) -> int:
        """Return the status of the answer to a body as it is."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        connection.request("POST", "/v3/mail/send", json.dumps(body), headers)
        with connection.getresponse() as answer:
            answer.read()
        connection.close()
        return answer.status

    def hear(self, line: str) -> str:
        """Keep a line that Prism prints, and return it."""
        self.said.append(line)
        return line

    def objections(self) -> list[str]:
        return [line for line in self.said if "Violation" in line]


@pytest.fixture(scope="module")
def prism() -> Iterator[Prism]:
    """Run Prism on a free port of this machine, until the tests of this file are through."""
    prism = Prism(port=free_port())
    place = ["-h", LOOPBACK, "-p", str(prism.port)]
    command = [NODE, str(PRISM), "mock", "--errors", *place, str(SPEC)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = process.stdout or ()
        try:
            started = any("is listening" in prism.hear(line) for line in lines)
            assert started, "".join(prism.said)
            listening = threading.Thread(target=lambda: [prism.hear(line) for line in lines])
            listening.start()
            yield prism
        finally:
            process.terminate()
        listening.join()


# --- what is sent -----------------------------------------------------------------------------


def with_places() -> Letter:
    """Return a letter with a place of every context."""
    link = encode(MergeTag("preferences_url", ""))
    html = HTML + (
        f'<a href="{link}" title="{FIRST_NAME}">a</a><a href="https://a.org/?n={FIRST_NAME}">b</a>'
        f'<a href="mailto:a@example.org?subject={FIRST_NAME}">c</a>'
    )
    text = f"{FIRST_NAME} https://a.org/?n={FIRST_NAME}\n"
    return a_letter(an_edition(html=html, text=text, subject=f"Pour {FIRST_NAME}"))


def with_pictures() -> Letter:
    html = HTML + "".join(f'<img src="cid:{picture_cid(name)}" alt="">' for name in ("a.png", "b"))
    return a_letter(an_edition(html=html), pictures={"a.png": PNG, "b": b"<svg/>"})


LETTERS: Final[dict[str, Callable[[], Letter]]] = {
    "plain": lambda: a_letter(an_edition(text="Bonjour\n", html="<p>Bonjour</p>")),
    "places": with_places,
    "pictures": with_pictures,
    "reply to": lambda: a_letter(sender=a_sender(reply_to="reponse@exämple.org")),
    "accents": lambda: a_letter(
        sender=a_sender(name="« Zoë », la rédaction", email="z@exämple.org")
    ),
    "nameless": lambda: a_letter(sender=a_sender(name="")),
}
PEOPLE: Final = {
    "as usual": a_recipient(),
    "nameless": a_recipient(name="", first_name=""),
    "accents": a_recipient(address="zoe@café.example", name='Zoë « d’Été » <x>, "y"'),
    "no way out": a_recipient(unsubscribe_url=""),
    "its own id": replace(a_recipient(), message_id="<a.b-c@cercle.example>"),
    "bounces": replace(a_recipient(), envelope="bounce+k3J@cercle.example"),
}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("letter", LETTERS)
def test_what_one_person_is_sent_is_valid(prism: Prism, letter: str, person: str) -> None:
    (outcome,) = prism.send(LETTERS[letter](), [PEOPLE[person]])

    assert (outcome.state, outcome.code) == (State.ACCEPTED, "202"), prism.objections()


@pytest.mark.parametrize("letter", ["places", "pictures"])
def test_a_whole_call_of_a_thousand_is_valid(prism: Prism, letter: str) -> None:
    people = [a_recipient(number) for number in range(1000)]

    outcomes = prism.send(LETTERS[letter](), people)

    assert [one.code for one in outcomes] == ["202"] * 1000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=WORDS, name=WORDS, value=WORDS)
def test_any_words_of_a_letter_and_of_a_person_are_valid(
    prism: Prism, subject: str, name: str, value: str
) -> None:
    letter = a_letter(an_edition(subject=f"{subject}{FIRST_NAME}"))

    (outcome,) = prism.send(letter, [a_recipient(name=name, first_name=value)])

    assert outcome.code == "202", [outcome, *prism.objections()]


# --- and the judge can say no -----------------------------------------------------------------


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """Return a body as we send it."""
    with sendgrid_server() as stub:
        provider = open_provider(
            settings=Settings(sendgrid=Sendgrid(host=stub.host)),
            root=Path(),
            environ={"INFOLETTRE_SENDGRID_API_KEY": stub.key},
        )
        list(provider.send(with_pictures(), [a_recipient()]))
        return stub.calls[0]


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def test_a_broken_body_is_refused(prism: Prism, good: dict[str, Any]) -> None:
    person = good["personalizations"][0]
    picture = good["attachments"][0]
    broken = {
        "1,001 people": good | {"personalizations": [person] * 1001},
        "no sender": without(good, "from"),
        "no people": without(good, "personalizations"),
        "content without its kind": good | {"content": [{"value": "x"}]},
        "empty subject": good | {"subject": ""},
        "a number for a value": good | {"personalizations": [person | {"substitutions": {"a": 1}}]},
        "no address": good | {"personalizations": [person | {"to": [{"name": "Zoë"}]}]},
        "an empty picture": good | {"attachments": [without(picture, "content")]},
    }

    assert prism.judge(good) == 202
    assert prism.judge(good | {"personalizations": [person] * 1000}) == 202
    assert {name: prism.judge(body) for name, body in broken.items()} == dict.fromkeys(broken, 400)
    assert prism.judge(good, key="") == 401
