"""The sockets that the web processes listen on.

On Linux, each process has a socket of its own on the same port (SO_REUSEPORT), and the kernel spreads connections over
them. On one shared socket, whichever process wakes up first takes most of a burst. Other systems give all connections
of a port to one of its sockets, so processes share one there.
"""

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Final

from easel.settings.settings import SettingsWrong

LISTEN_BACKLOG: Final = 2048
ALL_OF_IPV6: Final = "::"
_PORT_ERRORS: Final = {errno.EADDRINUSE, errno.EACCES}
_FAMILY_ERRORS: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def listen_for_each(host: str, port: int, processes: int) -> Sequence[socket.socket]:
    """A listening socket for each process; see `listen`. Several may be the same."""
    alone = listen(host, port)
    if processes == 1 or not sys.platform.startswith("linux"):
        return [alone] * processes
    # That it could listen alone shows that no other service does. With SO_REUSEPORT that would not be noticed.
    port = alone.getsockname()[1]
    alone.close()
    return [listen(host, port, reuse_port=True) for _ in range(processes)]


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket. On `::` it accepts IPv4 too, if the system supports that.

    Raises SettingsWrong if it cannot listen on this address.
    """
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == ALL_OF_IPV6 and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server(
            (host, port), family=family, backlog=LISTEN_BACKLOG, reuse_port=reuse_port, dualstack_ipv6=both
        )
    except OSError as error:
        # Some versions of Python add the address to strerror.
        reason = str(error.strerror).partition(" (while")[0]
        shown = f"[{host}]" if ":" in host else host
        hint = "; this machine may have no IPv6" if error.errno in _FAMILY_ERRORS and ":" in host else ""
        other = "port with --port or EASEL_PORT" if error.errno in _PORT_ERRORS else "address with --host or EASEL_HOST"
        raise SettingsWrong(f"Cannot listen on {shown}:{port} ({reason}{hint}): choose another {other}.") from None
    listening.set_inheritable(True)
    return listening


def takes_ipv4(listening: socket.socket) -> bool:
    """Whether a socket that listens on IPv6 accepts IPv4 too."""
    return not listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
