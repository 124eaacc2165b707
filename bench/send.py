"""Sending by SMTP without a database, measured against Postfix's smtp-source in the same run.

``make bench`` runs it small, ``python bench/send.py --full`` with 10,000 messages. Senders take
turns (A B C A B C), each as a process of its own against a fresh smtp-sink on loopback, whose own
count is checked. What counts is the ratio within a round and the processor's time; messages a
second are this machine's, in this run. Needs Postfix's smtp-source and smtp-sink; ``make
bench-peers`` installs Django and nodemailer. With a database: bench/campaign.py.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.delivery.dkim import Signer
    from pipeline.delivery.message import Letter
    from pipeline.delivery.recipient import Recipient
    from pipeline.render.edition import Edition
    from pipeline.settings import Settings

LOOPBACK: Final = "127.0.0.1"
SMALL, FULL, BATCH, ROUNDS, CONNECTIONS = 1000, 10_000, 2000, 3, 10
SLOW: Final = {"smtplib": 10, "django": 5, "nodemailer": 5}  # a share is enough: rates are steady
PEERS: Final = Path(__file__).parent / "peers"
SENDERS: Final = {
    "smtp-source": f"smtp-source ×{CONNECTIONS} (reference)",
    "infolettre": f"infolettre ×{CONNECTIONS}",
    "dkim": f"infolettre ×{CONNECTIONS}, DKIM RSA-2048",
    "nodemailer": f"nodemailer, pool of {CONNECTIONS}",
    "django": "Django, send_messages of 500",
    "smtplib": "smtplib + EmailMessage",
}
NAMES: Final = "Zoë Jörg Anna François Mette Søren Ana Łukasz Inès Bob".split()
SUBJECT: Final = "L’air de Genève, en résumé"
PROSE: Final = (
    "Cette semaine, l’équipe a publié une étude sur la qualité de l’air à Genève : quarante "
    "stations, douze mois, et un résumé qui se lit le temps d’un café."
)

Command = Callable[[int], list[str]]


@dataclass(frozen=True)
class Run:
    """One sender's turn: messages a second, seconds of processor per 1,000, peak memory in MB."""

    rate: float
    cpu: float
    memory: float


# --- what is sent -----------------------------------------------------------------------------


def make_sources(*, places: bool) -> tuple[str, str]:
    """Return HTML and text with 26 personal places: merge tags, or braces for ``str.format``."""
    from pipeline.text.merge import MergeTag, encode

    def place(name: str) -> str:
        return encode(MergeTag(name, "")) if places else f"{{{name}}}"

    link = place("preferences_url")
    html = [f"<!DOCTYPE html><html lang='fr'><body><p>Bonjour {place('first_name')},</p>"]
    text = [f"Bonjour {place('first_name')},", ""]
    for number in range(170):
        html.append(f'<tr><td style="padding:8px 16px;font:16px/1.5 serif">{PROSE}</td></tr>')
        if number % 8 == 0:
            text += [PROSE, ""]
        if number % 6 == 0 and number < 24 * 6:
            html.append(f'<p><a href="{link}">Lire l’article {number}</a></p>')
    html.append(f'<p><a href="{place("unsubscribe_url")}">Se désabonner</a></p></body></html>')
    text.append(f"Se désabonner : {place('unsubscribe_url')}")
    return "\n".join(html) + "\n", "\n".join(text) + "\n"


def make_edition(slug: str) -> "Edition":
    from pipeline.render.edition import Edition

    html, text = make_sources(places=True)
    return Edition(
        slug=slug, number=1, date=date(2026, 10, 1), language="fr", title="Essai",
        sender="essai", subject=SUBJECT, preheader="", html=html, text=text, web="", web_url="",
    )  # fmt: skip


def make_settings(port: int = 25) -> "Settings":
    from pipeline.settings import Organisation, Sender, Settings, Site, Smtp

    return Settings(
        site=Site(name="Essai", url="https://lettre.example"),
        organisation=Organisation(contact="contact@lettre.example"),
        senders={"essai": Sender(name="La rédaction", email="redaction@lettre.example")},
        smtp=Smtp(host=LOOPBACK, port=port, security="none", connections=CONNECTIONS),
    )


def make_letter() -> "Letter":
    from pipeline.delivery.message import compile_letter

    settings = make_settings()
    edition = make_edition("2026-10-01-essai")
    return compile_letter(edition, sender=settings.senders["essai"], settings=settings, pictures={})


def people(count: int) -> "Iterator[Recipient]":
    from pipeline.delivery.recipient import Recipient

    for number in range(count):
        link = f"https://lettre.example/preferences/{number:032x}"
        yield Recipient(
            id=f"{number:08}",
            address=f"personne.{number}@exemple.example",
            name=f"{NAMES[number % 10]} Personne {number}",
            values={"first_name": NAMES[number % 10], "preferences_url": link},
            unsubscribe_url=f"https://lettre.example/desabonnement/{number:032x}",
        )


# --- the senders: each runs in a process of its own, and says how long it took ------------------


def send_ours(port: int, count: int, *, signed: bool) -> float:
    """Send as the pipeline does, in batches; return the seconds that it took."""
    from pipeline.delivery.ports import State
    from pipeline.delivery.providers.smtp import SmtpProvider

    provider = SmtpProvider(
        make_settings(port).smtp,
        password="",
        context=None,
        signer=make_key() if signed else None,
    )
    letter, everybody = make_letter(), people(count)
    start = time.perf_counter()
    while batch := list(islice(everybody, BATCH)):
        for outcome in provider.send(letter, batch):
            if outcome.state is not State.ACCEPTED:
                raise SystemExit(str(outcome))
    provider.close()
    return time.perf_counter() - start


def make_key() -> "Signer":
    from cryptography.hazmat.primitives.asymmetric import rsa

    from pipeline.delivery.dkim import Signer

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Signer(domain="lettre.example", selector="essai", key=key)


def sign_alone(count: int) -> float:
    """Fill and sign messages without sending them; return how many a second, on one core."""
    letter, signer, now = make_letter(), make_key(), datetime.now(UTC)
    start = time.process_time()
    for person in people(count):
        signer.sign(letter.fill(person, date=now), now=now)
    return count / (time.process_time() - start)


def send_naively(port: int, count: int) -> float:
    """Send as a tutorial does: an EmailMessage a person, over one connection."""
    import smtplib

    html, text = make_sources(places=False)
    start = time.perf_counter()
    with smtplib.SMTP(LOOPBACK, port, local_hostname="localhost") as server:
        for person in people(count):
            values = {**person.values, "unsubscribe_url": person.unsubscribe_url}
            message = EmailMessage()
            message["From"] = "La rédaction <redaction@lettre.example>"
            message["To"] = f"{person.name} <{person.address}>"
            message["Subject"] = SUBJECT
            message["Date"] = format_datetime(datetime.now(UTC))
            message["Message-ID"] = f"<{person.id}@lettre.example>"
            message["List-Unsubscribe"] = f"<{person.unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            message.set_content(text.format(**values), cte="quoted-printable")
            message.add_alternative(html.format(**values), subtype="html", cte="quoted-printable")
            server.send_message(message)
    return time.perf_counter() - start


def send(sender: str, port: int, count: int) -> float:
    if sender == "smtplib":
        return send_naively(port, count)
    return send_ours(port, count, signed=sender == "dkim")


# --- the turns --------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def start_sink(port: int, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a sink that counts, and wait until it listens."""
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = ["smtp-sink", *user, "-c", "-m", "512", f"{LOOPBACK}:{port}", "1000"]
    with (folder / "sink").open("wb") as out:
        sink = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    for _ in range(300):
        try:
            socket.create_connection((LOOPBACK, port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return sink
    raise SystemExit("smtp-sink does not listen")


def counted(folder: Path) -> int:
    """Return how many messages the sink says that it took."""
    found = re.findall(rb"mesg=(\d+)|msgs? *= *(\d+)", (folder / "sink").read_bytes())
    return int(found[-1][0] or found[-1][1]) if found else 0


def write_letter(folder: Path) -> Path:
    """Write the letter for the senders in other languages and environments."""
    html, text = make_sources(places=False)
    facts = {"subject": SUBJECT, "html": html, "text": text, "names": NAMES}
    file = folder / "letter.json"
    file.write_text(json.dumps(facts | {"connections": CONNECTIONS}))
    return file


def command_of(sender: str, port: int, *, count: int, size: int, folder: Path) -> list[str]:
    """Return what runs a sender in a process of its own; all but smtp-source print seconds."""
    if sender == "smtp-source":
        return [
            "smtp-source", "-d", "-s", str(CONNECTIONS), "-m", str(count), "-l", str(size),
            "-M", "bench.example", "-f", "a@lettre.example", "-t", "b@exemple.example",
            f"{LOOPBACK}:{port}",
        ]  # fmt: skip
    there = Path(__file__).parent
    runners = {
        "django": [str(PEERS / "venv/bin/python"), str(there / "peer_django.py")],
        "nodemailer": ["node", str(there / "peer_mail.mjs")],
    }
    if sender in runners:
        return [*runners[sender], str(port), str(count), str(write_letter(folder))]
    return [sys.executable, __file__, "--sender", sender, str(port), str(count)]


def installed_senders() -> list[str]:
    """Return the senders that are here; ``make bench-peers`` installs the others."""
    needs = {"django": PEERS / "venv/bin/python", "nodemailer": PEERS / "node_modules/nodemailer"}
    return [name for name in SENDERS if name not in needs or needs[name].exists()]


def take_turn(sender: str, *, count: int, size: int, command: Command | None = None) -> Run:
    """Run one sender against a sink of its own, and check what the sink counted.

    ``command`` makes that of a sender which is not in this file, from the port. A sender prints
    the seconds that it took; one that knows better than the kernel also those of the processor
    without its start, and its peak memory in MB.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        port = free_port()
        sink = start_sink(port, folder)
        if command is None:
            words = command_of(sender, port, count=count, size=size, folder=folder)
        else:
            words = command(port)
        start = time.perf_counter()
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        told = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        time.sleep(0.05)
        sink.terminate()
        sink.wait()
        if child.returncode or counted(folder) != count:
            raise SystemExit(f"{sender} failed: {counted(folder)} of {count} arrived")
    busy, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    seconds, *more = map(float, told.split()) if sender != "smtp-source" else (wall,)
    if more:
        busy, memory = more
    return Run(count / seconds, busy / count * 1000, memory)


def report(runs: dict[str, list[Run]], names: dict[str, str]) -> None:
    """Print a table; a ratio is the median of those to smtp-source in the same round."""
    reference = runs["smtp-source"]
    print(f"  {'':38}{'messages/s':>22}{'ratio':>8}{'CPU s/1k':>10}{'peak MB':>9}")
    for sender, turns in runs.items():
        rates = [turn.rate for turn in turns]
        ratio = statistics.median(
            turn.rate / other.rate for turn, other in zip(turns, reference, strict=True)
        )
        spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
        cpu = statistics.median(turn.cpu for turn in turns)
        memory = max(turn.memory for turn in turns)
        print(f"  {names[sender]:38}{spread:>22}{ratio:8.3f}{cpu:10.3f}{memory:9.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} messages a turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sender", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sender:
        sender, port, number = asked.sender
        print(send(sender, int(port), int(number)))
        return
    if not (shutil.which("smtp-source") and shutil.which("smtp-sink")):
        print("  no peer: sending is measured against Postfix's smtp-source and smtp-sink")
        return
    count = FULL if asked.full else SMALL
    letter = make_letter()
    size = len(letter.fill(next(people(1)), date=datetime.now(UTC)))
    print(f"sending {count:,} messages of {size / 1000:.0f} kB; load {os.getloadavg()[0]:.1f}")
    runs: dict[str, list[Run]] = {sender: [] for sender in installed_senders()}
    for _ in range(asked.rounds):
        for sender, turns in runs.items():
            share = count // SLOW.get(sender, 1)
            turns.append(take_turn(sender, count=share, size=size))
    report(runs, SENDERS)
    print(f"  filled and signed with RSA-2048, on one core: {sign_alone(count):,.0f} a second")


if __name__ == "__main__":
    main()
