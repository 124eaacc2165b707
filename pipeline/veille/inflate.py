"""The bytes of an answer, inflated as they come and never beyond a bound.

A megabyte of gzip can hold a gigabyte. What arrives is counted as it is *after* inflating, and
the inflater is never asked for more than one byte above the bound.
"""

import zlib
from typing import Final

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW: Final = (
    -zlib.MAX_WBITS
)  # some servers send "deflate" without zlib's frame (RFC 9110, 8.4.1.2)
ENCODINGS: Final = ("", "identity", "gzip", "x-gzip", "deflate")


class TooLarge(Exception):
    """The body is larger than the bound."""


class Body:
    """Collects one body of at most ``limit`` bytes; ``encoding`` is one of ENCODINGS."""

    def __init__(self, *, encoding: str, limit: int) -> None:
        self.limit = limit
        self.data = bytearray()
        self._is_packed = encoding not in ("", "identity")
        self._received = 0
        self._head = b""
        self._inflater: zlib._Decompress | None = None

    @property
    def is_complete(self) -> bool:
        """Say whether the compressed stream reached its own end."""
        return not self._is_packed or (self._inflater is not None and self._inflater.eof)

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes; raises TooLarge, or ``zlib.error`` where they are damaged."""
        self._received += len(chunk)
        if self._received > self.limit:  # an endless row of empty gzip members inflates to nothing
            raise TooLarge
        if not self._is_packed:
            self._keep(chunk)
            return
        if self._inflater is None:
            self._head += chunk
            if len(self._head) < 2:
                return
            self._inflater, chunk = zlib.decompressobj(_frame_of(self._head)), self._head
        self._inflate(chunk, self._inflater)

    def _inflate(self, chunk: bytes, inflater: "zlib._Decompress") -> None:
        while chunk:
            if inflater.eof:
                if not chunk.startswith(b"\x1f"):
                    return  # padding; a further member (RFC 1952, 2.2) would begin so
                inflater = self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
            self._keep(inflater.decompress(chunk, self.limit - len(self.data) + 1))
            chunk = inflater.unconsumed_tail or inflater.unused_data

    def _keep(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self.limit:
            raise TooLarge


def _frame_of(head: bytes) -> int:
    """Return zlib's ``wbits`` for a stream by its first two bytes (RFC 1950 2.2, RFC 1952 2.3)."""
    is_zlib = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return _GZIP_OR_ZLIB if is_zlib or head[:2] == b"\x1f\x8b" else _RAW
