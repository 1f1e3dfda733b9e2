"""Finds out whether a database's server answers, whatever it answers."""

from typing import Final

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

PING_TIMEOUT_S: Final = 3


def is_answering(url: str) -> bool:
    """Whether the server accepts connections, even if it then refuses this user. Blocks for PING_TIMEOUT_S at most per
    address. A server that is starting or stopping does not answer."""
    conninfo = make_conninfo(url, connect_timeout=PING_TIMEOUT_S)
    return PGconn.ping(conninfo.encode()) not in (Ping.REJECT, Ping.NO_RESPONSE)
