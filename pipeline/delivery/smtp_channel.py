"""Transactions over an open SMTP connection (RFC 5321 §3.3), pipelined where offered (RFC 2920).

Where PIPELINING is offered, MAIL, RCPT and DATA go at once, and those of the next message ride
behind the final full stop of this one: one round trip a message. Elsewhere each waits for its
answer. Which recipients there are, and what an answer means for them, is elsewhere; how the
connection came about is :mod:`pipeline.delivery.connection`'s.
"""

import re
import smtplib
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.delivery.connection import MAX_ANSWER, answer_text, end_connection

Verb = Literal["MAIL", "RCPT", "DATA"]
VERBS: Final[tuple[Verb, ...]] = ("MAIL", "RCPT", "DATA")
WELCOME: Final = {"MAIL": 2, "RCPT": 2, "DATA": 3}  # the first digit where all is well
MAX_LINE: Final = 4096  # octets; RFC 5321 §4.5.3.1.5 allows 512
MAX_LINES: Final = 100
FRESH: Final = 1.0  # seconds for which an answer says that the server is there
_ENHANCED: Final = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?![\d.])")


class Dropped(Exception):
    """The connection is gone, and the message was not handed over in full."""


class Unanswered(Exception):
    """The final full stop may have left, and no answer came to it: the server may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server said to one command; ``text`` is all of it, on one line.

    ``enhanced`` is the status code of RFC 3463, such as ``5.1.1``, where there is one.
    """

    code: int
    text: str
    enhanced: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """From whom and to whom, as the lines of MAIL, RCPT and DATA."""

    lines: tuple[bytes, bytes, bytes]

    @property
    def wire(self) -> bytes:
        return b"".join(self.lines)


def make_envelope(sender: str, to: str, *, options: str = "") -> Envelope:
    """Make the commands for two spelled addresses; ``options`` are those of MAIL."""
    mail = f"MAIL FROM:<{sender}>{' ' if options else ''}{options}\r\n"
    return Envelope(lines=(mail.encode(), f"RCPT TO:<{to}>\r\n".encode(), b"DATA\r\n"))


class Channel:
    """One connection, and what has been said over it that is not yet answered.

    It closes itself before it raises. Between messages it holds no transaction, unless the next
    envelope rides.
    """

    def __init__(self, connection: smtplib.SMTP) -> None:
        if connection.sock is None:
            raise ValueError("a channel needs a connection that is open")
        self._connection = connection
        self._sock = connection.sock
        # smtplib read everything that was said to it: nothing is lost in its own buffer.
        self._lines = self._sock.makefile("rb")
        self._heard: Envelope | None = None  # said already, its message is not
        self._begun = False  # a refused transaction, which RSET ends
        self.pipelining = connection.has_extn("pipelining")
        self.smtputf8 = connection.has_extn("smtputf8")
        self.is_open = True
        self._answered_at = time.monotonic()

    def open(self, envelope: Envelope) -> tuple[Verb, Reply]:
        """Return the answer that decides, and to what: 354 to DATA, or the first refusal.

        Raises Dropped where the connection ends before that, or the server leaves (421).
        """
        speak = self._open_at_once if self.pipelining else self._open_in_turn
        verb, reply = speak(envelope)
        self._begun = not is_welcome(verb, reply)
        self._heard = None if self._begun else envelope
        return verb, reply

    def _open_in_turn(self, envelope: Envelope) -> tuple[Verb, Reply]:
        if self._begun:
            self._ask(b"RSET\r\n")
        for verb, line in zip(VERBS, envelope.lines, strict=True):
            reply = self._ask(line)
            if not is_welcome(verb, reply):
                break
        return verb, reply

    def _open_at_once(self, envelope: Envelope) -> tuple[Verb, Reply]:
        """Read all answers; after a refusal, those that follow only matter to the protocol."""
        if self._heard is not envelope:
            self._write(b"RSET\r\n" * self._begun + envelope.wire)
            if self._begun:
                self._answer()
        for number, verb in enumerate(VERBS):
            reply = self._answer()
            if not is_welcome(verb, reply):
                self._skip(VERBS[number + 1 :])
                break
        return verb, reply

    def _skip(self, verbs: Sequence[Verb]) -> None:
        """Read the answers that come after a refusal, however the connection fares now.

        A server may say 354 although it refused the only recipient: then a full stop alone ends
        the message that nobody gets (RFC 2920 §3.1).
        """
        with suppress(Dropped):
            for verb in verbs:
                if verb == "DATA" and is_welcome(verb, self._answer()):
                    self._ask(b".\r\n")
                elif verb != "DATA":
                    self._answer()

    def hand_over(self, message: bytes, *, following: Envelope | None) -> Reply:
        """Send the message, its full stop and, where it may ride, the next envelope.

        No line of ``message`` begins with a full stop (see ``Letter.fill``), and it ends with
        CRLF. Raises Dropped where the server cannot have all of it, or leaves without taking it
        (421); Unanswered where it may have it.
        """
        self._write(message)
        self._heard = following if self.pipelining else None
        try:
            self._write(b".\r\n" + (self._heard.wire if self._heard else b""))
            reply = self._read()
        except Dropped as error:
            raise Unanswered(str(error)) from None
        if reply.code == 421:  # RFC 5321 §3.8: the server leaves, and did not take the message
            raise self._dropped(reply.text)
        if reply.code // 100 not in (2, 4, 5):
            self.close()
            raise Unanswered(reply.text)
        return reply

    def rest(self) -> bool:
        """Leave the connection without a transaction; say whether it is fit to be used again."""
        if self._heard is not None:
            self.close()  # a full stop would end it with an empty message
        with suppress(Dropped):
            if self._begun and self.is_open:
                self._ask(b"RSET\r\n")
                self._begun = False
        return self.is_open

    def is_alive(self) -> bool:
        """Say whether the server answers still; a channel where it does not is closed.

        One that answered just now is not asked again: if it left since, the next message finds out
        before it is handed over, and takes another connection.
        """
        if self.is_open and time.monotonic() - self._answered_at < FRESH:
            return True
        with suppress(Dropped):
            if self._ask(b"NOOP\r\n").code == 250:
                return True
        self.close()
        return False

    def end(self) -> None:
        """Say good-bye, and close."""
        self._lines.close()
        end_connection(self._connection)
        self.is_open = False

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._lines.close()
            self._connection.close()

    def _ask(self, line: bytes) -> Reply:
        self._write(line)
        return self._answer()

    def _answer(self) -> Reply:
        """Read an answer; 421 is as good as none (RFC 5321 §3.8)."""
        reply = self._read()
        if reply.code == 421:
            raise self._dropped(reply.text)
        return reply

    def _write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise self._dropped(str(error)) from None

    def _read(self) -> Reply:
        """Read one reply, of any number of lines (RFC 5321 §4.2.1)."""
        texts: list[bytes] = []
        line = b"000-"
        while line[3:4] == b"-":
            line = self._read_line()
            texts.append(line[4:].strip())
            if len(texts) > MAX_LINES:
                raise self._dropped(f"an answer of more than {MAX_LINES} lines")
        self._answered_at = time.monotonic()
        code, found = int(line[:3]), _ENHANCED.match(texts[0])
        return Reply(
            code=code,
            text=answer_text(code, b" ".join(texts)),
            enhanced=found[0].decode() if found else "",
        )

    def _read_line(self) -> bytes:
        """Return a line that begins with a code of three digits."""
        try:
            line = self._lines.readline(MAX_LINE)
        except OSError as error:
            raise self._dropped(str(error)) from None
        if not line:
            raise self._dropped("the connection was closed")
        if not line.endswith(b"\n") or not line[:3].isdigit():
            raise self._dropped(line.decode("utf-8", "replace").strip()[:MAX_ANSWER])
        return line

    def _dropped(self, reason: str) -> Dropped:
        self.close()
        return Dropped(reason)


def is_welcome(verb: Verb, reply: Reply) -> bool:
    """Say whether an answer lets the transaction go on."""
    return reply.code // 100 == WELCOME[verb]
