"""Callback signatures, verified by the Standard Webhooks project's own library."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from easel.domain import webhook

ID = "msg_task-unified-1757165031-uyujaw3d"
SECRET = bytes(range(32))
BODY = '{"prompt":"a cute cat 猫"}'.encode()
SECRETS = st.binary(min_size=webhook.SECRET_BYTES_MIN, max_size=webhook.SECRET_BYTES_MAX)
IDS = st.from_regex(r"msg_task-unified-[0-9]{1,12}-[a-z0-9]{8}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def now_s() -> int:
    return int(time.time())


def is_accepted(secret: bytes, body: bytes, headers: dict[str, str]) -> bool:
    """Whether a receiver with this secret accepts this message now."""
    try:
        Webhook(webhook.secret_text(secret)).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


@given(secret=SECRETS, message_id=IDS, value=JSON)
def test_signed_payloads_verify_and_decode_to_the_same_value(secret: bytes, message_id: str, value: object) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    headers = webhook.headers(message_id, now_s(), body, [secret])
    assert Webhook(webhook.secret_text(secret)).verify(body, headers) == value


@given(secret=SECRETS, message_id=IDS, text=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_body_that_is_not_json_can_be_signed(secret: bytes, message_id: str, text: str) -> None:
    body = text.encode()
    assert is_accepted(secret, body, webhook.headers(message_id, now_s(), body, [secret]))


@given(new=SECRETS, old=SECRETS, body=st.text(st.characters(exclude_categories=["Cs"])).map(str.encode))
def test_during_rotation_both_the_new_and_the_old_secret_verify(new: bytes, old: bytes, body: bytes) -> None:
    headers = webhook.headers(ID, now_s(), body, [new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert is_accepted(new, body, headers)
    assert is_accepted(old, body, headers)


@given(secret=SECRETS, other=SECRETS)
def test_another_secret_does_not_verify(secret: bytes, other: bytes) -> None:
    headers = webhook.headers(ID, now_s(), BODY, [secret])
    # HMAC pads a short key with zeros, so keys that differ only by zeros at their end are one key.
    assert is_accepted(other, BODY, headers) is (secret.rstrip(b"\0") == other.rstrip(b"\0"))


@given(st.integers(0, len(BODY) - 1), st.integers(0, 127))
def test_a_body_with_one_changed_byte_does_not_verify(index: int, byte: int) -> None:
    headers = webhook.headers(ID, now_s(), b"x" * len(BODY), [SECRET])
    changed = b"x" * index + bytes([byte]) + b"x" * (len(BODY) - index - 1)
    assert is_accepted(SECRET, changed, headers) is (byte == ord("x"))


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b""])
def test_a_longer_or_shorter_body_does_not_verify(body: bytes) -> None:
    assert not is_accepted(SECRET, body, webhook.headers(ID, now_s(), BODY, [SECRET]))


def test_another_id_does_not_verify() -> None:
    headers = webhook.headers(ID, now_s(), BODY, [SECRET])
    assert not is_accepted(SECRET, BODY, headers | {"webhook-id": ID[:-1] + "e"})


def test_another_timestamp_does_not_verify() -> None:
    headers = webhook.headers(ID, now_s(), BODY, [SECRET])
    assert not is_accepted(SECRET, BODY, headers | {"webhook-timestamp": str(now_s() - 2)})


@pytest.mark.parametrize("seconds", [-86_400, -310, 310])
def test_a_signed_timestamp_far_from_now_is_refused(seconds: int) -> None:
    assert not is_accepted(SECRET, BODY, webhook.headers(ID, now_s() + seconds, BODY, [SECRET]))


@pytest.mark.parametrize("seconds", [-290, 0, 290])
def test_a_timestamp_within_five_minutes_is_accepted(seconds: int) -> None:
    assert is_accepted(SECRET, BODY, webhook.headers(ID, now_s() + seconds, BODY, [SECRET]))


def test_attempts_share_the_message_id_and_have_their_own_signatures() -> None:
    first, second = (webhook.headers(ID, at_s, BODY, [SECRET]) for at_s in (1757165031, 1757165033))
    assert first["webhook-id"] == second["webhook-id"] == ID
    assert first["webhook-signature"] != second["webhook-signature"]


def test_the_signature_follows_the_specification() -> None:
    """Computed independently: printf '%s' 'msg_a.1757165031.{}' | openssl dgst -sha256 -mac HMAC -macopt
    hexkey:000102…1f"""
    assert webhook.headers("msg_a", 1757165031, b"{}", [SECRET]) == {
        "webhook-id": "msg_a",
        "webhook-timestamp": "1757165031",
        "webhook-signature": "v1,71RIxW//6rkeQ/JAZaPDLNdMVqQN6jc+1b3AD4VQWrg=",
    }


def test_a_secret_is_shown_in_the_format_that_libraries_accept() -> None:
    text = webhook.secret_text(SECRET)
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_"), validate=True) == SECRET


@pytest.mark.parametrize(
    ("message_id", "secrets"), [("", [SECRET]), ("msg_a.b", [SECRET]), (ID, []), (ID, [bytes(23)]), (ID, [bytes(65)])]
)
def test_signing_refuses_what_receivers_could_not_verify(message_id: str, secrets: list[bytes]) -> None:
    with pytest.raises(AssertionError):
        webhook.headers(message_id, 1757165031, BODY, secrets)
