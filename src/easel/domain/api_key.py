"""API keys: their form, their digest, and what they may do.

A key is `sk-easel-`, 33 characters that carry 192 random bits, and 6 that carry a CRC-32 of all before, so that a
mistyped key is refused without a look at the database. Only a keyed digest of it is ever stored.
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
    """What a key is for."""

    GENERATE = "generate"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever presented a valid key: the account, the key, and what the key may do."""

    account_id: int
    api_key_id: int
    user_group: str
    scopes: frozenset[Scope]
    models: frozenset[str] | None
    """The models that the key may use; None for all."""
    prices_microcredits: Mapping[str, int]
    """What the account's group pays for a picture, by model; a model that is not there costs what all pay."""
    creates_per_minute: int | None
    """How many tasks the key may create per minute; None for as many as all."""
    unfinished_max: int | None
    """How many unfinished tasks the key may have; None for as many as all."""
    expires_in_s: float | None
    """How long after it was looked up the key expires; None for never."""

    def may_use(self, model: str) -> bool:
        """Whether the key may draw with a model."""
        return self.models is None or model in self.models


def from_random(random_bytes: bytes) -> str:
    """The key that 24 random bytes make."""
    assert len(random_bytes) == RANDOM_BYTES
    body = _PREFIX + _base62(int.from_bytes(random_bytes, "big"), _RANDOM_CHARACTERS)
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether a text is a key that could have been issued."""
    if len(text) != KEY_CHARACTERS or not text.startswith(_PREFIX) or not text.isascii():
        return False
    body, checksum = text[:-_CHECKSUM_CHARACTERS], text[-_CHECKSUM_CHARACTERS:]
    return _checksum(body) == checksum


def digest(key: str, pepper: bytes) -> bytes:
    """What is stored of a key: HMAC-SHA256 under the pepper, 32 bytes.

    A fast digest suffices, since 192 random bits cannot be guessed; slow ones are for passwords.
    """
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def hint(key: str) -> str:
    """What lists show of a key, so that its owner can tell it from others: its last four characters."""
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
