"""The seal of a backup: proof that somebody with the installation's secret or a passphrase wrote exactly this content.

It is an HMAC-SHA256 with a key derived from either one. A backup may contain the secret, so check the seal only with a
secret or passphrase from another source. A seal does not encrypt anything.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from easel.domain.secret import Secret

PASSPHRASE_CHARACTERS_MIN: Final = 12
SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
# scrypt (RFC 7914): each guess takes 32 MiB and a tenth of a second.
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}

SealedWith: TypeAlias = Literal["secret", "passphrase"]


@dataclass(frozen=True, slots=True, repr=False)
class SealKey:
    """The key that seals a backup. A key from a passphrase has a `salt`, which the manifest stores."""

    sealed_with: SealedWith
    key: bytes
    salt: bytes | None = None

    @classmethod
    def from_secret(cls, secret: Secret) -> Self:
        """Derive the key from an installation's secret."""
        return cls("secret", secret.derive("backups"))

    @classmethod
    def from_passphrase(cls, passphrase: str, salt: bytes | None = None) -> Self:
        """Derive the key from a passphrase, with a new salt unless one is given."""
        salt = salt or secrets.token_bytes(SALT_BYTES)
        return cls("passphrase", hashlib.scrypt(passphrase.encode(), salt=salt, dklen=_KEY_BYTES, **_SCRYPT), salt)

    def seal(self, part: str, digest: bytes) -> str:
        """The seal of one part of a backup. `digest` covers everything before the part."""
        return hmac.digest(self.key, b"easel backup\0" + part.encode() + b"\0" + digest, hashlib.sha256).hex()

    def is_seal(self, part: str, digest: bytes, seal: str) -> bool:
        """Whether `seal` is the seal of this part."""
        return hmac.compare_digest(self.seal(part, digest).encode(), seal.encode(errors="replace"))
