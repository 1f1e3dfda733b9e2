"""The installation's secret, and the keys that are derived from it, one for each purpose."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

SECRET_CHARACTERS_MIN: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """The installation's secret. Logs and errors show its `source`, never its text. `is_kept` says that it is stored in
    the data folder and not set by EASEL_SECRET."""

    text: str
    source: str = field(default="EASEL_SECRET", compare=False)
    is_kept: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.text) >= SECRET_CHARACTERS_MIN

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose: HMAC-SHA256 of its name, so that no key reveals anything about another."""
        return hmac.digest(self.text.encode(), b"easel/" + purpose.encode(), hashlib.sha256)

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that identify the secret in the database without revealing it."""
        return self.derive("fingerprint")[:16]
