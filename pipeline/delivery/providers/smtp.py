"""SMTP: any relay or provider, by RFC 5321 with STARTTLS or TLS, AUTH and SMTPUTF8.

The transaction is ours, because what a dropped connection means depends on whether the final full
stop had left; the connection is :mod:`pipeline.delivery.connection`'s. Bounces are not read here.
"""

import queue
import smtplib
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.audience.address import needs_smtputf8, spell_address
from pipeline.delivery.connection import (
    PASSWORD,
    answer_text,
    end_connection,
    open_connection,
    verify_with,
)
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Settings, Smtp
from pipeline.words import mark

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
            end_connection(connection)

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
                return open_connection(
                    self._settings, password=self._password, context=self._context
                )
            try:
                if connection.noop()[0] == 250:
                    return connection
            except (smtplib.SMTPException, OSError):
                pass
            end_connection(connection)

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
            return 0, answer_text(code, text)
        if code == 421:  # RFC 5321 §3.8: the server leaves, and did not take the message
            raise _Dropped(answer_text(code, text))
        return code, answer_text(code, text)

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
        raise _Dropped(answer_text(code, text))
    return code, answer_text(code, text)


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
    return SmtpProvider(smtp, password=password, context=verify_with(smtp, root))
