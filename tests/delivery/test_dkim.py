"""Signatures, judged by dkimpy: valid as they are, and not after any change that matters."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.dkim import (
    SIGNED,
    Signer,
    SignerPair,
    hash_simple_body,
    make_signer,
    pair_signers,
)
from pipeline.errors import InputError
from tests.delivery.letters import NOW, a_letter, a_recipient, an_edition
from tests.delivery.signatures import Key, is_verified, pem_of

RSA = generate_rsa(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()
each_key = pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


def a_signer(key: Key = ED25519, *, domain: str = "example.org") -> Signer:
    return make_signer(pem_of(key), domain=domain, selector="lettre", variable="KEY")


def signed(message: bytes, key: Key = ED25519) -> bytes:
    return a_signer(key).sign(message, now=NOW) + message


def tags_of(field: bytes) -> dict[str, str]:
    """Read the signature's tags, without folds."""
    value = re.sub(rb"\s+", b"", field.partition(b":")[2]).decode()
    return dict(tag.split("=", 1) for tag in value.split(";"))


MESSAGE = a_letter().fill(a_recipient(), date=NOW)


@each_key
def test_a_letter_is_verified(key: Key) -> None:
    assert is_verified(signed(MESSAGE, key), key)


@each_key
def test_another_key_does_not_verify_it(key: Key) -> None:
    others: dict[Key, Key] = {RSA: generate_rsa(65537, 2048), ED25519: Ed25519PrivateKey.generate()}

    assert not is_verified(signed(MESSAGE, key), others[key])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Bonjour", b"Bonsoir"),
        (b"\r\nTo: ", b"\r\nTo: x "),
        (b"List-Unsubscribe: <https://lettre", b"List-Unsubscribe: <https://autre"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"\r\nDate: Fri", b"\r\nDate: Sat"),
        (b"\r\nFrom: ", b"\r\nFrom: x@example.com\r\nFrom: "),
    ],
)
def test_what_is_signed_cannot_be_changed(old: bytes, new: bytes) -> None:
    whole = signed(MESSAGE)
    assert old in whole

    assert not is_verified(whole.replace(old, new, 1), ED25519)


def test_a_second_from_below_the_first_is_seen_too() -> None:
    head, _, body = signed(MESSAGE).partition(b"\r\n\r\n")

    assert not is_verified(head + b"\r\nFrom: x@example.com\r\n\r\n" + body, ED25519)


def test_what_relays_do_to_headers_leaves_it_valid() -> None:
    whole = signed(MESSAGE)
    refolded = whole.replace(b"\r\nTo: ", b"\r\nto:\r\n\t ").replace(b"\r\nDate: ", b"\r\nDATE:  ")
    relayed = b"Received: by mx.example\r\n" + refolded

    assert relayed != whole
    assert is_verified(relayed, ED25519)


def test_the_signature_covers_both_unsubscribe_fields_and_only_what_is_there() -> None:
    names = tags_of(a_signer().sign(MESSAGE, now=NOW))["h"].split(":")
    present = {
        line.partition(b":")[0].decode().lower()
        for line in MESSAGE.partition(b"\r\n\r\n")[0].split(b"\r\n")
        if not line.startswith(b" ")
    }

    assert names[:2] == ["from", "from"]
    assert {"list-unsubscribe", "list-unsubscribe-post", "subject", "message-id"} <= set(names)
    assert set(names) == present & set(SIGNED)
    assert "reply-to" not in names


def test_the_tags_say_who_signed_how_and_when() -> None:
    tags = tags_of(a_signer(RSA, domain="exämple.org").sign(MESSAGE, now=NOW))

    assert tags["a"] == "rsa-sha256"
    assert tags["c"] == "relaxed/simple"
    assert tags["d"] == "xn--exmple-cua.org"
    assert tags["s"] == "lettre"
    assert tags["t"] == "1741336200"


@each_key
def test_the_field_is_folded(key: Key) -> None:
    field = a_signer(key).sign(MESSAGE, now=NOW)

    assert field.startswith(b"DKIM-Signature: v=1; ")
    assert field.endswith(b"\r\n")
    assert max(map(len, field.split(b"\r\n"))) <= 76


@given(subject=TEXT, name=TEXT, number=st.integers(1, 9))
def test_any_subject_and_any_name_is_verified(subject: str, name: str, number: int) -> None:
    letter = a_letter(an_edition(subject=subject))
    message = letter.fill(a_recipient(number, name=name), date=NOW)

    assert is_verified(signed(message), ED25519)


@given(
    lines=st.lists(st.sampled_from(["", " ", ".", "a  b", "\t", "From x"]), max_size=8),
    end=st.sampled_from(["", "\r\n"]),
)
def test_any_body_is_verified(lines: list[str], end: str) -> None:
    body = "\r\n".join(lines) + end
    message = f"From: a@example.org\r\nSubject: x\r\n\r\n{body}".encode()

    assert is_verified(signed(message), ED25519)


def test_an_empty_body_is_one_line_break() -> None:
    # RFC 6376 §3.4.3 prints the SHA-1 and SHA-256 of it.
    printed = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="

    for body in (b"", b"\r\n", b"\r\n\r\n\r\n"):
        assert base64.b64encode(hash_simple_body(body)).decode() == printed


def test_the_published_ed25519_key_makes_a_signature_that_is_verified() -> None:
    # RFC 8463 appendix A.1 and A.2: the private key, and the record of its public half.
    secret = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()

    assert public == "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert is_verified(signed(MESSAGE, key), key)


# --- two keys ---------------------------------------------------------------------------------

FIRST, SECOND = "lettre._domainkey.example.org.", "deux._domainkey.example.org."


def a_pair(first: Key = RSA, second: Key = ED25519, *, selector: str = "deux") -> SignerPair:
    other = make_signer(pem_of(second), domain="example.org", selector=selector, variable="KEY")
    return pair_signers(a_signer(first), other)


def test_each_of_two_signatures_is_verified_on_its_own() -> None:
    whole = a_pair().sign(MESSAGE, now=NOW) + MESSAGE

    assert whole.count(b"DKIM-Signature: ") == 2
    assert is_verified(whole, RSA, at=FIRST, number=0)
    assert is_verified(whole, ED25519, at=SECOND, number=1)


def test_either_signature_stands_without_the_other() -> None:
    pair = a_pair()
    above, below = pair.rsa.sign(MESSAGE, now=NOW), pair.ed25519.sign(MESSAGE, now=NOW)

    assert pair.sign(MESSAGE, now=NOW) == above + below
    assert is_verified(above + MESSAGE, RSA, at=FIRST)
    assert is_verified(below + MESSAGE, ED25519, at=SECOND)


def test_neither_of_two_signatures_covers_up_a_change() -> None:
    changed = a_pair().sign(MESSAGE, now=NOW) + MESSAGE.replace(b"Bonjour", b"Bonsoir", 1)

    assert not is_verified(changed, RSA, at=FIRST, number=0)
    assert not is_verified(changed, ED25519, at=SECOND, number=1)


def test_rsa_is_on_top_whichever_key_came_first() -> None:
    field = a_pair(ED25519, RSA).sign(MESSAGE, now=NOW)

    assert tags_of(field.partition(b"\r\nDKIM-Signature")[0])["a"] == "rsa-sha256"


@pytest.mark.parametrize(
    ("first", "second", "selector", "told"),
    [
        (RSA, RSA, "deux", "of one kind"),
        (ED25519, ED25519, "deux", "of one kind"),
        (RSA, ED25519, "lettre", r"dkim\.second_selector.*lettre"),
    ],
)
def test_two_keys_that_make_no_pair_are_told(
    first: Key, second: Key, selector: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        a_pair(first, second, selector=selector)


# --- keys -------------------------------------------------------------------------------------


def test_a_key_written_on_one_line_is_read() -> None:
    pem = pem_of(ED25519).replace("\n", "\\n")

    signer = make_signer(pem, domain="example.org", selector="lettre", variable="KEY")

    assert is_verified(signer.sign(MESSAGE, now=NOW) + MESSAGE, ED25519)


def locked() -> str:
    form = BestAvailableEncryption(b"passphrase")
    return ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form).decode()


def elliptic() -> str:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


SHORT = (  # RSA with 512 bits: what cryptography no longer makes
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n"
    "KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQJAIJLixBy2qpFoS4DSmoEm\n"
    "o3qGy0t6z09AIJtH+5OeRV1be+N4cDYJKffGzDa88vQENZiRm0GRq6a+HPGQMd2k\n"
    "TQIhAKMSvzIBnni7ot/OSie2TmJLY4SwTQAevXysE2RbFDYdAiEBCUEaRQnMnbp7\n"
    "9mxDXDf6AU0cN/RPBjb9qSHDcWZHGzUCIG2Es59z8ugGrDY+pxLQnwfotadxd+Uy\n"
    "v/Ow5T0q5gIJAiEAyS4RaI9YG8EWx/2w0T67ZUVAw8eOMB6BIUg0Xcu+3okCIBOs\n"
    "/5OiPgoTdSy7bcF9IGpSE8ZgGKzgYQVZeN97YE00\n"
    "-----END RSA PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        ("", "no private key"),
        ("secret-secret", "no private key"),
        ("clé-secret", "no private key"),
        (elliptic(), "no private key"),
        (locked(), "passphrase"),
        (SHORT, "512 bits|no private key"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_by_its_variables_name_alone(pem: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        make_signer(pem, domain="example.org", selector="lettre", variable="INFOLETTRE_DKIM_KEY")

    assert "INFOLETTRE_DKIM_KEY" in str(raised.value)
    assert not any(line in str(raised.value) for line in pem.splitlines() if line)


def test_a_signer_does_not_show_its_key() -> None:
    assert repr(a_signer()) == "Signer(lettre._domainkey.example.org)"


@pytest.mark.parametrize(
    ("domain", "selector", "told"),
    [
        ("exa mple.org", "lettre", r"dkim\.domain"),
        ("example.org;", "lettre", r"dkim\.domain"),
        ("example.org", "lettre\r\nBcc: x", r"dkim\.selector"),
        ("example.org", "été", r"dkim\.selector"),
    ],
)
def test_names_that_are_none_in_the_dns_are_refused(domain: str, selector: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_signer(pem_of(ED25519), domain=domain, selector=selector, variable="KEY")
