"""Rendering, measured against npm mjml + juice on the same MJML, in the same run.

``make bench`` runs it; ``make bench-peers`` installs the peers. Commands are run in turn (A B A B),
each as a whole process with the kernel's own account of its time and memory. What counts is the
ratio; the milliseconds are this machine's, in this run.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.issues.issue import Issue
    from pipeline.render.compose import Press
    from pipeline.workspace import Workspace

ROOT = Path(__file__).parent.parent
PEER = Path(__file__).parent / "peer.mjs"
WARM, COLD, FILLS = 30, 7, 100_000


@dataclass(frozen=True)
class Run:
    """One process: seconds on the wall, seconds of processor, peak resident memory in MB."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str]) -> Run:
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed")
    return Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def newest_long_letter(workspace: "Workspace") -> Path:
    """Return the newest letter of 2,000 words or more."""
    for folder in reversed(workspace.all_issues()):
        if words((folder / "issue.yaml").read_text()) >= 2000:
            return folder
    raise SystemExit("there is no long letter to measure")


def words(source: str) -> int:
    """Return the words of a letter's texts, without keys, addresses and comments."""
    from pipeline.text.document import parse_document, walk

    values = parse_document(source.encode(), path="issue.yaml").values
    texts = (one for _, one in walk(values) if isinstance(one, str) and "://" not in one[:9])
    return sum(len(text.split()) for text in texts)


def median_ms(call: Callable[[int], object], *, times: int = WARM) -> float:
    taken = []
    for turn in range(times):
        start = time.perf_counter()
        call(turn)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def variants(source: str, *, all_blocks: bool) -> list[str]:
    """Return the letter again and again, its prose changed in one block, or in every one.

    The one block is another each time, long ones and short ones.
    """
    from pipeline.issues.edit import set_value
    from pipeline.text.document import parse_document, walk

    values = parse_document(source.encode(), path="x").values
    bodies = [
        (path, text)
        for path, text in walk(values)
        if isinstance(text, str) and path and path[-1] in ("body", "intro", "quote")
    ]
    found = []
    for turn in range(WARM + 1):
        text = source
        for path, old in bodies if all_blocks else [bodies[turn % len(bodies)]]:
            text = set_value(text, path, f"Essai {turn}. {old}")
        found.append(text)
    return found


def bench_warm(workspace: "Workspace", press: "Press", folder: Path) -> None:
    from pipeline.issues.folder import read_images
    from pipeline.issues.issue import make_issue
    from pipeline.render.inline import inline_css
    from pipeline.render.letter import make_mjml, render_edition
    from pipeline.render.mjml import to_html
    from pipeline.text.document import parse_document

    source = (folder / "issue.yaml").read_text()

    def read(text: str) -> "Issue":
        return make_issue(
            parse_document(text.encode(), path="issue.yaml"),
            slug=folder.name,
            library=press.library,
            images={image.path: image for image in read_images(folder)},
            senders=workspace.settings.senders,
        )

    for title, texts in (
        ("the same letter", [source] * (WARM + 1)),
        ("one block changed", variants(source, all_blocks=False)),
        ("every text changed", variants(source, all_blocks=True)),
    ):

        def render(turn: int, texts: list[str] = texts) -> object:
            return render_edition(read(texts[turn]), press)

        render(WARM)
        print(f"  warm, issue.yaml to three outputs, {title:<19}{median_ms(render):9.1f} ms")
    mjml = [make_mjml(read(text), press) for text in variants(source, all_blocks=True)]
    taken = median_ms(lambda turn: inline_css(to_html(mjml[turn])))
    print(f"  of which MJML to inlined HTML{'':25}{taken:9.1f} ms")


def bench_fill(workspace: "Workspace", press: "Press", folder: Path) -> None:
    from pipeline.cli.open import open_issue
    from pipeline.delivery.message import compile_letter
    from pipeline.delivery.ports import Recipient
    from pipeline.render.letter import render_edition
    from pipeline.render.view import viewed_html

    edition = render_edition(open_issue(workspace, folder, press), press)
    letter = compile_letter(
        edition,
        sender=workspace.settings.senders[edition.sender],
        settings=workspace.settings,
        pictures={},
    )
    now = datetime.now(UTC)
    people = [
        Recipient(
            id=f"{number:08}",
            address=f"personne.{number}@exemple.example",
            name=f"Zoé Personne {number}",
            values={"first_name": f"Zoé {number}"},
            unsubscribe_url=f"https://lettre.example/desabonnement/{number:032}",
        )
        for number in range(FILLS)
    ]
    size = len(letter.fill(people[0], date=now))
    start = time.process_time()
    for person in people:
        letter.fill(person, date=now)
    rate = FILLS / (time.process_time() - start)
    print(f"  fill a message of {size / 1000:.0f} kB, a second of one core{rate:18,.0f}")
    octets = len(viewed_html(edition).encode())
    print(f"  HTML {octets / 1000:.1f} kB, as sent {letter.html_octets / 1000:.1f} kB")


def bench_cold(folder: str, mjml: Path) -> None:
    """Run both commands in turn; this process stays small, for a child's peak begins with it."""
    ours = [str(Path(sys.executable).parent / "infolettre"), "render", folder,
            "--out", str(mjml.parent)]  # fmt: skip
    theirs = ["node", str(PEER), str(mjml), str(mjml.parent / "peer.html")]
    has_peer = shutil.which("node") and (Path(__file__).parent / "peers/node_modules").is_dir()
    measure(ours)
    pairs = [(measure(ours), measure(theirs) if has_peer else None) for _ in range(COLD)]
    for name, pick in (("infolettre render", 0), ("node mjml + juice", 1)):
        runs = [run for pair in pairs if (run := pair[pick])]
        if runs:
            print(
                f"  cold, {name:<18} wall {statistics.median(r.wall for r in runs):5.2f} s"
                f"  cpu {statistics.median(r.cpu for r in runs):5.2f} s"
                f"  peak {max(r.memory for r in runs):4.0f} MB"
            )
    ratios = [a.wall / b.wall for a, b in pairs if b]
    if ratios:
        print(
            f"  infolettre / node, wall, pair by pair: {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    else:
        print("  no peer: make bench-peers (needs node and npm)")


def prepare(target: Path) -> None:
    """Write the MJML for the peer, make the pictures, and print which letter it is."""
    from pipeline.cli.open import make_pictures, open_issue, open_press
    from pipeline.render.letter import make_mjml, render_edition
    from pipeline.workspace import find_workspace

    workspace = find_workspace(ROOT)
    press = open_press(workspace)
    folder = newest_long_letter(workspace)
    issue = open_issue(workspace, folder, press)
    make_pictures(render_edition(issue, press), folder, workspace)
    target.write_text(make_mjml(issue, press))
    print(f"{folder.name} {words((folder / 'issue.yaml').read_text())} {len(issue.parts)}")


def main() -> None:
    os.chdir(ROOT)
    if len(sys.argv) == 3 and sys.argv[1] == "--prepare":
        prepare(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        mjml = Path(temporary) / "letter.mjml"
        command = [sys.executable, __file__, "--prepare", str(mjml)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"{told[0]}: {int(told[1]):,} words, {told[2]} blocks")
        bench_cold(told[0], mjml)
    from pipeline.cli.open import open_press
    from pipeline.workspace import find_workspace

    workspace = find_workspace(ROOT)
    press = open_press(workspace)
    folder = newest_long_letter(workspace)
    bench_warm(workspace, press, folder)
    bench_fill(workspace, press, folder)


if __name__ == "__main__":
    main()
