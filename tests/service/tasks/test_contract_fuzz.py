"""Generated requests against a running service: every answer keeps the contract.

Schemathesis makes the requests from the document that the service serves: its examples, each bound from both sides,
random ones good and bad, and chains that follow the document's links, such as create, read, cancel, delete. Its own
checks judge whether good data is accepted, bad data refused and a key asked for; `tests/support/contract.py` judges
every single answer once more. It does not show that a picture is the right one; other tests do.

`--contract-requests` says how many requests reach the service at least.
"""

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import pytest
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData
from tools.api_page import document as openapi

from tests.support.contract import EVENTS, Contract
from tests.support.data_folders import prepared_folder
from tests.support.request_rules import RequestRules
from tests.support.running_service import GENERATIONS, ORDER, Service

pytestmark = pytest.mark.timeout(3600)

LIMIT: Final = "1000000"
"""As good as none: what happens at a limit is tested elsewhere, and here it would only be in the way."""
FIRST_EXAMPLES: Final = 40
EXAMPLES_MAX: Final = 100
"""How many random requests, or chains of them, there are for each operation in a round."""
REQUESTS_PER_EXAMPLE: Final = 15
"""How many requests one more example a round makes, about."""
FIRST_ROUND: Final[tuple[str, ...]] = ("examples", "coverage", "fuzzing", "stateful")
LATER_ROUNDS: Final = ("fuzzing", "stateful")
ROUNDS_FOR_SUCCESS: Final = 6
"""Chance decides when an operation first succeeds. After so many rounds, one that never did is not only unlucky."""
NOT_TRIED: Final = ("/admin/", "/console/", "/metrics")
"""Where a key of the scope `admin` may do everything, such as revoke the keys of these tests, and where only a key in
the body, or a cursor of an earlier answer, leads on. tests/service/admin and tests/service/console try each address."""
SUCCESSES: Final = frozenset({200, 204, 206})
NOT_BOUND_TO_SUCCEED: Final = {
    "GET /openapi.json", "GET /pictures/{grant}/{file}", "HEAD /pictures/{grant}/{file}",
    "GET /thumbnails/{grant}/{file}", "POST /v1/tasks/{task_id}/cancel", "POST /v1/tasks/{task_id}/callback/redeliver",
}  # fmt: skip
"""Schemathesis leaves the document alone that it was given, the link of a picture or a thumbnail is hard to come by, a
task may be drawn before anybody cancels it, and a callback is delivered again only when its attempts have ended."""


@dataclass
class Run:
    """The requests sent, and their results."""

    document: dict[str, Any]
    seed: int
    requests: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often each operation answered with each status."""
    faults: dict[str, str] = field(default_factory=dict)
    """What broke the contract: the kind of fault, and its first case."""

    @property
    def operations(self) -> dict[str, dict[str, Any]]:
        """The document's operations, by method and path."""
        return {
            f"{method.upper()} {path}": operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        }

    @property
    def unsuccessful(self) -> set[str]:
        """The operations that have not succeeded yet."""
        successful = {name for name, status in self.answers if status in SUCCESSES}
        return self.operations.keys() - successful - NOT_BOUND_TO_SUCCEED


def config(key: str, seed: int, phases: tuple[str, ...], examples: int) -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {key}"},
            "request-timeout": 30,
            "max-stream-events": 1000,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
            "phases": {name: {"enabled": name in phases} for name in FIRST_ROUND},
            # A deleted task can still be read, by contract: what it cost stays on record.
            "checks": {"use_after_free": {"enabled": False}},
            # The key dies with its service, and so a fault can be tried again as it is shown.
            "output": {"sanitization": {"enabled": False}},
        }
    )


def execute(run: Run, schema: schemathesis.BaseSchema) -> None:
    """Send a round of requests, and record the results."""
    contract, rules = Contract(run.document), RequestRules(run.document)

    @schema.hook
    def filter_failure(
        context: object, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
    ) -> bool:
        return not is_as_agreed(rules, failure, case, response)

    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            note_answers(run, contract, event.recorder)
            note_failures(run, event.recorder)
        elif isinstance(event, events.NonFatalError):
            run.faults.setdefault(f"{event.label}: not tried", repr(event.value))
        elif isinstance(event, events.FatalError):
            raise event.exception


def is_as_agreed(
    rules: RequestRules, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Whether what Schemathesis takes for a failure is right: it reads the schemas, the contract has words too."""
    if isinstance(failure, JsonSchemaError):
        return response.headers["content-type"][0].startswith(EVENTS)  # it takes the schema for that of one event
    if not isinstance(failure, AcceptedNegativeData | RejectedPositiveData):
        return False
    if response.status_code == 416:
        total = response.headers["content-range"][0].removeprefix("bytes */")
        return is_outside(str(response.request.headers["Range"]), int(total))
    sent = response.request
    headers = {name: text if isinstance(text, str) else text.decode("latin-1") for name, text in sent.headers.items()}
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    assert isinstance(body, bytes | None)
    is_good = rules.is_good(case.operation.method, case.path, str(sent.url), headers, body)
    return is_good is isinstance(failure, AcceptedNegativeData)


def is_outside(byte_range: str, total: int) -> bool:
    """Whether a range holds none of so many bytes, which no schema can say: how long a picture is."""
    start, _, end = byte_range.removeprefix("bytes=").partition("-")
    return int(start) >= total if start else int(end) == 0


def note_answers(run: Run, contract: Contract, recorder: ScenarioRecorder) -> None:
    for case_id, interaction in recorder.interactions.items():
        operation = recorder.cases[case_id].value.operation.label
        if interaction.response is None:
            run.faults.setdefault(f"{operation}: no answer", repr(interaction.request))
            continue
        run.requests += 1
        run.answers[operation, interaction.response.status_code] += 1
        answer = as_httpx(interaction.response)
        try:
            contract.assert_kept(answer)
        except (AssertionError, KeyError) as error:
            kind = f"{operation}: {answer.status_code} is not as described"
            run.faults.setdefault(kind, f"{error!r}\n{answer.request.method} {answer.request.url}\n{answer.text[:500]}")


def as_httpx(response: schemathesis.Response) -> httpx2.Response:
    return httpx2.Response(
        response.status_code,
        # The content is decompressed already.
        headers=[
            (name, value)
            for name, values in response.headers.items()
            for value in values
            if name.lower() != "content-encoding"
        ],
        content=response.content,
        request=httpx2.Request(str(response.request.method), str(response.request.url)),
    )


def note_failures(run: Run, recorder: ScenarioRecorder) -> None:
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                kind = f"{failure.operation}: {check.name}: {failure.title}"
                run.faults.setdefault(kind, f"{failure.message}\n{check.failure_info.code_sample}")


@pytest.fixture(scope="module")
def tried() -> Iterator[Service]:
    """A service with unreachable limits, which draws just slowly enough for some cancels to succeed."""
    limits = ("creates_per_minute", "reads_per_minute", "unfinished_max", "backlog_max", "auth_failures_per_minute")
    settings = {"blank_step_s": "0.004", **dict.fromkeys(limits, LIMIT)}
    with prepared_folder() as folder, Service(folder, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def key(tried: Service) -> str:
    return tried.new_key("fuzz", LIMIT)


@pytest.fixture(scope="module")
def run(tried: Service, key: str, pytestconfig: pytest.Config) -> Run:
    """Run as many rounds as needed. The seed is that of pytest-randomly, so that a finding can be reproduced."""
    with tried.client() as stranger:
        document = stranger.get("/openapi.json").json()
    document["paths"] = {path: item for path, item in document["paths"].items() if not path.startswith(NOT_TRIED)}
    run = Run(document, seed=random.getrandbits(32))
    wanted: int = pytestconfig.getoption("--contract-requests")
    phases, examples = FIRST_ROUND, FIRST_EXAMPLES
    rounds = 0
    while run.requests < wanted or (run.unsuccessful and rounds < ROUNDS_FOR_SUCCESS):
        rounds += 1
        requests_before = run.requests
        made = config(key, run.seed + requests_before, phases, examples)
        schema = schemathesis.openapi.from_url(f"{tried.url}/openapi.json", config=made)
        execute(run, schema.exclude(path_regex=f"^({'|'.join(NOT_TRIED)})"))
        assert run.requests > requests_before
        left = max(wanted - run.requests, wanted // 4)
        phases, examples = LATER_ROUNDS, min(EXAMPLES_MAX, 1 + left // REQUESTS_PER_EXAMPLE)
    return run


def test_every_generated_request_is_answered_within_the_contract(run: Run) -> None:
    assert not run.faults, "\n\n".join(f"{kind}\n{case}" for kind, case in run.faults.items())


def test_the_requested_number_of_requests_reached_the_service(
    tried: Service, run: Run, pytestconfig: pytest.Config
) -> None:
    logged = [line for line in tried.log_lines() if line["event"] == "request"]
    assert len(logged) >= run.requests >= pytestconfig.getoption("--contract-requests")


def test_every_operation_succeeded_and_those_that_need_a_key_refused_without_one(run: Run) -> None:
    assert not run.unsuccessful
    asking = {name for name, status in run.answers if status == 401}
    assert asking == {name for name, operation in run.operations.items() if "security" not in operation}


def test_no_generated_request_caused_an_error_in_the_log_or_the_ledger(tried: Service, run: Run) -> None:
    assert run.requests
    assert [line for line in tried.log_lines() if line["level"] in {"error", "critical"}] == []
    tried.audit()


@pytest.mark.parametrize(
    ("byte_range", "outside"), [("bytes=9-", True), ("bytes=8-", False), ("bytes=-0", True), ("bytes=-1", False)]
)
def test_a_range_is_refused_rightly_only_outside_the_picture(byte_range: str, outside: bool) -> None:
    assert is_outside(byte_range, 9) is outside


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({}, True),
        ({"seed": None, "quality": "2K"}, True),
        ({"callback_url": "https://hooks.your-domain.com/x"}, True),
        ({"prompt": None}, False),
        ({"prompt": "a\0b"}, False),
        ({"seed": 5.0}, False),
        ({"seed": "5"}, False),
        ({"size": "100x400"}, False),
        ({"callback_url": "https://127.0.0.1/"}, False),
    ],
)
def test_a_body_is_checked_against_the_document_and_its_prose(changes: dict[str, Any], is_good: bool) -> None:
    body = json.dumps({**ORDER, **changes}).encode()
    assert RequestRules(openapi.document()).is_good("POST", GENERATIONS, GENERATIONS, {}, body) is is_good


@pytest.mark.parametrize(
    ("method", "path", "asked", "headers", "is_good"),
    [
        ("GET", "/v1/tasks", "/v1/tasks?status=&page=007&unknown=1", {}, True),
        ("GET", "/v1/tasks", "/v1/tasks?page=", {}, False),
        ("GET", "/v1/tasks", "/v1/tasks?model=a%00b", {}, False),
        ("GET", "/v1/tasks/{task_id}", "/v1/tasks/task-unified-1757165031-uyujaw3d?wait=60", {}, True),
        ("GET", "/v1/tasks/{task_id}", "/v1/tasks/task-unified-1757165031-uyujaw3d?wait=61", {}, False),
        ("GET", "/v1/tasks/{task_id}", "/v1/tasks/abc", {}, False),
        ("POST", GENERATIONS, GENERATIONS, {"Idempotency-Key": "too-short"}, False),
    ],
)
def test_a_request_is_checked_as_it_was_sent(
    method: str, path: str, asked: str, headers: dict[str, str], is_good: bool
) -> None:
    body = json.dumps(ORDER).encode()
    assert RequestRules(openapi.document()).is_good(method, path, asked, headers, body) is is_good


def test_undocumented_answers_are_noticed(tried: Service, key: str, run: Run) -> None:
    described = copy.deepcopy(run.document)
    paths = described["paths"]
    described["paths"] = {path: paths[path] for path in ("/v1/credits", "/v1/models", "/healthz")}
    paths["/v1/credits"]["get"]["responses"]["200"]["headers"]["x-absent"] = described["components"]["headers"]["ETag"]
    paths["/v1/models"]["get"]["responses"].pop("200")
    paths["/healthz"]["get"].pop("security")
    schema = schemathesis.openapi.from_dict(described, config=config(key, run.seed, FIRST_ROUND, 2))
    schema.config.update(base_url=tried.url)
    altered = Run(described, run.seed)
    execute(altered, schema)
    assert altered.faults.keys() >= {
        "GET /v1/credits: 200 is not as described",
        "GET /v1/credits: response_headers_conformance: Missing required response headers",
        "GET /v1/models: 200 is not as described",
        "GET /v1/models: status_code_conformance: Undocumented status code",
        "GET /healthz: ignored_auth: API accepts requests without authentication",
    }
