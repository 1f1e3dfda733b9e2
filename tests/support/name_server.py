"""A name server on loopback with the records that a test sets."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENCE: Final = "silence"
"""Instead of records: no answer."""
FAILURE: Final = "failure"
"""Instead of records: SERVFAIL."""


class NameServer:
    """Answers from `zone`, which may be changed at any time: per name, in lower case and without the last dot, its
    addresses, or `CNAME name` followed by that name's addresses. Unknown names do not exist."""

    def __init__(self, listener: socket.socket, lifetime_s: int = 0) -> None:
        self.zone: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._lifetime_s = lifetime_s
        self._listener = listener
        self.address = "{}:{}".format(*listener.getsockname())

    def answer(self) -> None:
        """Answer until the socket is closed."""
        while True:
            try:
                query, sender = self._listener.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            reply = self._reply(dns.message.from_wire(query))
            if reply is not None:
                self._listener.sendto(reply.to_wire(max_size=65000), sender)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        records = self.zone.get(name)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if records == [SILENCE]:
            return None
        if records is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif records == [FAILURE]:
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._add(reply, question.name, question.rdtype, records)
        return reply

    def _add(self, reply: dns.message.Message, owner: dns.name.Name, kind: int, records: list[str]) -> None:
        addresses = [record for record in records if not record.startswith("CNAME ")]
        for record in records:
            if record.startswith("CNAME "):
                target = dns.name.from_text(record.removeprefix("CNAME "))
                reply.answer.append(dns.rrset.from_text(owner, self._lifetime_s, "IN", "CNAME", target.to_text()))
                owner = target
        version = 4 if kind == dns.rdatatype.A else 6
        of_kind = [address for address in addresses if ipaddress.ip_address(address).version == version]
        if of_kind and kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            reply.answer.append(
                dns.rrset.from_text(owner, self._lifetime_s, "IN", dns.rdatatype.RdataType(kind), *of_kind)
            )


@contextmanager
def name_server(lifetime_s: int = 0) -> Iterator[NameServer]:
    """A running name server whose records have this time to live."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = NameServer(listener, lifetime_s)
        thread = threading.Thread(target=server.answer)
        thread.start()
        try:
            yield server
        finally:
            # An empty datagram wakes the thread; closing the socket would not.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", listener.getsockname())
            thread.join(10)
