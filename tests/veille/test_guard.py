"""The guard on real sockets: nothing inside is reached, by whatever road."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest
import trustme

from pipeline.errors import FetchError
from pipeline.settings import Veille
from pipeline.veille.fetch import VettingResolver
from tests.veille.asking import bad, good, redirect
from tests.veille.builders import rss, rss_item
from tests.veille.server import Site, serving

FEED = rss(rss_item())


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://[::ffff:127.0.0.2]:{port}/secret",
        "http://0x7f000002:{port}/secret",
        "http://2130706434:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://ada:x@127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_redirect_inside_is_refused_before_any_connection(site: Site, target: str) -> None:
    site.put("/secret", FEED)
    site.answers["/f"] = redirect(target.format(port=site.port))

    error = bad(site.url("/f"))

    assert not error.retryable
    assert site.paths() == ["/f"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"]
)
def test_without_leave_nothing_on_loopback_is_fetched(site: Site, host: str) -> None:
    error = bad(site.url("/f", host), veille=Veille())

    assert "private or reserved" in str(error)
    assert "veille.allow_private" in str(error)
    assert site.requests == []


def test_a_name_is_refused_when_one_of_its_addresses_leads_inside() -> None:
    async def run() -> None:
        await VettingResolver(()).resolve("localhost", 80)

    with pytest.raises(FetchError, match="localhost leads to a private"):
        asyncio.run(run())


def test_a_proxy_of_the_environment_is_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")

    assert good(site.put("/f", FEED)).body == FEED


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_site(authority: trustme.CA) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(context) as one:
        yield one


def test_over_tls_the_certificate_is_that_of_the_name(
    authority: trustme.CA, secure_site: Site
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    secure_site.put("/f", FEED)
    leave = Veille(allow_private=("127.0.0.0/8", "::1"), timeout=5.0)

    assert good(secure_site.url("/f", "localhost"), tls=trusting, veille=leave).body == FEED
    wrong_name = bad(secure_site.url("/f"), tls=trusting, veille=leave)
    unknown_authority = bad(secure_site.url("/f", "localhost"), veille=leave)

    assert "certificate is not valid" in str(wrong_name)
    assert "certificate is not valid" in str(unknown_authority)
