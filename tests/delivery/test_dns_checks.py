"""What the DNS says of a sender's domain, asked of a real resolver's stub on loopback."""

import base64
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.dns_checks import (
    Dkim,
    UnreachableDns,
    check_reverse,
    check_sender,
    judge_dkim,
    judge_spf,
    open_resolver,
    organisational_domain,
)
from pipeline.delivery.findings import Finding, Level
from tests.servers import LOOPBACK, free_port
from tests.zones import Zone, dns_server, text_record

DOMAIN = "lettre.cercle.example"
DKIM = Dkim(selector="s1", domain="cercle.example")
#: openssl genrsa 768: no library makes them so short any more.
SHORT = (
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAOHPBPzrDKZVub6MABFQAFkvQXvEDhvjx4GGFXlqxAFePCnMKfvWb767GJ0E"
    "i2/D3d5uOQP03jwkTj8eYQZzswse2pJMs6dwG2NI1aZSFroIkhTcMmiOvUW02Egf20rwWQIDAQAB"
)


@cache
def rsa_key(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def a_zone(**changes: str | None) -> Zone:
    """Return a zone in which all is well, but for ``changes``; None removes a record."""
    records: dict[str, str | None] = {
        "spf": "v=spf1 ip4:192.0.2.10 -all",
        "dkim": f"v=DKIM1; k=rsa; p={rsa_key(2048)}",
        "dmarc": "v=DMARC1; p=reject",
        "mx": "10 mx.cercle.example.",
        **changes,
    }
    places = {
        "spf": (DOMAIN, "TXT"),
        "dkim": ("s1._domainkey.cercle.example", "TXT"),
        "dmarc": ("_dmarc.cercle.example", "TXT"),
        "mx": (DOMAIN, "MX"),
    }
    zone = {(DOMAIN, "TXT"): [text_record("a site's proof of ownership")]}
    for name, value in records.items():
        if value is not None:
            text = value if name == "mx" else text_record(value)
            zone.setdefault(places[name], []).append(text)
    return zone


def look(zone: Zone, *, dkim: Dkim | None = DKIM, domain: str = DOMAIN) -> dict[str, Finding]:
    """Return the findings by their first word; of two, the graver."""
    with dns_server(zone) as stub:
        findings = check_sender(domain, resolver=stub.resolver(), dkim=dkim)
    graver = sorted(findings, key=lambda one: list(Level).index(one.level))
    return {one.about.split()[0]: one for one in graver}


def test_a_domain_in_order_has_nothing_to_do() -> None:
    found = look(a_zone())

    assert set(found) == {"SPF", "DKIM", "DMARC", "MX"}
    assert {one.level for one in found.values()} == {Level.OK}
    assert not any(one.do for one in found.values())


@pytest.mark.parametrize(
    ("changes", "about", "level", "said"),
    [
        ({"spf": None}, "SPF", Level.BAD, "no SPF record"),
        ({"spf": "v=spf10 -all"}, "SPF", Level.BAD, "no SPF record"),
        ({"spf": "v=spf1 +all"}, "SPF", Level.BAD, "lets anybody send"),
        ({"spf": "v=spf1 all"}, "SPF", Level.BAD, "lets anybody send"),
        ({"dkim": None}, "DKIM", Level.BAD, "no DKIM key"),
        ({"dkim": "v=DKIM1; p="}, "DKIM", Level.BAD, "revoked"),
        ({"dkim": "v=DKIM1; p=nonsense"}, "DKIM", Level.BAD, "cannot be read"),
        ({"dkim": f"k=rsa; p={SHORT}"}, "DKIM", Level.BAD, "768 bits"),
        ({"dkim": f"k=rsa; p={rsa_key(1024)}"}, "DKIM", Level.WARN, "1024 bits"),
        ({"dmarc": None}, "DMARC", Level.BAD, "no DMARC record"),
        ({"dmarc": "v=DMARC1; rua=mailto:a@b.example"}, "DMARC", Level.BAD, "no policy"),
        ({"mx": None}, "MX", Level.BAD, "takes no mail"),
        ({"mx": "0 ."}, "MX", Level.BAD, "takes no mail"),
    ],
)
def test_each_fault_is_told_with_what_to_do(
    changes: dict[str, str | None], about: str, level: Level, said: str
) -> None:
    finding = look(a_zone(**changes))[about]

    assert finding.level is level
    assert said in finding.say_what("en")
    assert finding.say_do("en")


def test_two_spf_records_are_as_good_as_none() -> None:
    found = judge_spf(["v=spf1 -all", "V=SPF1 mx -all"], domain=DOMAIN)

    assert found.level is Level.BAD
    assert "2 SPF records" in found.say_what("en")


def test_two_dmarc_records_are_as_good_as_none() -> None:
    zone = dict(a_zone())
    zone["_dmarc.cercle.example", "TXT"] = [text_record("v=DMARC1; p=none")] + [
        text_record("v=DMARC1; p=reject")
    ]

    assert look(zone)["DMARC"].level is Level.BAD


def test_a_policy_of_none_will_do() -> None:
    assert look(a_zone(dmarc="v=DMARC1; p=none"))["DMARC"].level is Level.OK


def test_a_domain_with_an_address_alone_is_warned_of() -> None:
    zone = {**a_zone(mx=None), (DOMAIN, "A"): ["192.0.2.10"]}

    assert look(zone)["MX"].level is Level.WARN


def test_a_key_in_several_strings_is_put_together() -> None:
    with dns_server(a_zone()) as stub:
        check_sender(DOMAIN, resolver=stub.resolver(), dkim=DKIM)

    assert len(a_zone()["s1._domainkey.cercle.example", "TXT"][0].split('" "')) == 2


def test_an_ed25519_key_needs_a_companion() -> None:
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    record = f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"

    assert judge_dkim([record], name="s1").level is Level.WARN
    assert judge_dkim([record], name="s1", is_alone=False).level is Level.OK


def test_both_keys_are_looked_at() -> None:
    both = Dkim(selector="lettre", domain="example.org", second_selector="deux")
    assert both.names == ["lettre._domainkey.example.org", "deux._domainkey.example.org"]


def test_without_a_selector_the_key_is_not_looked_at_and_that_is_said() -> None:
    found = look(a_zone(), dkim=None)["DKIM"]

    assert found.level is Level.WARN
    assert "dkim.selector" in found.say_do("en")


# --- alignment --------------------------------------------------------------------------------


def test_a_signature_of_another_organisation_does_not_count() -> None:
    found = look(a_zone(), dkim=Dkim(selector="s1", domain="provider.example"))["DMARC"]

    assert found.level is Level.BAD
    assert "do not stand for" in found.say_what("en")


def test_strict_alignment_takes_the_very_domain_only() -> None:
    zone = a_zone(dmarc="v=DMARC1; p=none; adkim=s")

    assert look(zone)["DMARC"].level is Level.BAD
    assert look(zone, dkim=Dkim(selector="s1", domain=DOMAIN))["DMARC"].level is Level.OK


@pytest.mark.parametrize(
    ("zone", "domain", "expected"),
    [
        ({}, "a.b.example", "a.b.example"),
        ({"_dmarc.b.example": "v=DMARC1; p=none"}, "a.b.example", "b.example"),
        (
            {"_dmarc.a.b.example": "v=DMARC1; psd=n", "_dmarc.b.example": "v=DMARC1; p=none"},
            "x.a.b.example",
            "a.b.example",
        ),
        ({"_dmarc.gouv.example": "v=DMARC1; psd=y"}, "a.b.gouv.example", "b.gouv.example"),
        ({"_dmarc.b.example": "not a policy"}, "a.b.example", "a.b.example"),
    ],
)
def test_the_organisations_domain_is_found_by_walking_up(
    zone: dict[str, str], domain: str, expected: str
) -> None:
    with dns_server({(name, "TXT"): [text_record(one)] for name, one in zone.items()}) as stub:
        assert organisational_domain(stub.resolver(), domain) == expected


def test_the_walk_is_not_endless() -> None:
    with dns_server({}) as stub:
        organisational_domain(stub.resolver(), ".".join("abcdefghijklmnopqrst") + ".example")

    assert len(stub.asked) == 8


# --- the reverse ------------------------------------------------------------------------------


def reverse(zone: dict[tuple[str, str], list[str]], host: str) -> list[Finding]:
    with dns_server(zone) as stub:
        return check_reverse(host, resolver=stub.resolver())


def test_a_server_whose_name_leads_back_is_in_order() -> None:
    zone = {
        ("mx.cercle.example", "A"): ["93.184.216.34"],
        ("34.216.184.93.in-addr.arpa", "PTR"): ["mx.cercle.example."],
    }

    assert [one.level for one in reverse(zone, "mx.cercle.example")] == [Level.OK]


@pytest.mark.parametrize("name", [None, "pool-34.ailleurs.example."])
def test_a_server_without_a_name_of_its_own_is_told(name: str | None) -> None:
    zone = {("mx.cercle.example", "A"): ["93.184.216.34"]}
    if name:
        zone["34.216.184.93.in-addr.arpa", "PTR"] = [name]

    (found,) = reverse(zone, "mx.cercle.example")

    assert found.level is Level.BAD
    assert found.say_do("en")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "::1"])
def test_an_address_of_this_network_is_passed_over(host: str) -> None:
    assert reverse({}, host) == []


# --- the DNS itself ---------------------------------------------------------------------------


def test_a_dns_that_fails_is_no_fault_of_the_domain() -> None:
    with dns_server({}, fails=True) as stub, pytest.raises(UnreachableDns):
        check_sender(DOMAIN, resolver=stub.resolver())


def test_a_dns_that_is_not_there_is_told_in_time() -> None:
    resolver = open_resolver(f"{LOOPBACK}:{free_port()}")
    resolver.lifetime = 0.3

    with pytest.raises(UnreachableDns):
        check_sender(DOMAIN, resolver=resolver)


@pytest.mark.parametrize("server", ["example.org", "1.2.3", "1.2.3.4:x"])
def test_what_is_no_address_of_a_server_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        open_resolver(server)


@pytest.mark.parametrize("domain", ["a..b", "é" * 70 + ".example", "x" * 64 + ".example", "\\"])
def test_a_domain_that_cannot_be_has_no_records(domain: str) -> None:
    assert (
        look({}, domain=domain, dkim=Dkim(selector="s 1", domain=domain))["SPF"].level is Level.BAD
    )


@given(st.text())
def test_no_record_stops_the_judging(record: str) -> None:
    spf = judge_spf([record, f"v=spf1 {record}"], domain=DOMAIN)
    dkim = judge_dkim([record, f"p={record}"], name="s1")
    assert {type(spf.level), type(dkim.level)} == {Level}
