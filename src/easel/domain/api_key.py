"""API keys: their form, their digest and their permissions.

A key is `sk-easel-`, 33 characters for 192 random bits, and 6 characters for the CRC-32 of everything before, so that a
mistyped key is refused without a database query. Only a keyed digest of a key is stored.
"""

import hashlib
import hmac
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_PREFIX: Final = "sk-easel-"
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_BYTES: Final = 24
_RANDOM_CHARACTERS: Final = 33
_CHECKSUM_CHARACTERS: Final = 6
KEY_CHARACTERS: Final = len(_PREFIX) + _RANDOM_CHARACTERS + _CHECKSUM_CHARACTERS


class Scope(StrEnum):
    """What a key may be used for."""

    GENERATE = "generate"
    READ = "read"
    ADMIN = "admin"
    """Operate the service: see and change all accounts, keys and prices. Only keys that were given it have it."""


DEFAULT_SCOPES: Final = (Scope.GENERATE, Scope.READ)


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a valid key: its account, the key, and what the key may do."""

    account_id: int
    api_key_id: int
    user_group: str
    scopes: frozenset[Scope]
    models: frozenset[str] | None
    """The models that the key may use. None for all."""
    prices_microcredits: Mapping[str, int]
    """The price of a picture for the account's group, by model. Other models have the default price."""
    creates_per_minute: int | None
    """How many tasks the key may create per minute. None for the default."""
    unfinished_max: int | None
    """How many unfinished tasks the key may have. None for the default."""
    expires_in_s: float | None
    """How long after its look-up the key expires. None for never."""

    def may_use(self, model: str) -> bool:
        """Whether the key may use a model."""
        return self.models is None or model in self.models


def from_random(random_bytes: bytes) -> str:
    """The key for 24 random bytes."""
    assert len(random_bytes) == RANDOM_BYTES
    body = _PREFIX + _base62(int.from_bytes(random_bytes, "big"), _RANDOM_CHARACTERS)
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether a text has the form and the checksum of a key."""
    if len(text) != KEY_CHARACTERS or not text.startswith(_PREFIX) or not text.isascii():
        return False
    body, checksum = text[:-_CHECKSUM_CHARACTERS], text[-_CHECKSUM_CHARACTERS:]
    return _checksum(body) == checksum


def digest(key: str, pepper: bytes) -> bytes:
    """The stored digest of a key: HMAC-SHA256 under the pepper, 32 bytes.

    A fast digest is enough, because 192 random bits cannot be guessed. Slow digests are for passwords.
    """
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def hint(key: str) -> str:
    """The last four characters of a key, which lists show so that its owner can recognise it."""
    return key[-4:]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_CHARACTERS)


def _base62(number: int, length: int) -> str:
    characters = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        characters = _ALPHABET[digit] + characters
    assert number == 0
    return characters
