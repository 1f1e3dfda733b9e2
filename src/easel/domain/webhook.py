"""Signs callbacks as Standard Webhooks 1.0 specifies: the secrets and the headers."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
"""Shortest and longest secret that the specification allows."""


def secret_text(secret: bytes) -> str:
    """A secret as it is shown to its owner and as receivers' libraries expect it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secret).decode()


def signing_secrets(root: bytes, account_id: int, generation: int, *, is_overlapping: bool) -> list[bytes]:
    """The 32-byte secrets that sign an account's callbacks, newest first: the current one, and during an overlap also
    the previous one. `root` is derived from the installation's secret."""
    generations = [generation, generation - 1] if is_overlapping else [generation]
    return [hmac.digest(root, f"{account_id}.{each}".encode(), hashlib.sha256) for each in generations]


def headers(message_id: str, timestamp_s: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers with the message's id, the time of the attempt and the signatures. `timestamp_s` is Unix time.

    There is one signature for each secret, in the same order. A receiver accepts a message if one signature is right,
    so during a rotation both secrets are valid.
    """
    assert message_id
    assert "." not in message_id, "a dot would let the id run into the timestamp"
    assert secrets, "an unsigned callback is never sent"
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def is_signed(message_id: str, timestamp_s: int, body: bytes, signatures: str, secrets: Sequence[bytes]) -> bool:
    """Whether one of the signatures of a message is right for one of the secrets."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    expected = [_signature(secret, signed).encode() for secret in secrets]
    given = [text.encode() for text in signatures.split(" ")]
    return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given)


def _signature(secret: bytes, signed: bytes) -> str:
    assert SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
