"""SMTP: any relay or provider, by RFC 5321 with STARTTLS or TLS, AUTH and SMTPUTF8.

``smtplib`` connects, secures and authenticates; the transaction is ours, because what a dropped
connection means depends on whether the final full stop had left. Bounces are not read here.
"""

import queue
import smtplib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.audience.address import needs_smtputf8, spell_address
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Settings, Smtp
from pipeline.words import mark

PASSWORD: Final = "INFOLETTRE_SMTP_PASSWORD"  # noqa: S105 - the variable's name
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class _Dropped(Exception):
    """The connection is gone, and the message was not handed over in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What all lanes of one batch share: they take recipients from ``todo`` as they are free."""

    letter: Letter
    date: datetime
    todo: deque[Recipient]


class SmtpProvider:
    """Hands messages to one server over a few connections, kept open between batches."""

    name = "smtp"
    capabilities = Capabilities(batch=1000)

    def __init__(self, settings: Smtp, *, password: str, context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._password = password
        self._context = context
        self._idle: list[smtplib.SMTP] = []
        self._lock = threading.Lock()

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Yield one outcome a recipient, in the order in which the server answers.

        Raises ProviderError where no connection can be had or the credentials are refused.
        """
        job = _Job(letter=letter, date=datetime.now(UTC), todo=deque(recipients))
        while job.todo:
            # One alone first: four lanes with a wrong password would be four wrong passwords.
            self.give_back(self.take_connection())
            errors: list[Exception] = []
            lanes = min(max(1, self._settings.connections), len(job.todo))
            yield from self._run(job, lanes=lanes, errors=errors)
            for error in errors:
                if not isinstance(error, ProviderError) or (job.todo and len(errors) == lanes):
                    raise error  # while one lane is good, it can carry what is left

    def close(self) -> None:
        """End the idle connections; a second call finds none."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            _quit(connection)

    def _run(self, job: _Job, *, lanes: int, errors: list[Exception]) -> Iterator[Outcome]:
        """Run the lanes, each in a thread, until all have ended."""
        answers: queue.SimpleQueue[Outcome | Exception | None] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._lane, args=(job, answers), name=f"smtp-{lane}")
            for lane in range(lanes)
        ]
        for thread in threads:
            thread.start()
        try:
            running = lanes
            while running:
                answer = answers.get()
                if isinstance(answer, Outcome):
                    yield answer
                    continue
                running -= 1
                if answer is not None:
                    errors.append(answer)
        finally:
            if running:  # the caller stopped listening: what is under way ends, no more begins
                job.todo.clear()
            for thread in threads:
                thread.join()

    def _lane(self, job: _Job, answers: "queue.SimpleQueue[Outcome | Exception | None]") -> None:
        """Take recipients until none is left; the last word is None, or what ended the lane."""
        lane = _Lane(self, job)
        try:
            while True:
                lane.connect()  # before a recipient is taken: a lane that fails holds nobody
                try:
                    recipient = job.todo.popleft()
                except IndexError:
                    break
                answers.put(lane.deliver(recipient))
        except Exception as error:
            answers.put(error)
        else:
            answers.put(None)
        finally:
            lane.leave()

    def take_connection(self) -> smtplib.SMTP:
        """Return an idle connection that still answers, or a new one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _connect(self._settings, password=self._password, context=self._context)
            try:
                if connection.noop()[0] == 250:
                    return connection
            except (smtplib.SMTPException, OSError):
                pass
            _quit(connection)

    def give_back(self, connection: smtplib.SMTP) -> None:
        """Keep a connection for the next batch."""
        with self._lock:
            self._idle.append(connection)


class _Lane:
    """One connection at work, replaced when it drops."""

    def __init__(self, provider: SmtpProvider, job: _Job) -> None:
        self._provider = provider
        self._job = job
        self._connection: smtplib.SMTP | None = None

    def connect(self) -> smtplib.SMTP:
        if self._connection is None:
            self._connection = self._provider.take_connection()
        return self._connection

    def leave(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._provider.give_back(self._connection)
            self._connection = None

    def deliver(self, recipient: Recipient) -> Outcome:
        """Hand one message over; where the connection drops first, once more on a new one."""
        try:
            message = self._job.letter.fill(recipient, date=self._job.date)
            address = spell_address(recipient.address)
        except InputError as error:
            return _refused(recipient, error)
        detail = ""
        for _ in range(2):
            try:
                connection = self.connect()
                return self._transact(connection, recipient, address=address, message=message)
            except _Dropped as dropped:
                detail = str(dropped)
                self._drop()
            except ProviderError:
                self._job.todo.appendleft(recipient)
                raise
        return Outcome(recipient=recipient.id, state=State.DEFERRED, detail=detail)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transact(
        self, connection: smtplib.SMTP, recipient: Recipient, *, address: str, message: bytes
    ) -> Outcome:
        """Run MAIL, RCPT, DATA (RFC 5321 §3.3). Raises _Dropped where nothing was handed over."""
        sender, options = self._job.letter.frame.address, ""
        if needs_smtputf8(address) or needs_smtputf8(sender):
            if not connection.has_extn("smtputf8"):
                return _refused(recipient, _no_smtputf8(address))
            options = " SMTPUTF8 BODY=8BITMIME"  # RFC 6531 §3.4, §3.6
        for command, expected in (
            (f"MAIL FROM:<{sender}>{options}", (250,)),
            (f"RCPT TO:<{address}>", (250, 251, 252)),
            ("DATA", (354,)),
        ):
            code, text = _ask(connection, command)
            if code not in expected:
                self._reset(connection)
                if code // 100 == 5 and command == f"MAIL FROM:<{sender}>":
                    raise _no_sender(sender, text)
                return _outcome(recipient, code, text)
        code, text = self._hand_over(connection, message)
        if code == 0:
            return Outcome(recipient=recipient.id, state=State.UNCERTAIN, detail=text)
        return _outcome(recipient, code, text)

    def _hand_over(self, connection: smtplib.SMTP, message: bytes) -> tuple[int, str]:
        """Send the message and its final full stop; code 0 where no answer came to it."""
        try:
            connection.send(message)  # no line begins with a full stop: see Letter.fill
        except (smtplib.SMTPException, OSError) as error:
            raise _Dropped(str(error)) from None
        try:
            connection.send(b".\r\n")
            code, text = connection.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return 0, str(error)
        if code // 100 not in (2, 4, 5):
            self._drop()
            return 0, _text(code, text)
        if code == 421:  # RFC 5321 §3.8: the server leaves, and did not take the message
            raise _Dropped(_text(code, text))
        return code, _text(code, text)

    def _reset(self, connection: smtplib.SMTP) -> None:
        try:
            _ask(connection, "RSET")
        except _Dropped:
            self._drop()


def _ask(connection: smtplib.SMTP, command: str) -> tuple[int, str]:
    """Send one command and return its answer; a 421, or none, counts as dropped."""
    try:
        connection.send(f"{command}\r\n".encode())
        code, text = connection.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise _Dropped(str(error)) from None
    if code == 421 or code < 0:
        raise _Dropped(_text(code, text))
    return code, _text(code, text)


def _text(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")[:500]


def _outcome(recipient: Recipient, code: int, text: str) -> Outcome:
    """Read an answer: 2xx is taken, 4xx may work later, 5xx never (RFC 5321 §4.2.1)."""
    states = {2: State.ACCEPTED, 4: State.DEFERRED, 5: State.FAILED}
    state = states.get(code // 100, State.DEFERRED)
    return Outcome(recipient=recipient.id, state=state, code=str(code), detail=text)


def _refused(recipient: Recipient, error: InputError) -> Outcome:
    return Outcome(recipient=recipient.id, state=State.FAILED, detail=str(error), error=error)


def _no_sender(sender: str, text: str) -> ProviderError:
    """Nobody would get it: better to stop than to call the whole list failed."""
    return ProviderError(
        mark("the server does not let you send as {sender} ({reason}): check the sender's address"),
        sender=sender,
        reason=text,
    )


def _no_smtputf8(address: str) -> InputError:
    return InputError(
        mark(
            "“{address}” has letters before “@” that this server cannot carry (no SMTPUTF8):"
            " ask the person for another address, or send through another server"
        ),
        address=address,
    )


def _connect(settings: Smtp, *, password: str, context: ssl.SSLContext | None) -> smtplib.SMTP:
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
    place = f"{settings.host}:{settings.port}"
    reason = _reason(error)
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code // 100 == 5:
        return ProviderError(
            mark(
                "{place} refuses the username or the password ({reason}): check “smtp.username”"
                " and the variable {variable}"
            ),
            place=place,
            reason=reason,
            variable=PASSWORD,
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ProviderError(
            mark(
                "{place} does not offer what the settings ask for ({reason}): check"
                " “smtp.security”, “smtp.port” and “smtp.username”"
            ),
            place=place,
            reason=reason,
        )
    if isinstance(error, ssl.SSLError):
        return ProviderError(
            mark(
                "{place} could not prove who it is ({reason}): check “smtp.host” and"
                " “smtp.security”, or name its authority's certificate in “smtp.ca_file”"
            ),
            place=place,
            reason=reason,
        )
    return ProviderError(
        mark(
            "no connection to {place} ({reason}): check “smtp.host” and “smtp.port”, or try later"
        ),
        retryable=not (isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500),
        place=place,
        reason=reason,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _text(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return str(error) or type(error).__name__


def _quit(connection: smtplib.SMTP) -> None:
    try:
        connection.quit()
    except (smtplib.SMTPException, OSError):
        connection.close()


def open_provider(*, settings: Settings, root: Path, environ: Mapping[str, str]) -> SmtpProvider:
    """Read the secret and the certificates; the server is only met when something is sent.

    Raises InputError where the password is missing, would travel in clear, or ``smtp.ca_file``
    cannot be read.
    """
    smtp = settings.smtp
    password = environ.get(PASSWORD, "")
    if smtp.username and not password:
        raise InputError(
            mark(
                "“smtp.username” is set, but the variable {variable} is not: put the password there"
            ),
            variable=PASSWORD,
        )
    if not (smtp.username + password).isascii():
        raise InputError(
            mark(
                "“smtp.username” and {variable} may only have letters, digits and signs of ASCII:"
                " choose another password"
            ),
            variable=PASSWORD,
        )
    if smtp.username and smtp.security == "none" and smtp.host not in _LOCAL:
        raise InputError(
            mark("the password would travel unprotected: set “smtp.security” to starttls or tls")
        )
    return SmtpProvider(smtp, password=password, context=_context(smtp, root))


def _context(smtp: Smtp, root: Path) -> ssl.SSLContext | None:
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
