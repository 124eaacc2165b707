"""SMTP: any relay or provider, by RFC 5321 with STARTTLS or TLS, AUTH and SMTPUTF8.

Who gets which outcome is decided here, several connections at a time. What is said over one is
:mod:`pipeline.delivery.smtp_channel`'s; how it is opened, :mod:`pipeline.delivery.connection`'s.
Bounces are not read here.
"""

import queue
import ssl
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.audience.address import needs_smtputf8, spell_address
from pipeline.delivery.connection import open_connection, verify_with
from pipeline.delivery.dkim import Signer, SignerPair
from pipeline.delivery.events import Event
from pipeline.delivery.message import Letter
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.delivery.smtp_channel import (
    Channel,
    Dropped,
    Envelope,
    Reply,
    Unanswered,
    is_welcome,
    make_envelope,
)
from pipeline.delivery.smtp_secrets import read_password, read_signer
from pipeline.errors import InputError, ProviderError
from pipeline.settings import Settings, Smtp
from pipeline.words import mark

_Answer = Outcome | Exception | None  # a lane's last is None, or what ended it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What all lanes of one batch share: they take recipients from ``todo`` as they are free."""

    letter: Letter
    date: datetime
    todo: deque[Recipient]
    stopped: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """One message ready to go; ``tried`` once already, on a connection that dropped.

    Where it ``is_plain``, a refusal of MAIL is of the sender and not of this message.
    """

    recipient: Recipient
    envelope: Envelope
    message: bytes
    is_plain: bool
    tried: bool = False


class SmtpProvider:
    """Hands messages to one server over a few connections, kept open between batches."""

    name = "smtp"
    capabilities = Capabilities(batch=2000)

    def __init__(
        self,
        settings: Smtp,
        *,
        password: str,
        context: ssl.SSLContext | None,
        signer: Signer | SignerPair | None = None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._context = context
        self.signer = signer
        self._idle: list[Channel] = []
        self._job: _Job | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Yield one outcome a recipient, in the order in which the server answers.

        Raises ProviderError where no connection can be had or the credentials are refused.
        """
        job = _Job(letter=letter, date=datetime.now(UTC), todo=deque(recipients))
        self._job = job  # before the question whether to stop: stop() may come in between
        while job.todo and not self._is_stopped:
            # One alone first: four lanes with a wrong password would be four wrong passwords.
            self.give_back(self.take_channel())
            errors: list[Exception] = []
            lanes = min(max(1, self._settings.connections), len(job.todo))
            yield from self._run(job, lanes=lanes, errors=errors)
            for error in errors:
                if not isinstance(error, ProviderError) or (job.todo and len(errors) == lanes):
                    raise error  # while one lane is good, it can carry what is left

    def held(self, message_ids: Collection[str]) -> frozenset[str]:
        """Raise NotImplementedError: a server cannot be asked what it took."""
        raise NotImplementedError

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Return none: a server's bounces come by mail, to :mod:`pipeline.delivery.bounces`."""
        return []

    def stop(self) -> None:
        """Begin no further message; those under way are answered, or given up by the timeout."""
        self._is_stopped = True
        if self._job is not None:
            self._job.stopped.set()

    def close(self) -> None:
        """End the idle connections; a second call finds none."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.end()

    def _run(self, job: _Job, *, lanes: int, errors: list[Exception]) -> Iterator[Outcome]:
        """Run the lanes, each in a thread, until all have ended."""
        answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
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
                job.stopped.set()
            for thread in threads:
                thread.join()

    def _lane(self, job: _Job, answers: "queue.SimpleQueue[_Answer]") -> None:
        """Take recipients until none is left; the last word is None, or what ended the lane."""
        lane = _Lane(self, job, answers)
        try:
            lane.run()
        except Exception as error:
            answers.put(error)
        else:
            answers.put(None)
        finally:
            lane.leave()

    def take_channel(self) -> Channel:
        """Return an idle connection that still answers, or a new one."""
        while True:
            with self._lock:
                channel = self._idle.pop() if self._idle else None
            if channel is None:
                return Channel(
                    open_connection(self._settings, password=self._password, context=self._context)
                )
            if channel.is_alive():
                return channel

    def give_back(self, channel: Channel) -> None:
        """Keep a connection for the next batch, if it is fit for it."""
        if channel.rest():
            with self._lock:
                self._idle.append(channel)


class _Lane:
    """One connection at work, replaced when it drops; ``held`` are taken and not settled."""

    def __init__(
        self, provider: SmtpProvider, job: _Job, answers: "queue.SimpleQueue[_Answer]"
    ) -> None:
        self._provider = provider
        self._job = job
        self._answers = answers
        self._channel: Channel | None = None
        self._held: deque[_Parcel] = deque()

    def run(self) -> None:
        """Hand over what is to do, until nothing is left. Raises ProviderError."""
        while not self._job.stopped.is_set():
            channel = self._connect()  # first: a lane that finds no server holds nobody
            parcel = self._held.popleft() if self._held else self._take(channel)
            if parcel is None:
                return
            self._deliver(channel, parcel)

    def leave(self) -> None:
        """Give back the connection, and those who were taken and not sent."""
        if self._channel is not None:
            self._provider.give_back(self._channel)
        self._job.todo.extendleft(parcel.recipient for parcel in reversed(self._held))
        self._held.clear()

    def _connect(self) -> Channel:
        if self._channel is None or not self._channel.is_open:
            self._channel = None
            self._channel = self._provider.take_channel()
        return self._channel

    def _take(self, channel: Channel) -> _Parcel | None:
        """Take the next recipient who can stand in a message, and make theirs."""
        while True:
            try:
                recipient = self._job.todo.popleft()
            except IndexError:
                return None
            try:
                return self._make(channel, recipient)
            except InputError as error:
                self._answers.put(_refused(recipient, error))

    def _make(self, channel: Channel, recipient: Recipient) -> _Parcel:
        """Fill, sign and address a message; a signature is of one message, so it comes last."""
        letter, date = self._job.letter, self._job.date
        message = letter.fill(recipient, date=date)
        sender, address = _sender(letter, recipient), spell_address(recipient.address)
        options = ""
        if any(map(needs_smtputf8, (address, sender, letter.frame.address))):
            if not channel.smtputf8:
                raise _no_smtputf8(address)
            options = "SMTPUTF8 BODY=8BITMIME"  # RFC 6531 §3.4, §3.6
        if self._provider.signer is not None:
            message = self._provider.signer.sign(message, now=date) + message
        return _Parcel(
            recipient=recipient,
            envelope=make_envelope(sender, address, options=options),
            message=message,
            is_plain=not options,
        )

    def _deliver(self, channel: Channel, parcel: _Parcel) -> None:
        """Run one transaction; where the connection drops first, once more on a new one."""
        try:
            reply = self._transact(channel, parcel)
        except Unanswered as error:
            self._settle(parcel, State.UNCERTAIN, str(error))
        except Dropped as error:
            if parcel.tried:
                self._settle(parcel, State.DEFERRED, str(error))
            else:
                self._held.appendleft(replace(parcel, tried=True))
        else:
            self._answers.put(_outcome(parcel.recipient, reply))

    def _transact(self, channel: Channel, parcel: _Parcel) -> Reply:
        """Return the answer that settles it: to the final full stop, or the first refusal."""
        verb, reply = channel.open(parcel.envelope)
        if not is_welcome(verb, reply):
            if verb == "MAIL" and reply.code // 100 == 5 and parcel.is_plain:
                self._held.appendleft(parcel)
                raise _no_sender(self._job.letter, parcel.recipient, reply.text)
            return reply
        if channel.pipelining and not self._held and (following := self._take(channel)):
            self._held.append(following)
        following_envelope = self._held[0].envelope if self._held else None
        return channel.hand_over(parcel.message, following=following_envelope)

    def _settle(self, parcel: _Parcel, state: State, detail: str) -> None:
        self._answers.put(Outcome(recipient=parcel.recipient.id, state=state, detail=detail))


def _outcome(recipient: Recipient, reply: Reply) -> Outcome:
    """Read an answer: 2xx is taken, 4xx may work later, 5xx never (RFC 5321 §4.2.1)."""
    states = {2: State.ACCEPTED, 4: State.DEFERRED, 5: State.FAILED}
    return Outcome(
        recipient=recipient.id,
        state=states.get(reply.code // 100, State.DEFERRED),
        code=str(reply.code),
        detail=reply.text,
        enhanced=reply.enhanced,
    )


def _refused(recipient: Recipient, error: InputError) -> Outcome:
    return Outcome(recipient=recipient.id, state=State.FAILED, detail=str(error), error=error)


def _sender(letter: Letter, recipient: Recipient) -> str:
    """Return the address of MAIL: where what cannot be delivered goes back to."""
    return spell_address(recipient.envelope) if recipient.envelope else letter.frame.address


def _no_sender(letter: Letter, recipient: Recipient, text: str) -> ProviderError:
    """Nobody would get it: better to stop than to call the whole list failed."""
    sentence = mark(
        "the server does not let you send as {sender} ({reason}): check the sender's address"
    )
    if recipient.envelope:
        sentence = mark(
            "the server does not let you send as {sender} ({reason}): check “bounces.address”"
        )
    return ProviderError(sentence, sender=_sender(letter, recipient), reason=text)


def _no_smtputf8(address: str) -> InputError:
    return InputError(
        mark(
            "“{address}” has letters before “@” that this server cannot carry (no SMTPUTF8):"
            " ask the person for another address, or send through another server"
        ),
        address=address,
    )


def open_provider(*, settings: Settings, root: Path, environ: Mapping[str, str]) -> SmtpProvider:
    """Read the secrets and the certificates; the server is only met when something is sent.

    Raises InputError where a secret is missing or wrong, or ``smtp.ca_file`` cannot be read.
    """
    return SmtpProvider(
        settings.smtp,
        password=read_password(settings.smtp, environ),
        context=verify_with(settings.smtp, root),
        signer=read_signer(settings.dkim, root=root, environ=environ),
    )
