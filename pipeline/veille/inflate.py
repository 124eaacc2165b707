"""The bytes of an answer, inflated as they come and never beyond a bound.

A megabyte of gzip can hold a gigabyte. What arrives is counted as it is *after* inflating, and
the inflater is never asked for more than one byte above the bound.
"""

import zlib
from typing import Final

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW: Final = -zlib.MAX_WBITS  # some servers send "deflate" without zlib's frame (RFC 9110 8.4.1.2)
ENCODINGS: Final = ("", "identity", "gzip", "x-gzip", "deflate")


class TooLarge(Exception):
    """The body is larger than the bound."""


class Body:
    """Collects one body of at most ``limit`` bytes; ``encoding`` is one of ENCODINGS."""

    def __init__(self, *, encoding: str, limit: int) -> None:
        self.limit = limit
        self.data = bytearray()
        self._received = 0
        self._inflater = None if encoding in ("", "identity") else zlib.decompressobj(_GZIP_OR_ZLIB)
        self._may_be_raw = encoding == "deflate"

    @property
    def is_complete(self) -> bool:
        """Say whether the compressed stream reached its own end."""
        return self._inflater is None or self._inflater.eof

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes; raises TooLarge, or ``zlib.error`` where they are damaged."""
        self._received += len(chunk)
        if self._received > self.limit:  # an endless row of empty gzip members inflates to nothing
            raise TooLarge
        if self._inflater is None:
            self._keep(chunk)
            return
        while chunk:
            if self._inflater.eof:
                if not chunk.startswith(b"\x1f\x8b"):
                    return  # padding; a further member (RFC 1952 2.2) would begin so
                self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
            self._keep(self._inflate(chunk))
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def _inflate(self, chunk: bytes) -> bytes:
        room = self.limit - len(self.data) + 1
        if self._inflater is None:
            return chunk
        try:
            return self._inflater.decompress(chunk, room)
        except zlib.error:
            if not self._may_be_raw or self.data:
                raise
        self._inflater = zlib.decompressobj(_RAW)
        self._may_be_raw = False
        return self._inflater.decompress(chunk, room)

    def _keep(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self.limit:
            raise TooLarge
