"""Which addresses may be fetched."""

import pytest

from pipeline.errors import FetchError, InputError
from pipeline.veille.addresses import is_allowed, read_networks, vet_url


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1",  # mapped
        "::127.0.0.1",  # compatible
        "2002:7f00:1::", "2002:a00:1::1",  # 6to4
        "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1",  # NAT64
        "2001:0:7f00:1::",  # Teredo
        "nom.example", "",
    ],
)  # fmt: skip
def test_addresses_that_lead_inside_are_refused(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "9.9.9.9",
        "93.184.215.14",
        "2620:fe::fe",
        "::ffff:9.9.9.9",
        "64:ff9b::9.9.9.9",
        "2002:909:909::1",
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)


def test_a_network_named_in_the_settings_is_allowed_and_no_other() -> None:
    networks = read_networks(("10.1.0.0/16", "::1"))

    assert is_allowed("10.1.2.3", networks)
    assert is_allowed("::ffff:10.1.2.3", networks)
    assert is_allowed("::1", networks)
    assert not is_allowed("10.2.0.1", networks)
    assert not is_allowed("127.0.0.1", networks)


def test_a_setting_that_is_no_network_is_named() -> None:
    with pytest.raises(InputError, match="“le bureau” is no network"):
        read_networks(("10.0.0.0/8", "le bureau"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0x7f000001", "0177.0.0.1", "127.0.0.1.",
        "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "①②⑦.0.0.1", "１２７.0.0.1",
        "127。0。0。1", "9.9.9", "0x",
    ],
)  # fmt: skip
def test_numbers_that_lead_inside_are_refused_in_every_notation(host: str) -> None:
    with pytest.raises(FetchError):
        vet_url(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://a.example/", "gopher://a.example/", "//a.example/",
        "a.example", "http://", "http:///x", "http://[::1", "http://a.example:99999/", "",
        "javascript:1",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(FetchError, match="no web address"):
        vet_url(url)


@pytest.mark.parametrize("user", ["ada:secret", "ada", ":secret"])
def test_a_password_is_refused_and_never_repeated(user: str) -> None:
    with pytest.raises(FetchError, match="user name or password") as caught:
        vet_url(f"https://{user}@a.example/")

    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.facts)


def test_names_and_public_addresses_pass() -> None:
    for url in (
        "https://a.example/x",
        "http://9.9.9.9:8080/",
        "https://[2620:fe::fe]/",
        "https://7.example/",
    ):
        assert vet_url(url).host
