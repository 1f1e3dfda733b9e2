"""Picture links: a path that opens one picture until a given time, and cannot be guessed, extended or altered.

    /pictures/<expiry>.<key id>.<signature>/<picture name>
    /thumbnails/<expiry>.<key id>.<signature>/<name of its thumbnail>

The signature is HMAC-SHA256 over the method class, the file's name and the expiry. GET and HEAD are one class. The link
of a thumbnail does not open its picture. There is no query string, so that a link ends in the picture's file extension.
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
_THUMBNAIL = re.compile(r"([0-9a-f]{32})-(webp|png|jpg)\.webp")
_GRANT = re.compile(r"([0-9]{1,12})\.([0-9a-f]{8})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """The key that signs new links, and all keys whose links are still accepted, by id."""

    signing_id: str
    by_id: Mapping[str, bytes]


def link_keys(*secrets: bytes) -> LinkKeys:
    """The keys for these secrets. The first one signs. A key's id is the beginning of its digest."""
    by_id = {hashlib.sha256(b"easel link key id" + secret).hexdigest()[:8]: secret for secret in secrets}
    return LinkKeys(next(iter(by_id)), by_id)


def picture_name(task_id: str, secret: bytes, extension: str) -> str:
    """The name of a task's picture: 128 bits that cannot be derived from the id without the secret, and an extension.

    The same task always gets the same name, so drawing it twice leaves one picture.
    """
    name = hmac.digest(secret, task_id.encode(), hashlib.sha256).hex()[:32] + extension
    assert is_picture_name(name)
    return name


def is_picture_name(text: str) -> bool:
    """Whether a text is a well-formed picture name."""
    return _NAME.fullmatch(text) is not None


def thumbnail_name(picture_name: str) -> str:
    """The name of a picture's thumbnail, such as `5d41…c592-png.webp`. A thumbnail is a WebP file, whatever its
    picture."""
    return f"{picture_name.replace('.', '-')}.webp"


def picture_of_thumbnail(name: str) -> str | None:
    """The name of the picture that a thumbnail belongs to. None if this is no name of a thumbnail."""
    match = _THUMBNAIL.fullmatch(name)
    return None if match is None else f"{match[1]}.{match[2]}"


def expires_at(made_at: datetime) -> datetime:
    """When a link made at this time expires: a day later, rounded down to whole seconds, as in its path.

    So the link and its record expire at the same time, and reading a task never returns an expired link.
    """
    return made_at.replace(microsecond=0) + timedelta(seconds=LIFETIME_S)


def path(name: str, expires_s: int, keys: LinkKeys) -> str:
    """The path that opens a picture until this Unix time."""
    return f"/pictures/{_grant(name, expires_s, keys)}/{name}"


def thumbnail_path(picture_name: str, expires_s: int, keys: LinkKeys) -> str:
    """The path that opens a picture's thumbnail until this Unix time."""
    name = thumbnail_name(picture_name)
    return f"/thumbnails/{_grant(name, expires_s, keys)}/{name}"


def expiry_s(grant: str, name: str, keys: LinkKeys) -> int | None:
    """The Unix time at which a picture's link expires. None if its signature is not valid."""
    return _expiry_s(grant, name, keys) if is_picture_name(name) else None


def thumbnail_expiry_s(grant: str, name: str, keys: LinkKeys) -> int | None:
    """The Unix time at which a thumbnail's link expires. None if its signature is not valid."""
    return _expiry_s(grant, name, keys) if picture_of_thumbnail(name) is not None else None


def _grant(name: str, expires_s: int, keys: LinkKeys) -> str:
    signature = _signature(keys.by_id[keys.signing_id], name, expires_s)
    return f"{expires_s}.{keys.signing_id}.{signature}"


def _expiry_s(grant: str, name: str, keys: LinkKeys) -> int | None:
    match = _GRANT.fullmatch(grant)
    if match is None:
        return None
    expires_s, key_id, signature = int(match[1]), match[2], match[3]
    key = keys.by_id.get(key_id)
    if key is None or not hmac.compare_digest(signature, _signature(key, name, expires_s)):
        return None
    # Leading zeros are refused: they would be a second spelling of the same link.
    return expires_s if str(expires_s) == match[1] else None


def _signature(key: bytes, name: str, expires_s: int) -> str:
    mac = hmac.digest(key, f"read\n{name}\n{expires_s}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
