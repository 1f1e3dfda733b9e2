"""The receivers of callbacks that the documents offer, run unchanged on callbacks that Easel signs."""

import base64
import http.client
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from easel.domain import webhook
from tests.support.paths import ROOT

DOCS: Final = ROOT / "docs"
SECRET: Final = bytes(range(32))
NEXT_SECRET: Final = bytes(range(32, 64))
THREE_SECONDS_AGO = "three seconds ago"
TASK: Final = "task-unified-1757165031-uyujaw3d"
BODY: Final = f'{{"id":"{TASK}","status":"completed","odd":"猫 \\u0000"}}'.encode()
NODE: Final = shutil.which("node")


@dataclass
class Receiver:
    """A recipe that runs as a program and knows SECRET."""

    process: subprocess.Popen[str]
    host: str
    port: int
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def new_id(self) -> str:
        return f"msg_{TASK}-{next(self.ids)}"

    def answer(self, headers: Mapping[str, str], body: bytes = BODY) -> int:
        """POST a body; the status of the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request("POST", "/callbacks", body, {"content-type": "application/json", **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def line(self) -> str:
        """Read the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")


@pytest.fixture(scope="module", params=["verify.py", "verify.mjs"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    if request.param.endswith(".mjs") and NODE is None:
        pytest.skip("there is no `node` on the PATH to run the JavaScript recipe with")
    program = NODE if request.param.endswith(".mjs") and NODE else sys.executable
    process = subprocess.Popen(
        [program, str(DOCS / "receivers" / request.param), "0"],
        env={"PATH": os.defpath, "EASEL_CALLBACK_SECRET": webhook.secret_text(SECRET)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            address = urlsplit(process.stdout.readline().removeprefix("listening at ").strip())
            assert address.hostname is not None
            assert address.port is not None
            yield Receiver(process, address.hostname, address.port)
        finally:
            process.kill()


def signed(message_id: str, *secrets: bytes, seconds: int = 0, body: bytes = BODY) -> dict[str, str]:
    """The headers of a callback sent `seconds` from now."""
    return webhook.headers(message_id, int(time.time()) + seconds, body, secrets or [SECRET])


@pytest.mark.parametrize("seconds", [-290, 0, 290])
def test_a_recipe_accepts_a_valid_callback(receiver: Receiver, seconds: int) -> None:
    assert receiver.answer(signed(receiver.new_id(), seconds=seconds)) == 204
    assert receiver.line() == f"{TASK} completed"


@pytest.mark.parametrize("secrets", [(NEXT_SECRET, SECRET), (SECRET, NEXT_SECRET)])
def test_a_recipe_accepts_either_signature_while_a_secret_is_replaced(
    receiver: Receiver, secrets: tuple[bytes, ...]
) -> None:
    assert receiver.answer(signed(receiver.new_id(), *secrets)) == 204
    assert receiver.line() == f"{TASK} completed"


def test_a_recipe_acts_once_on_a_callback_that_arrives_twice(receiver: Receiver) -> None:
    message_id, other_id = receiver.new_id(), receiver.new_id()
    assert [receiver.answer(signed(message_id, seconds=seconds)) for seconds in (-2, -1)] == [204, 204]
    assert receiver.answer({}) == 400
    assert receiver.answer(signed(other_id)) == 204
    assert [receiver.line() for _ in range(3)] == [
        f"{TASK} completed", "rejected: a webhook header is missing", f"{TASK} completed",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [BODY.replace(b"completed", b"failed"), BODY + b"\n", b""])
def test_a_recipe_rejects_a_changed_body(receiver: Receiver, body: bytes) -> None:
    assert receiver.answer(signed(receiver.new_id()), body) == 400
    assert receiver.line() == "rejected: no signature matches"


@pytest.mark.parametrize("seconds", [-86_400, -310, 310])
def test_a_recipe_rejects_a_callback_from_another_time(receiver: Receiver, seconds: int) -> None:
    assert receiver.answer(signed(receiver.new_id(), seconds=seconds)) == 400
    assert receiver.line() == "rejected: webhook-timestamp is too far from the current time"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_recipe_rejects_a_callback_with_a_missing_header(receiver: Receiver, name: str) -> None:
    headers = signed(receiver.new_id())
    del headers[name]
    assert receiver.answer(headers) == 400
    assert receiver.line() == "rejected: a webhook header is missing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": f"msg_{TASK}x"}, "no signature matches"),
        ({"webhook-timestamp": THREE_SECONDS_AGO}, "no signature matches"),
        ({"webhook-timestamp": "1e9"}, "webhook-timestamp is not a whole number"),
        ({"webhook-timestamp": "-1"}, "webhook-timestamp is not a whole number"),
        ({"webhook-timestamp": "9" * 400}, "webhook-timestamp is not a whole number"),
        ({"webhook-timestamp": "²"}, "webhook-timestamp is not a whole number"),
        ({"webhook-signature": "v1,"}, "no signature matches"),
        ({"webhook-signature": "v1"}, "no signature matches"),
        ({"webhook-signature": "v1,é"}, "no signature matches"),
        ({"webhook-signature": "v1,AAAA v1 ,,, v2,x"}, "no signature matches"),
        ({"webhook-signature": "v1," + "A" * 43 + "="}, "no signature matches"),
    ],
)
def test_a_recipe_rejects_forged_headers(receiver: Receiver, change: dict[str, str], reason: str) -> None:
    if change.get("webhook-timestamp") == THREE_SECONDS_AGO:
        change = {"webhook-timestamp": str(int(time.time()) - 3)}
    assert receiver.answer(signed(receiver.new_id()) | change) == 400
    assert receiver.line() == f"rejected: {reason}"


def test_a_recipe_rejects_the_signature_of_another_version_or_secret(receiver: Receiver) -> None:
    headers = signed(receiver.new_id())
    other_version = headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}
    assert receiver.answer(other_version) == 400
    assert receiver.answer(signed(receiver.new_id(), NEXT_SECRET)) == 400
    assert [receiver.line(), receiver.line()] == ["rejected: no signature matches"] * 2


@pytest.fixture(scope="module")
def verified() -> Callable[..., Any]:
    """The function of the recipe in docs/how-to/callbacks.md."""
    recipe = re.search(r"```python\n(.*?)```", (DOCS / "how-to" / "callbacks.md").read_text("utf-8"), re.DOTALL)
    assert recipe is not None
    names: dict[str, Any] = {}
    exec(recipe[1].replace('os.environ["EASEL_CALLBACK_SECRET"]', repr(webhook.secret_text(SECRET))), names)
    function: Callable[..., Any] = names["verified"]
    return function


def test_the_recipe_with_a_package_accepts_only_valid_callbacks(verified: Callable[..., Any]) -> None:
    for headers in (signed("msg_a"), signed("msg_a", NEXT_SECRET, SECRET), signed("msg_a", seconds=-290)):
        assert verified(headers, BODY)["id"] == TASK
    for headers in (
        {}, signed("msg_a", seconds=-310), signed("msg_a", NEXT_SECRET), signed("msg_a", body=BODY + b" "),
        signed("msg_a") | {"webhook-signature": "v1"}, signed("msg_a") | {"webhook-signature": "v1,x"},
    ):  # fmt: skip
        assert verified(headers, BODY) is None


def test_the_example_in_the_guide_carries_the_signature_of_its_secret() -> None:
    text = (DOCS / "how-to" / "callbacks.md").read_text("utf-8")
    example = re.search(r"```\nPOST /.*?\n\n(.*?)\n```", text, re.DOTALL)
    secret = re.search(r"`whsec_([A-Za-z0-9+/=]{44})`", text)
    assert example is not None
    assert secret is not None
    shown = dict(re.findall(r"^(webhook-[a-z]+): (.+)$", example[0], re.MULTILINE))
    sent_s = int(shown["webhook-timestamp"])
    assert shown == webhook.headers(shown["webhook-id"], sent_s, example[1].encode(), [base64.b64decode(secret[1])])
