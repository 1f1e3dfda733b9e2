"""What signs a callback: secrets and headers as Standard Webhooks 1.0 has them.

Pure: the time is an argument, and nothing is sent. It does not choose secrets; who calls it knows which are valid now.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
"""What the specification allows a secret to have."""


def secret_text(secret: bytes) -> str:
    """A secret as its owner is shown it, and as receivers' libraries take it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secret).decode()


def headers(message_id: str, timestamp_s: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers that say which message this is, when this attempt was made, and that it comes from us.

    There is one signature for each secret, in their order; a receiver accepts the message when one of them is right,
    so a secret can be replaced while both are valid. `timestamp_s` is Unix time.
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


def _signature(secret: bytes, signed: bytes) -> str:
    assert SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
