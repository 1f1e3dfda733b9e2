"""Programs verify callbacks with `easel.verify_callback`."""

import base64
import json
import secrets
import time

import pytest
from standardwebhooks import Webhook

import easel
from easel.domain import webhook

SECRET = secrets.token_bytes(32)
NOW_S = 1_757_165_031
TASK = {
    "created": 1757165031, "error": {"code": "request_cancelled", "message": "Cancelled", "type": "task_error"},
    "id": "task-unified-1757165031-uyujaw3d", "model": "z-image-turbo", "object": "image.generation.task",
    "progress": 0, "status": "failed", "task_info": {"can_cancel": False}, "type": "image",
    "usage": {"billing_rule": "per_call", "credits_used": 0, "user_group": "default"},
}  # fmt: skip
BODY = json.dumps(TASK).encode()
SENT = webhook.headers("msg_1", NOW_S, BODY, [SECRET])
TEXT = webhook.secret_text(SECRET)


def test_a_signed_callback_is_read() -> None:
    callback = easel.verify_callback(TEXT, SENT, BODY, now_s=NOW_S)
    assert callback.id == "msg_1"
    assert callback.task.error == easel.TaskError("request_cancelled", "Cancelled")
    with pytest.raises(easel.TaskFailed, match="request_cancelled"):
        callback.task.completed()


def test_the_case_of_header_names_does_not_matter() -> None:
    headers = {name.title(): value for name, value in SENT.items()}
    assert easel.verify_callback(TEXT, headers, BODY, now_s=NOW_S).id == "msg_1"


def test_a_callback_that_another_library_signed_is_read() -> None:
    now_s = int(time.time())
    signature = Webhook(TEXT).sign(
        "msg_2", __import__("datetime").datetime.fromtimestamp(now_s, tz=None), BODY.decode()
    )
    headers = {"webhook-id": "msg_2", "webhook-timestamp": str(now_s), "webhook-signature": signature}
    assert easel.verify_callback(TEXT, headers, BODY).id == "msg_2"


def test_one_of_several_secrets_is_enough() -> None:
    other = webhook.secret_text(secrets.token_bytes(32))
    assert easel.verify_callback([other, TEXT], SENT, BODY, now_s=NOW_S).id == "msg_1"
    both = webhook.headers("msg_1", NOW_S, BODY, [secrets.token_bytes(32), SECRET])
    assert easel.verify_callback(TEXT, both, BODY, now_s=NOW_S).id == "msg_1"


@pytest.mark.parametrize(
    ("changes", "body", "late_s", "reason"),
    [
        ({}, BODY + b" ", 0, "No signature matches"),
        ({"webhook-id": "msg_3"}, BODY, 0, "No signature matches"),
        ({"webhook-signature": "v1,é"}, BODY, 0, "No signature matches"),
        ({"webhook-signature": ""}, BODY, 0, "header is missing"),
        ({"webhook-timestamp": "soon"}, BODY, 0, "not a whole number"),
        ({}, BODY, 301, "too far"),
        ({}, BODY, -301, "too far"),
    ],
)
def test_a_forged_or_old_callback_is_rejected(changes: dict[str, str], body: bytes, late_s: int, reason: str) -> None:
    with pytest.raises(easel.CallbackRejected, match=reason):
        easel.verify_callback(TEXT, SENT | changes, body, now_s=NOW_S + late_s)


def test_a_signed_body_that_is_no_task_is_rejected() -> None:
    sent = webhook.headers("msg_1", NOW_S, b"[]", [SECRET])
    with pytest.raises(easel.CallbackRejected, match="not a task"):
        easel.verify_callback(TEXT, sent, b"[]", now_s=NOW_S)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_text_that_is_no_secret_is_a_mistake_of_the_program(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        easel.verify_callback(text, SENT, BODY, now_s=NOW_S)
