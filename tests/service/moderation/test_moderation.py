"""Moderation by Easel's own rules: refusals are immediate, free of charge, reported to the caller, and logged."""

import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from easel.domain.order import PROMPT_CODE_POINTS_MAX
from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.moderated import MESSAGE, POLICY, REFUSED, REFUSED_WHEN_STRICT, credits_of, decisions, order
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

DISGUISED = "a n4k3d ch\u200bild"


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    with reachable_folder() as folder, receiving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def judging(receiver: CallbackReceiver) -> Iterator[Service]:
    """A service that may call the receiver, and whose keys may create five tasks a minute."""
    with prepared_folder() as folder, Service(folder, creates_per_minute="5", **receiver.settings()) as running:
        yield running
        running.audit()


@pytest.fixture
def client(judging: Service, account: str) -> Iterator[httpx2.Client]:
    with judging.client(judging.new_key(account)) as client:
        yield client


def test_a_refused_order_is_accepted_and_its_task_has_failed_at_the_first_read(
    client: httpx2.Client,
) -> None:
    created, ordinary = submit(client, prompt=REFUSED), submit(client)
    assert created.keys() == ordinary.keys()
    assert (created["status"], created["progress"]) == ("pending", 0)
    assert created["task_info"].keys() == ordinary["task_info"].keys()
    assert created["task_info"]["estimated_time"] >= 1
    assert created["usage"] == ordinary["usage"]
    task = read_task(client, created["id"])
    assert task["status"] == "failed"
    assert task["error"] == {"code": POLICY, "message": MESSAGE.format("prompt", "sexual"), "type": "task_error"}
    assert "results" not in task


def test_a_refused_prompt_holds_no_credits_and_needs_none(judging: Service, account: str) -> None:
    with judging.client(judging.new_key(account, "0")) as poor:
        assert poor.post(GENERATIONS, json=ORDER).status_code == 402
        task_id = order(poor, REFUSED)
        assert credits_of(poor) == (0, 0)
    with judging.database() as connection:
        (holds,) = connection.execute("SELECT count(*) FROM holds WHERE task_id = %s", (task_id,)).fetchone() or (1,)
        assert holds == 0
        assert connection.execute("SELECT queue_state FROM tasks WHERE id = %s", (task_id,)).fetchone() == (None,)


def test_a_disguised_prompt_is_refused_and_an_accepted_one_is_drawn_unchanged(
    judging: Service, client: httpx2.Client
) -> None:
    assert read_task(client, order(client, DISGUISED))["status"] == "failed"
    odd = "a c\u0301at \u200bwith a n\u0430me, ﬁne  ＡＢ"
    task = finish(client, order(client, odd))
    assert task["status"] == "completed"
    with judging.database() as connection:
        assert connection.execute("SELECT prompt FROM tasks WHERE id = %s", (task["id"],)).fetchone() == (odd,)


def test_the_strict_level_applies_only_to_orders_that_ask_for_it(client: httpx2.Client) -> None:
    assert finish(client, order(client, REFUSED_WHEN_STRICT))["status"] == "completed"
    task = read_task(client, order(client, REFUSED_WHEN_STRICT, nsfw_check=True))
    assert task["error"]["code"] == POLICY


def test_a_waiting_client_is_answered_at_once(client: httpx2.Client) -> None:
    answer = client.post(GENERATIONS, json={**ORDER, "prompt": REFUSED}, headers={"prefer": "wait=30"})
    assert answer.elapsed.total_seconds() < 25
    assert answer.json()["status"] == "failed"
    with client.stream("GET", f"/v1/tasks/{answer.json()['id']}/events") as events:
        assert '"failed"' in events.read().decode()


def test_a_refusal_sends_a_callback(client: httpx2.Client, receiver: CallbackReceiver) -> None:
    task_id = order(client, REFUSED, callback_url=receiver.url("/refused"))
    (received,) = receiver.await_received("/refused")
    assert json.loads(received.body) == read_task(client, task_id)
    assert json.loads(received.body)["error"]["code"] == POLICY


def test_repeating_a_refused_order_returns_the_same_task(client: httpx2.Client) -> None:
    headers = {"idempotency-key": "refused-and-repeated-1"}
    body = {**ORDER, "prompt": REFUSED}
    first, again = (client.post(GENERATIONS, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.headers["idempotency-replayed"], again.content) == (200, "true", first.content)
    assert client.post(GENERATIONS, json=ORDER, headers=headers).status_code == 409


def test_refused_orders_count_against_the_rate_but_not_as_unfinished(client: httpx2.Client) -> None:
    statuses = [client.post(GENERATIONS, json={**ORDER, "prompt": REFUSED}).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_decisions_are_logged_without_the_prompt(judging: Service, client: httpx2.Client, account: str) -> None:
    words = "a naked toddler beside a zebra"
    task_id = order(client, words)
    (decision,) = decisions(judging, task_id)
    assert decision["account"] == account
    assert [decision[name] for name in ("stage", "level", "outcome", "category", "layer", "rule")] == [
        "prompt", "basic", "refused", "sexual/minors", "rules", "minor-sexual",
    ]  # fmt: skip
    assert re.fullmatch(r"\d+\.\d+", decision["rule_version"])
    found = judging.cli("moderation", "list", "--prompt", words, "--json")
    assert json.loads(found.stdout)["task_id"] == task_id
    assert judging.cli("moderation", "list", "--prompt", f"{words}s", "--json").stdout == ""
    assert "zebra" not in judging.cli("moderation", "list").stdout
    assert "zebra" not in judging.log_file.read_text()
    with judging.database() as connection:
        dump = connection.execute("SELECT string_agg(tasks::text, ' ') FROM tasks WHERE prompt LIKE '%%zebra%%'")
        assert dump.fetchone() == (None,)


def test_a_refused_orders_callback_url_is_erased_when_prompts_are(
    judging: Service, client: httpx2.Client, receiver: CallbackReceiver
) -> None:
    task_id = order(client, REFUSED, callback_url=receiver.url("/goes"))
    receiver.await_received("/goes")
    with judging.database() as connection:
        connection.execute("UPDATE tasks SET ended_at = ended_at - interval '1000 hours' WHERE id = %s", (task_id,))

    def is_gone() -> bool:
        with judging.database() as connection:
            kept = connection.execute("SELECT callback_url FROM tasks WHERE id = %s", (task_id,)).fetchone()
            callbacks = connection.execute("SELECT count(*) FROM callbacks WHERE task_id = %s", (task_id,)).fetchone()
        return (kept, callbacks) == ((None,), (0,))

    eventually(is_gone)


def test_old_decisions_are_deleted(judging: Service, client: httpx2.Client) -> None:
    task_id = order(client, REFUSED)
    with judging.database() as connection:
        connection.execute(
            "UPDATE moderation_decisions SET decided_at = now() - interval '2161 hours' WHERE task_id = %s", (task_id,)
        )
    eventually(lambda: not decisions(judging, task_id))


def test_a_task_accepted_without_the_rules_is_judged_before_it_is_drawn(
    judging: Service, client: httpx2.Client
) -> None:
    with judging.database() as connection:
        # As a process of an older version would leave it, before the worker can take it.
        connection.execute(
            "CREATE FUNCTION other_words() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.prompt := 'a naked child'; NEW.is_judged_by_rules := false; RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER other_words BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.prompt = 'a quiet pond') "
            "EXECUTE FUNCTION other_words()"
        )
    task = finish(client, order(client, "a quiet pond"))
    assert task["error"]["message"] == MESSAGE.format("prompt", "sexual")
    assert credits_of(client) == (100, 0)
    assert [each["layer"] for each in decisions(judging, task["id"])] == ["rules"]


def test_decisions_are_counted(judging: Service, client: httpx2.Client) -> None:
    order(client, "a naked preschooler")
    counts = json.loads(judging.cli("moderation", "count", "--json").stdout)
    own = [each for each in counts if (each["layer"], each["category"]) == ("rules", "sexual/minors")]
    assert [(each["stage"], each["outcome"]) for each in own] == [("prompt", "refused")]
    assert own[0]["decisions"] >= 1
    assert "sexual/minors" in judging.cli("moderation", "count").stdout


def test_a_refused_task_is_listed_and_deleted_by_its_account_and_hidden_from_others(
    judging: Service, client: httpx2.Client
) -> None:
    task_id = order(client, REFUSED)
    with judging.client(judging.new_key("somebody else")) as other:
        assert other.get(f"/v1/tasks/{task_id}").status_code == 404
    listed = client.get("/v1/tasks", params={"status": "failed"}).json()["data"]
    assert [task["id"] for task in listed] == [task_id]
    assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 409
    assert client.delete(f"/v1/tasks/{task_id}").status_code in {200, 204}


def test_the_openai_route_answers_400_to_a_refused_prompt(client: httpx2.Client) -> None:
    answer = client.post("/openai/v1/images/generations", json={"prompt": REFUSED, "n": 2})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")
    assert answer.json()["error"]["message"] == MESSAGE.format("prompt", "sexual")


def test_explain_shows_rule_term_and_variant_without_a_service(judging: Service) -> None:
    said = judging.cli("moderation", "explain", DISGUISED).stdout
    assert "basic: refused as sexual/minors" in said
    assert "minor-sexual" in said
    assert re.search(r"minor: the term 'child', in the variant '.* child'", said)
    assert re.search(r"nudity: the term 'n.*', in the variant '.*'", said)
    assert "strict: refused" in said
    passes = judging.cli("moderation", "explain", "children at the beach").stdout
    assert passes.startswith("languages: en\n")
    assert "basic: passes" in passes
    assert "found, but not refused in combination: " in passes


@pytest.mark.parametrize("prompt", ["", "x" * (PROMPT_CODE_POINTS_MAX + 1)])
def test_explain_refuses_empty_and_overlong_prompts(judging: Service, prompt: str) -> None:
    refused = judging.cli("moderation", "explain", prompt, check=False)
    assert refused.returncode == 1
    assert "1 to 2000 characters" in refused.stderr
