"""`POST /v1/images/generations`: refused orders, their messages, and that they leave nothing behind.

Every bad value holds `MARK` where it can, so that an answer or a log that repeats it is found out.
"""

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

MARK: Final = "quokka"
PROMPT: Final = f"a {MARK} in the rain"
JSON_SENTENCE: Final = "The request body must be valid JSON in UTF-8"
OBJECT_SENTENCE: Final = "The request body must be a JSON object"
SENTENCES: Final = {
    "model": "model is required and must be a string, such as z-image-turbo",
    "prompt": "prompt ",
    "size": "size must be one of 1:1, 2:3, 3:2, 3:4, 4:3, 9:16, 16:9, 1:2, 2:1, or WIDTHxHEIGHT with both sides from "
    "376 to 1536 pixels, such as 1024x768",
    "seed": "seed must be a whole number from 1 to 2147483647",
    "nsfw_check": "nsfw_check must be true or false",
    "callback_url": "callback_url ",
    "output_format": "output_format must be one of webp, png, jpeg",
}


class Field(enum.Enum):
    """Special values of a field."""

    ABSENT = enum.auto()


ABSENT: Final = Field.ABSENT


@dataclass(frozen=True)
class Wrong:
    """A body, the beginning of its refusal, and the field that it concerns."""

    name: str
    body: bytes
    sentence: str
    param: str | None = None


def order(**changes: Any) -> dict[str, Any]:
    merged = {**ORDER, "prompt": PROMPT, **changes}
    return {name: value for name, value in merged.items() if value is not ABSENT}


def wrong_field(name: str, *values: Any) -> list[Wrong]:
    """Orders with an invalid field."""
    return [
        Wrong(f"{name}={str(value)[:40]!r} ({type(value).__name__})", json.dumps(order(**{name: value})).encode(),
              SENTENCES[name], name)
        for value in values
    ]  # fmt: skip


def raw(field: bytes) -> bytes:
    """An order with a field written as exactly these bytes."""
    return json.dumps(order()).encode()[:-1] + b"," + field + b"}"


WRONG_FIELDS: Final = [
    *wrong_field("model", ABSENT, None, "", 5, True, 1.5, [MARK], {"name": MARK}),
    *wrong_field("prompt", ABSENT, None, "", 5, True, [PROMPT], {"text": PROMPT}, MARK + "x" * 1995, "🐈" * 2001,
                 f"{MARK}\0", "\0"),
    *wrong_field("size", "", 5, True, 1024.0, [1024, 1024], {"w": 1}, "5:4", "1x1", "64x64", "375x1024", "1024x375",
                 "1537x1024", "1024x1537", "1024X1024", "1024×1024", " 1024x1024", "1024x1024 ", "1024x1024\n",
                 "01024x768", "+1024x768", "-1024x768", "1024x", "x1024", "1024", "1024*1024", "10240x768",
                 "99999999999x1024", "１０２４x768", "1e3x1e3", "1:1 ", "auto", "2K", "1024.0x768", MARK),
    *wrong_field("seed", 0, -1, 2147483648, "5", MARK, "", True, False, 1.0, 5.5, [], [5], {}, 10**40, -(10**40)),
    *wrong_field("nsfw_check", 0, 1, "true", "", MARK, [], {}, 1.0),
    *wrong_field("output_format", "", "jpg", "WEBP", "gif", " png", 5, True, [], ["png"], {}, MARK),
    *wrong_field("callback_url", 5, True, [], {}, "", MARK, "http://hooks.your-domain.com/", "ftp://your-domain.com/",
                 "//your-domain.com/", "https:/your-domain.com", "https://", "https://user:pass@your-domain.com/",
                 "https://your-domain.com/#part", "https://your-domain.com/" + "x" * 2025, "https://localhost/",
                 "https://127.0.0.1/", "https://10.1.2.3/", "https://172.16.0.1/", "https://192.168.1.1/",
                 "https://[::1]/", "https://169.254.169.254/latest/meta-data/", "https://2130706433/",
                 "https://your-domain.com:22/", "https://your-domain.com\\@127.0.0.1/", "https://bücher.com/"),
]  # fmt: skip

PLAIN: Final = json.dumps(order())
ODD_BODIES: Final = [
    *(
        Wrong(name, body, JSON_SENTENCE)
        for name, body in {
            "nothing": b"",
            "blanks": b" \r\n\t",
            "a brace": b"{",
            "cut off": PLAIN.encode()[:-1],
            "two values": PLAIN.encode() * 2,
            "a trailing comma": PLAIN.encode()[:-1] + b",}",
            "single quotes": PLAIN.replace('"', "'").encode(),
            "a comment": PLAIN.encode() + b" // " + MARK.encode(),
            "a form": b"model=z-image-turbo&prompt=" + MARK.encode(),
            "NaN": raw(b'"seed":NaN'),
            "Infinity": raw(b'"seed":-Infinity'),
            "1e400": raw(b'"seed":1e400'),
            "1e400 in an unknown field": raw(b'"other":1e400'),
            "a leading zero": raw(b'"seed":07'),
            "a hexadecimal number": raw(b'"seed":0x7'),
            "a number of 5,000 digits": raw(b'"seed":' + b"7" * 5000),
            "a number of 60,000 digits": raw(b'"other":' + b"7" * 60_000),
            "UTF-16": PLAIN.encode("utf-16"),
            "UTF-16, big end first": PLAIN.encode("utf-16-be"),
            "UTF-32": PLAIN.encode("utf-32"),
            "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
            "Latin-1": PLAIN.replace("rain", "\xe9\xe8").encode("latin-1"),
            "an overlong form": PLAIN.encode().replace(b"rain", b"\xc0\xaf"),
            "a surrogate in UTF-8": PLAIN.encode().replace(b"rain", b"\xed\xa0\x80"),
            "a byte beyond Unicode": PLAIN.encode().replace(b"rain", b"\xf4\x90\x80\x80"),
            "a lone high surrogate": PLAIN.encode().replace(b"rain", rb"\ud83d"),
            "a lone low surrogate": PLAIN.encode().replace(b"rain", rb"\udc08"),
            "a pair of surrogates the wrong way round": PLAIN.encode().replace(b"rain", rb"\udc08\ud83d"),
            "a lone surrogate in a name": raw(rb'"\ud83d":1'),
            "a raw control character": PLAIN.encode().replace(b"rain", b"\x01"),
            "a raw NUL": PLAIN.encode().replace(b"rain", b"\0"),
            "NUL alone": b"\0",
            "an unknown escape": PLAIN.encode().replace(b"rain", rb"\x41"),
            "a deep nest, left open": b"[" * 60_000,
            "a deep nest of lists": raw(b'"other":' + b"[" * 30_000 + b"]" * 30_000),
            "a deep nest of objects": raw(b'"other":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000),
            "compressed": b"\x1f\x8b\x08\x00" + MARK.encode(),
        }.items()
    ),
    *(
        Wrong(name, body, OBJECT_SENTENCE)
        for name, body in {
            "null": b"null",
            "a number": b"5",
            "a string": json.dumps(MARK).encode(),
            "an empty list": b"[]",
            "a list of orders": b"[" + PLAIN.encode() + b"]",
        }.items()
    ),
    Wrong("a seed of 4,000 digits", raw(b'"seed":' + b"7" * 4000), SENTENCES["seed"], "seed"),
    Wrong("a seed with an exponent", raw(b'"seed":1e0'), SENTENCES["seed"], "seed"),
    Wrong("an escaped NUL", PLAIN.encode().replace(b"rain", rb"\u0000"), "prompt must not contain NUL", "prompt"),
    Wrong("an empty object", b"{}", SENTENCES["model"], "model"),
]
WRONG: Final = WRONG_FIELDS + ODD_BODIES


@pytest.fixture(scope="module")
def account() -> str:
    """An account with 100 credits whose orders are all refused."""
    return "refusals"


@pytest.fixture(scope="module")
def client(service: Service, account: str) -> Iterator[httpx2.Client]:
    with service.client(service.new_key(account)) as client:
        yield client


@pytest.fixture(scope="module")
def generous(service: Service) -> Iterator[httpx2.Client]:
    """A client whose orders can be accepted."""
    with service.client(service.new_key("refusals-generous")) as client:
        yield client


@pytest.fixture(scope="module")
def database(service: Service) -> Iterator[Connection[TupleRow]]:
    with service.database() as connection:
        connection.autocommit = True
        yield connection


def assert_nothing_was_kept(database: Connection[TupleRow], account: str) -> None:
    """Fails unless the account has only its grant."""
    row = database.execute(
        """
        SELECT available_microcredits, reserved_microcredits, used_microcredits,
            (SELECT count(*) FROM tasks WHERE account_id = accounts.id),
            (SELECT count(*) FROM holds WHERE account_id = accounts.id),
            (SELECT array_agg(kind) FROM ledger WHERE account_id = accounts.id)
        FROM accounts WHERE name = %s
        """,
        (account,),
    ).fetchone()
    assert row == (100_000_000, 0, 0, 0, 0, ["grant"])


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_an_invalid_order_is_refused_with_a_helpful_message_and_leaves_nothing(
    client: httpx2.Client, database: Connection[TupleRow], account: str, wrong: Wrong
) -> None:
    response = client.post(GENERATIONS, content=wrong.body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["message"].startswith(wrong.sentence)
    assert len(error["message"]) > len("callback_url ") + 10
    named = {} if wrong.param is None else {"param": wrong.param}
    expected = {"code": "invalid_request", "message": error["message"], "type": "invalid_request_error", **named}
    assert response.content == json.dumps({"error": expected}, separators=(",", ":"), sort_keys=True).encode()
    assert MARK not in response.text
    assert_nothing_was_kept(database, account)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("z-image", "Token does not have access to model: z-image"),
        ("Z-Image-Turbo", "Token does not have access to model: Z-Image-Turbo"),
        ("Tongyi-MAI/Z-Image-Turbo", "Token does not have access to model: Tongyi-MAI/Z-Image-Turbo"),
        ("z-image-turbo ", "Token does not have access to model"),
        (f"<b>{MARK}</b>", "Token does not have access to model"),
        (MARK * 100, "Token does not have access to model"),
        ("z-image-turbo\0", "Token does not have access to model"),
    ],
)
def test_an_unknown_model_gets_403_and_is_repeated_only_if_it_looks_like_a_name(
    client: httpx2.Client, database: Connection[TupleRow], account: str, model: str, message: str
) -> None:
    response = client.post(GENERATIONS, json=order(model=model))
    assert response.status_code == 403
    assert response.json() == {
        "error": {"code": "model_access_denied", "message": message, "type": "invalid_request_error"}
    }
    assert_nothing_was_kept(database, account)


def test_an_order_with_two_faults_reports_one_of_them(client: httpx2.Client) -> None:
    response = client.post(GENERATIONS, json=order(model="nope", seed=0, size=5))
    assert response.status_code == 400
    assert response.json()["error"]["param"] in {"seed", "size"}


def test_an_order_without_enough_credits_leaves_nothing(service: Service, database: Connection[TupleRow]) -> None:
    with service.client(service.new_key("refusals-poor", "0.025999")) as client:
        response = client.post(GENERATIONS, json=order())
        assert response.status_code == 402
        assert client.get("/v1/credits").json()["data"]["user"] == {"remaining_credits": 0.025999, "used_credits": 0}
    kept = database.execute(
        "SELECT count(*) FROM tasks JOIN accounts ON accounts.id = account_id WHERE name = 'refusals-poor'"
    ).fetchone()
    assert kept == (0,)


def test_no_prompt_key_or_link_is_logged(service: Service, client: httpx2.Client) -> None:
    key = service.new_key("refusals-logged", "0.026")
    with service.client(key) as payer:
        task = finish(payer, submit(payer, prompt=PROMPT, callback_url=f"https://{MARK}.com/")["id"])
        assert payer.get(task["results"][0]).status_code == 200
        assert payer.post(GENERATIONS, json=order()).status_code == 402
    for wrong in WRONG:
        client.post(GENERATIONS, content=wrong.body)
    logged = service.log_file.read_text() + (service.data_dir / "postgres.log").read_text()
    grant, picture = task["results"][0].split("/")[-2:]
    assert task["id"] in logged
    for secret in (MARK, key, key[9:20], grant, grant.split(".")[2], picture):
        assert secret not in logged


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(list(ORDER.values())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_BODIES = st.binary(max_size=200) | st.dictionaries(
    st.sampled_from(sorted({*SENTENCES, "other"})) | st.text(max_size=5), _VALUES, max_size=8
).map(lambda fields: json.dumps(fields).encode())


@settings(max_examples=200)
@given(body=_BODIES)
def test_no_body_causes_a_server_error(generous: httpx2.Client, body: bytes) -> None:
    response = generous.post(GENERATIONS, content=body)
    assert response.status_code in {200, 400, 403}, response.text
    assert response.headers["content-type"] == "application/json"
