"""What every test gets: no network but loopback, a clean environment, real components or a skip."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests.databases import engine, new_engine, postgres, sqlite_file  # noqa: F401 - fixtures

#: What a test needs beyond Python, and the one line that installs it on Debian.
COMPONENTS = {
    "chromium": ("chromium", "apt-get install chromium fonts-noto-color-emoji"),
}
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")

_LOOPBACK = ("127.", "::1", "localhost")


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
        raise RuntimeError(f"a test reached for {address}: only loopback is allowed")


sys.addaudithook(_loopback_only)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden letters anew")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("INFOLETTRE_"):
            monkeypatch.delenv(name)


def component(name: str) -> str:
    """Return the program of a component; skip where it is missing, fail where CI=true."""
    program, install = COMPONENTS[name]
    if found := shutil.which(program):
        return found
    reason = f"{name} is missing: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Debian's Chromium."""
    return component("chromium")


#: Without them Chromium looks for Google's hosts at each start.
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")  # a longer life would leave its event loop to other modules
def browser(chromium: str) -> Iterator[Browser]:
    """Return a headless Chromium; a test opens its own pages in it."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield found
        found.close()
