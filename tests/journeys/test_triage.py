"""A curator clears the entries in a real terminal, and leaves it as it was."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.store.engine import writing
from pipeline.store.entries import entry
from pipeline.store.upgrade import opened_store
from pipeline.veille.card import Card, Filter
from pipeline.veille.entries import list_cards
from pipeline.veille.rows import row_of
from pipeline.veille.states import State
from tests.journeys.workshop import COMMAND, NEWEST, copy_workspace, run
from tests.veille.builders import an_entry

TITLES = ("Le café qui éteint", "Un wiki", "Trois cartes", "Quatre voix", "Cinq sens")
DATABASE = "sqlite:///var/infolettre.db"
PATIENCE = 30.0  # seconds


@dataclass
class Terminal:
    """A terminal of tmux with a shell in it."""

    socket: Path
    folder: Path

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout

    def start(self, width: int, height: int) -> None:
        size = ["-x", str(width), "-y", str(height)]
        self.tmux("new-session", "-d", "-s", "desk", *size, "-c", str(self.folder), "/bin/sh")
        self.type("PS1='ready> '; clear")
        self.until(lambda screen: screen.strip() == "ready>")

    def type(self, line: str) -> None:
        self.tmux("send-keys", "-t", "desk", "-l", line)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "desk", *keys)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-t", "desk", "-p")

    def shows(self, text: str) -> None:
        """Wait until the screen shows ``text``."""
        self.until(lambda screen: text in screen, text)

    def until(self, holds: Callable[[str], bool], wanted: str = "") -> None:
        end = time.monotonic() + PATIENCE
        while not holds(screen := self.screen()):
            assert time.monotonic() < end, f"{wanted!r} was not shown:\n{screen}"
            time.sleep(0.05)  # a terminal tells nobody that it changed


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = copy_workspace(tmp_path / "cercle", NEWEST)
    rows = []
    for number, title in enumerate(TITLES):
        at = datetime(2026, 11, 20, 8, tzinfo=UTC) - timedelta(minutes=number)
        one = an_entry(f"https://revue.example/{number}", title=title, published_at=at)
        decided = {"state": "new", "state_at": at, "state_by": "", "rule": "", "issue": ""}
        rows.append(row_of(one) | decided | {"note": ""})
    with opened_store(DATABASE, folder) as engine, writing(engine) as connection:
        connection.execute(insert(entry), rows)
    return folder


@pytest.fixture
def terminal(workspace: Path, tmp_path: Path) -> Iterator[Terminal]:
    if not shutil.which("tmux"):
        if os.environ.get("CI") == "true":
            pytest.fail("tmux is missing: apt-get install tmux")
        pytest.skip("tmux is missing: apt-get install tmux")
    found = Terminal(tmp_path / "tmux", workspace)
    found.start(120, 34)
    yield found
    found.tmux("kill-server")


def cards(workspace: Path) -> dict[str, Card]:
    with opened_store(DATABASE, workspace) as engine:
        return {card.entry.title: card for card in list_cards(engine, Filter()).cards}


def opened(terminal: Terminal, *options: str, **environ: str) -> None:
    said = {"INFOLETTRE_LANGUAGE": "en", "INFOLETTRE_CURATOR": "Ada", "TERM": "screen-256color"}
    named = " ".join(f"{name}={shlex.quote(text)}" for name, text in (said | environ).items())
    terminal.type(f"env {named} {COMMAND} veille triage {' '.join(options)}")
    terminal.shows("5 to sort")


def is_clean(terminal: Terminal) -> None:
    """See the shell again, on its own screen and with a terminal that echoes whole lines."""
    terminal.until(lambda screen: screen.rstrip().endswith("ready>"), "the shell")
    assert "to sort" not in terminal.screen()
    terminal.type('stty -a | grep -o " icanon" && stty -a | grep -o " echo " && echo "ended $?"')
    terminal.shows("ended 0")
    assert terminal.tmux("display", "-p", "#{alternate_on} #{mouse_any_flag}").split() == ["0", "0"]


def test_a_curator_clears_the_entries_by_keyboard(terminal: Terminal, workspace: Path) -> None:
    opened(terminal)
    terminal.press("Enter")
    terminal.shows("Kept: “Le café qui éteint”")
    terminal.press("x")
    terminal.shows("Discarded: “Un wiki”")
    assert cards(workspace)["Un wiki"].state is State.DISCARDED  # at once, not at the end
    terminal.press("u")
    terminal.shows("Undone: “Un wiki”")
    terminal.press("t")
    terminal.shows("Tags of this entry")
    terminal.type("école, données")
    terminal.shows("Tags of “Un wiki” written")
    terminal.press("j", "n")
    terminal.shows("Note on “Trois cartes”")
    terminal.tmux("send-keys", "-t", "desk", "-l", "À lire d’abord.")
    terminal.shows("À lire d’abord.")
    terminal.press("Escape")
    terminal.shows("Note on “Trois cartes” written")
    terminal.press("j", "a")
    terminal.shows("For which letter is “Quatre voix”?")
    terminal.press("Enter")
    terminal.shows(f"“Quatre voix” is for {NEWEST}")
    terminal.press("q")
    is_clean(terminal)
    found = cards(workspace)
    assert {title: card.state for title, card in found.items()} == {
        "Le café qui éteint": State.KEPT,
        "Un wiki": State.NEW,
        "Trois cartes": State.NEW,
        "Quatre voix": State.KEPT,  # what is meant for a letter is kept
        "Cinq sens": State.NEW,
    }
    assert found["Le café qui éteint"].state_by == "Ada"
    assert found["Un wiki"].tags == ("données", "école")
    assert found["Trois cartes"].note == "À lire d’abord."
    assert found["Quatre voix"].issue == NEWEST


@pytest.mark.parametrize("end", ["C-c", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_however_it_ends_the_terminal_is_clean_and_nothing_is_lost(
    terminal: Terminal, workspace: Path, end: str | signal.Signals
) -> None:
    opened(terminal)
    terminal.press("Enter")
    terminal.shows("Kept: “Le café qui éteint”")
    if isinstance(end, str):
        terminal.press(end)
    else:
        shell = int(terminal.tmux("display", "-p", "#{pane_pid}"))
        os.kill(child_of(shell), end)
    is_clean(terminal)
    assert cards(workspace)["Le café qui éteint"].state is State.KEPT


def child_of(shell: int) -> int:
    return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])


def test_without_colours_what_is_chosen_is_seen_still(terminal: Terminal) -> None:
    opened(terminal, NO_COLOR="1")
    shown = terminal.tmux("capture-pane", "-t", "desk", "-p", "-e")
    assert not any(f"\x1b[{code}m" in shown for code in range(30, 38))
    assert any("\x1b[" in line and ";7m" in line and "café" in line for line in shown.split("\n"))
    terminal.press("q")
    is_clean(terminal)


def test_the_options_say_what_is_shown_first(terminal: Terminal, workspace: Path) -> None:
    said = {"INFOLETTRE_LANGUAGE": "en"}
    run(workspace, "veille", "keep", cards(workspace)["Un wiki"].entry.id, **said)
    line = f"INFOLETTRE_LANGUAGE=en {COMMAND} veille triage --state all --search wiki"
    terminal.type(f"{line} --watchlist numerique --days 3650 --issue {NEWEST}")
    terminal.shows("All entries · Numérique et société · “wiki” · since")
    assert "Trois cartes" not in terminal.screen()
    terminal.press("q")
    is_clean(terminal)


def test_without_a_terminal_it_says_what_to_use_instead(workspace: Path) -> None:
    done = run(workspace, "veille", "triage", INFOLETTRE_LANGUAGE="en")
    assert done.code == 1
    assert "infolettre veille list" in done.err


def test_textual_loads_only_when_the_reader_opens() -> None:
    program = (
        "import sys; import pipeline.cli.reader.command;"
        "print([name for name in sys.modules if name.split('.')[0] in ('textual', 'rich')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
