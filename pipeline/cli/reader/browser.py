"""A page opened in the browser of this machine, where there is one that leaves the screen alone."""

import webbrowser
from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = ("http", "https")


def open_page(url: str) -> bool:
    """Open a web page; False where there is no browser, or only one that runs in the terminal.

    Nothing but a web page is opened: an entry's address is whatever its feed said.
    """
    try:
        if urlsplit(url).scheme.lower() not in _SCHEMES:
            return False
        browser = webbrowser.get()
        if type(browser) is webbrowser.GenericBrowser:  # lynx, w3m: it would draw over the reader
            return False
        return browser.open(url)
    except (webbrowser.Error, OSError, ValueError):
        return False
