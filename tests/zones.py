"""A DNS server for tests: on loopback, with a zone of the test's own, and nothing beyond it."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from tests.servers import LOOPBACK

Zone = Mapping[tuple[str, str], Sequence[str]]


def text_record(value: str) -> str:
    """Return a TXT record's text, in strings of at most 255 octets (RFC 1035 §3.3.14)."""
    return " ".join(f'"{value[at : at + 250]}"' for at in range(0, max(1, len(value)), 250))


@dataclass
class DnsStub:
    """What is asked, and where; with ``fails`` every answer is SERVFAIL."""

    zone: Zone
    fails: bool = False
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks here and loses patience soon."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = [LOOPBACK], self.port, 2.0
        return resolver

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Answer from the zone: NXDOMAIN where nothing at all has the name."""
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append(f"{name} {kind}")
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.fails:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif texts := self.zone.get((name, kind)):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        elif name not in {one for one, _ in self.zone}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


@contextmanager
def dns_server(zone: Zone, *, fails: bool = False) -> Iterator[DnsStub]:
    """Run a DnsStub over UDP on a free port."""
    stub = DnsStub(zone=zone, fails=fails)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((LOOPBACK, 0))
        stub.port = wire.getsockname()[1]

        def serve() -> None:
            while True:
                data, sender = wire.recvfrom(4096)
                if not data:
                    return
                wire.sendto(stub.answer(dns.message.from_wire(data)).to_wire(), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield stub
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", (LOOPBACK, stub.port))
            thread.join()
