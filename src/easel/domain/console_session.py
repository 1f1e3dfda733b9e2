"""The console's sessions, and the links that begin one: their tokens and their lifetimes.

A token is 256 random bits. The browser keeps a session's token in a cookie, and the database only its digest.
"""

import base64
import hashlib
import hmac
import re
from typing import Final

TOKEN_BYTES: Final = 32
SESSION_LIFETIME_S: Final = 30 * 24 * 60 * 60
LINK_LIFETIME_S: Final = 10 * 60
SESSIONS_PER_KEY_MAX: Final = 100
"""A key's oldest session ends when it begins another beyond these."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def from_random(random_bytes: bytes) -> str:
    """The token for 32 random bytes."""
    assert len(random_bytes) == TOKEN_BYTES
    return base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode()


def is_token(text: str) -> bool:
    """Whether a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def session_digest(token: str, pepper: bytes) -> bytes:
    """The stored digest of a session's token: HMAC-SHA256 under the pepper of API keys, 32 bytes.

    The name in front keeps it apart from the digests of keys and of links.
    """
    return _digest("session", token, pepper)


def link_digest(token: str, pepper: bytes) -> bytes:
    """The stored digest of a link's token."""
    return _digest("link", token, pepper)


def _digest(kind: str, token: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, f"easel console {kind} {token}".encode(), hashlib.sha256)
