"""Compressed bodies, inflated within a bound."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.veille.inflate import Body, TooLarge


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]) + b"\0\0",
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
}


@pytest.mark.parametrize("encoding", PACKERS)
@given(data=st.binary(max_size=300), step=st.integers(1, 50))
def test_a_body_comes_back_however_it_is_cut(encoding: str, data: bytes, step: int) -> None:
    packed = PACKERS[encoding](data)
    body = Body(encoding=encoding.strip(), limit=2000)

    for start in range(0, len(packed), step):
        body.add(packed[start : start + step])

    assert bytes(body.data) == data
    assert body.is_complete


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_before_it_fills_the_memory(encoding: str) -> None:
    bomb = PACKERS[encoding](b"\0" * 50_000_000)
    body = Body(encoding=encoding, limit=1_000_000)

    with pytest.raises(TooLarge):
        body.add(bomb)
    assert len(body.data) <= 1_000_001


def test_an_endless_row_of_empty_members_is_stopped() -> None:
    body = Body(encoding="gzip", limit=1000)

    with pytest.raises(TooLarge):
        body.add(gzip.compress(b"") * 100)


def test_a_body_that_breaks_off_is_not_complete() -> None:
    body = Body(encoding="gzip", limit=10_000)
    body.add(gzip.compress(bytes(range(256)))[:-9])

    assert not body.is_complete


def test_damage_is_told() -> None:
    with pytest.raises(zlib.error):
        Body(encoding="gzip", limit=10_000).add(b"<rss>not compressed</rss>")
