"""Addresses of YouTube: one video has a dozen of them, and one is its own."""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pipeline.veille.links import host_of

_HOSTS: Final = frozenset({"youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"})
_ID: Final = re.compile(r"[\w-]{11}", re.ASCII)
_PATH: Final = re.compile(r"/(?:shorts|live|embed|v)/([^/]+)/?")


def video_url(url: str) -> str:
    """Return the address of the video that ``url`` shows, without list and moment, or ``""``.

    >>> video_url("https://youtu.be/abcdefghijk?t=42")
    'https://www.youtube.com/watch?v=abcdefghijk'
    """
    host = host_of(url)
    if host not in _HOSTS:
        return ""
    parts = urlsplit(url)
    if host == "youtu.be":
        found = parts.path.strip("/")
    elif match := _PATH.fullmatch(parts.path):
        found = match[1]
    elif parts.path == "/watch":
        found = parse_qs(parts.query).get("v", [""])[0]
    else:
        return ""
    return f"https://www.youtube.com/watch?v={found}" if _ID.fullmatch(found) else ""
