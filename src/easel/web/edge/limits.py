"""The limits of the edge: on heads, bodies and connections, in bytes and in time."""

from typing import Final

HEAD_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 100
TARGET_BYTES_MAX: Final = 4096
"""Longest path and query of a request. Parsing a long one takes milliseconds; Easel's own have a few hundred bytes."""
HEAD_TIMEOUT_S: Final = 5
BODY_TIMEOUT_S: Final = 10
KEPT_BODY_BYTES_MAX: Final = 64 * 1024
"""The most that an endpoint keeps of a body. A larger one is refused or discarded as it arrives."""
PIECES_AT_ONCE_MAX: Final = 64
"""Pieces of a body to parse before other connections get a turn."""

CONNECTIONS_MAX: Final = 4096
RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""The system's buffer for unread data, and thus the most that arrives at once."""
SEND_BUFFER_BYTES: Final = 256 * 1024
"""The system's buffer for an answer that the client has not read. By default it grows to megabytes per connection."""

UNTAKEN_BYTES: Final = 16 * 1024
"""How much of an answer may wait in this process before the application is paused."""
UNTAKEN_TIMEOUT_S: Final = 30
"""How long a client may read nothing of a pending answer before its connection is closed."""
UNTAKEN_CHECK_S: Final = 5

HELD_FREELY_BYTES: Final = 4 * 1024
"""What each connection may hold uncounted: enough for an ordinary waiting request."""
OBJECTS_FACTOR: Final = 2
"""Memory taken per byte of a parsed head, and of a body while it is assembled."""

LINGER_S: Final = 2
"""How long a refused client may go on sending, so that it reads the answer instead of getting a connection reset."""
DISCARDED_BYTES_MAX: Final = 256 * 1024
"""How much unwanted data is read and discarded: after a refusal, or of a body that arrives after its answer."""
