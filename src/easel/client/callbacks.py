"""Verifies callbacks: that Easel signed them, as Standard Webhooks 1.0 specifies, and that they are recent.

The same callback can arrive more than once, with the same id. Remembering ids is the receiver's part.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from easel.client.answers import Task, task_of
from easel.client.failures import CallbackRejected
from easel.domain import webhook

TOLERANCE_S: Final = 300.0
"""How far the clocks of sender and receiver may differ. An older callback may be a replay."""
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Callback:
    """A genuine callback. Its id is the same whenever it is delivered again."""

    id: str
    task: Task


def verify_callback(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Callback:
    """The callback in a request. Raises CallbackRejected.

    `secret` begins with `whsec_`; with several, one must match. `headers` may be any mapping; their names are compared
    without regard to case. `body` is the received bytes, unparsed. `now_s` is Unix time, by default this machine's.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "")
    if not (message_id and timestamp and signatures):
        raise CallbackRejected("A webhook header is missing")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise CallbackRejected("webhook-timestamp is not a whole number")
    now_s = time.time() if now_s is None else now_s
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise CallbackRejected("webhook-timestamp is too far from the current time")
    secrets = [_secret(text) for text in ([secret] if isinstance(secret, str) else secret)]
    if not webhook.is_signed(message_id, int(timestamp), body, signatures, secrets):
        raise CallbackRejected("No signature matches the secret")
    try:
        return Callback(message_id, task_of(json.loads(body)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CallbackRejected("The body is not a task") from None


def _secret(text: str) -> bytes:
    """The bytes of a secret. Raises ValueError if it is none."""
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if not webhook.SECRET_BYTES_MIN <= len(secret) <= webhook.SECRET_BYTES_MAX:
        raise ValueError("The secret must be a text that begins with whsec_, as `easel keys callback-secret` prints it")
    return secret
