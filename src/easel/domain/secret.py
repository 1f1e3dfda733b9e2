"""The installation's one secret, and the keys derived from it, each for one purpose."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

SECRET_CHARACTERS_MIN: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What EASEL_SECRET holds. Its text never appears in a log or an error; `source` says there where it came from.
    `is_kept` where that is a data folder's file, which no other process is given."""

    text: str
    source: str = field(default="EASEL_SECRET", compare=False)
    is_kept: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.text) >= SECRET_CHARACTERS_MIN

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose: HMAC-SHA256 of its name, so that no key tells anything of another."""
        return hmac.digest(self.text.encode(), b"easel/" + purpose.encode(), hashlib.sha256)

    @property
    def fingerprint(self) -> bytes:
        """What the database keeps to recognise the secret: 16 bytes that do not lead back to it."""
        return self.derive("fingerprint")[:16]
