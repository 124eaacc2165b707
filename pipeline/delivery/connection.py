"""A connection to an SMTP server: opened, secured, authenticated, and explained where it fails.

``smtplib`` speaks to the server. What travels over the connection is not known here.
"""

import smtplib
import socket
import ssl
from pathlib import Path
from typing import Final

from pipeline.errors import InputError, ProviderError
from pipeline.settings import Smtp
from pipeline.words import mark

PASSWORD: Final = "INFOLETTRE_SMTP_PASSWORD"  # noqa: S105 - the variable's name
MAX_ANSWER: Final = 500  # characters kept of what a server says


def verify_with(smtp: Smtp, root: Path) -> ssl.SSLContext | None:
    """Return a context that verifies the server, always."""
    if smtp.security == "none":
        return None
    file = root / smtp.ca_file if smtp.ca_file else None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            mark("“smtp.ca_file” cannot be read: {file} ({reason})"),
            file=file,
            reason=error.strerror or str(error),
        ) from None


def open_connection(
    settings: Smtp, *, password: str, context: ssl.SSLContext | None
) -> smtplib.SMTP:
    """Connect, secure, authenticate. Raises ProviderError, with what to do."""
    connection: smtplib.SMTP | None = None
    try:
        connection = _greet(settings, context)
        if settings.security == "starttls":
            connection.starttls(context=context)
            connection.ehlo()
        if settings.username:
            connection.login(settings.username, password)
        return connection
    except (smtplib.SMTPException, OSError) as error:
        if connection is not None:
            connection.close()
        raise _explain(error, settings) from None


def _greet(settings: Smtp, context: ssl.SSLContext | None) -> smtplib.SMTP:
    # A name is given because smtplib would ask the DNS for ours, for seconds where there is none.
    if settings.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            local_hostname="localhost", timeout=settings.timeout, context=context
        )
    else:
        connection = smtplib.SMTP(local_hostname="localhost", timeout=settings.timeout)
    try:
        connection._host = settings.host  # type: ignore[attr-defined]  # for SNI; see bpo-30261
        code, text = connection.connect(settings.host, settings.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        if connection.sock is not None:
            _tune(connection, connection.sock)
        code, text = connection.ehlo()
        if not 200 <= code <= 299:
            raise smtplib.SMTPHeloError(code, text)
    except BaseException:
        connection.close()
        raise
    return connection


def _tune(connection: smtplib.SMTP, sock: socket.socket) -> None:
    # The final full stop goes alone: Nagle would hold it for 40 ms, each time.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    own = sock.getsockname()[0]
    literal = f"[IPv6:{own}]" if ":" in own else f"[{own}]"  # RFC 5321 §4.1.3
    connection.local_hostname = literal


def _explain(error: Exception, settings: Smtp) -> ProviderError:
    """Turn what ended a connection into a sentence with its next step."""
    message, retryable = _sentence(error)
    return ProviderError(
        message,
        retryable=retryable,
        place=f"{settings.host}:{settings.port}",
        reason=_reason(error),
        variable=PASSWORD,
    )


def _sentence(error: Exception) -> tuple[str, bool]:
    """Return what to say, and whether the same again may work."""
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    if isinstance(error, smtplib.SMTPAuthenticationError) and code >= 500:
        return mark(
            "{place} refuses the username or the password ({reason}): check “smtp.username”"
            " and the variable {variable}"
        ), False
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return mark(
            "{place} does not offer what the settings ask for ({reason}): check"
            " “smtp.security”, “smtp.port” and “smtp.username”"
        ), False
    if isinstance(error, ssl.SSLError):
        return mark(
            "{place} could not prove who it is ({reason}): check “smtp.host” and"
            " “smtp.security”, or name its authority's certificate in “smtp.ca_file”"
        ), False
    return mark(
        "no connection to {place} ({reason}): check “smtp.host” and “smtp.port”, or try later"
    ), code < 500


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return answer_text(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return str(error) or type(error).__name__


def end_connection(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except (smtplib.SMTPException, OSError):
        connection.close()


def answer_text(code: int, text: bytes) -> str:
    """Return a server's answer on one line."""
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")[:MAX_ANSWER]
