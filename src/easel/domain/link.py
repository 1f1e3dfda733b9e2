"""Picture links: a path that opens one picture until a moment, and can be neither guessed, extended nor altered.

    /pictures/<expiry>.<key id>.<signature>/<picture name>

The signature is HMAC-SHA256 over the method class, the picture's name and the expiry. GET and HEAD are one class.
Everything stands in the path, so that a link ends in the picture's true file extension.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LIFETIME_S: Final = 24 * 60 * 60
_NAME = re.compile(r"[0-9a-f]{32}\.(?:webp|png|jpg)")
_GRANT = re.compile(r"([0-9]{1,12})\.([0-9a-f]{8})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """The key that signs, and all keys, by id, that are still believed."""

    signing_id: str
    by_id: Mapping[str, bytes]


def link_keys(*secrets: bytes) -> LinkKeys:
    """Keys from secrets, the first of which signs. A key's id is the start of its own digest."""
    by_id = {hashlib.sha256(b"easel link key id" + secret).hexdigest()[:8]: secret for secret in secrets}
    return LinkKeys(next(iter(by_id)), by_id)


def picture_name(task_id: str, secret: bytes, extension: str) -> str:
    """The name of a task's picture: 128 bits that only the secret's owner can tell from the id, and an extension.

    The same task always has the same name, so drawing it twice leaves one picture.
    """
    name = hmac.digest(secret, task_id.encode(), hashlib.sha256).hex()[:32] + extension
    assert is_picture_name(name)
    return name


def is_picture_name(text: str) -> bool:
    """Whether a text has the form of a picture's name."""
    return _NAME.fullmatch(text) is not None


def expires_at(made_at: datetime) -> datetime:
    """When a link made now expires: a day on, in whole seconds, which are all that its path can say.

    So a link and the record of it expire at one moment, and no read of a task between two moments finds a dead link.
    """
    return made_at.replace(microsecond=0) + timedelta(seconds=LIFETIME_S)


def path(name: str, expires_s: int, keys: LinkKeys) -> str:
    """The path that opens a picture until a Unix time."""
    signature = _signature(keys.by_id[keys.signing_id], name, expires_s)
    return f"/pictures/{expires_s}.{keys.signing_id}.{signature}/{name}"


def expiry_s(grant: str, name: str, keys: LinkKeys) -> int | None:
    """Until which Unix time a path opens its picture; None when we never made it."""
    match = _GRANT.fullmatch(grant)
    if match is None or not is_picture_name(name):
        return None
    expires_s, key_id, signature = int(match[1]), match[2], match[3]
    key = keys.by_id.get(key_id)
    if key is None or not hmac.compare_digest(signature, _signature(key, name, expires_s)):
        return None
    # A leading zero would be a second spelling of the same link.
    return expires_s if str(expires_s) == match[1] else None


def _signature(key: bytes, name: str, expires_s: int) -> str:
    mac = hmac.digest(key, f"read\n{name}\n{expires_s}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
