"""Who may attempt which callback: the claims, on a real database, without anything being sent."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from easel.domain.delivery import INTERRUPTIONS_MAX, RETRY_DELAYS_S, Attempted, AttemptOutcome, State, verdict
from easel.store import callbacks, retention
from easel.store.callbacks import ATTEMPTS_KEPT_MAX, CLAIM_S, ClaimedCallback, EndedAttempt, Room
from easel.store.database import Database, Writer
from tests.support.running_fleet import Fleet

PER_RECEIVER, PER_ACCOUNT = 3, 5
OK = Attempted(AttemptOutcome.DELIVERED, 200, 1)


def delivered(claimed: ClaimedCallback) -> EndedAttempt:
    return EndedAttempt(claimed, OK, State.DELIVERED, 0)


class Undone(Exception):
    """Undoes what a test wrote."""


@dataclass
class Desk:
    """Callbacks of tasks that have ended, and one process that claims them."""

    connection: Writer
    accounts: list[tuple[int, int]]
    under_way: list[ClaimedCallback] = field(default_factory=list)

    async def add(self, account: int, receiver: str, count: int = 1) -> None:
        """Add `count` callbacks that are due."""
        account_id, api_key_id = self.accounts[account]
        await self.connection.execute(
            """
                INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits, model,
                    prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format, status, estimated_time_s,
                    ended_at, error_code, error_message)
                SELECT 'task-' || gen_random_uuid(), %(account)s, %(key)s, 'req', 'http://a', 'default', 0, 'm', 'p', 64, 64,
                    1, false, 'https://' || %(receiver)s || '/', 'webp', 'failed', 1, now(), 'c', 'm'
                FROM generate_series(1, %(count)s)
            """,
            {"account": account_id, "key": api_key_id, "receiver": receiver, "count": count},
        )

    async def claim(self, count: int = 1000) -> list[ClaimedCallback]:
        """Claim more, beside the attempts under way."""
        room = Room(
            count=count,
            per_receiver=PER_RECEIVER,
            per_account=PER_ACCOUNT,
            at_receivers=Counter(each.receiver for each in self.under_way),
            of_accounts=Counter(each.account_id for each in self.under_way),
        )
        found = await callbacks.claim(self.connection, room)
        assert found.lost_count == 0, "nobody else claims"
        self.under_way += found.claimed
        return list(found.claimed)

    async def record(self, *ended: EndedAttempt) -> list[bool]:
        """Record outcomes."""
        return await callbacks.record_outcomes(self.connection, ended)

    async def let_time_pass(self, seconds: float) -> None:
        """Move every due time back."""
        await self.connection.execute(
            "UPDATE callbacks SET next_attempt_at = next_attempt_at - make_interval(secs => %s)", (seconds,)
        )

    async def outcomes(self) -> list[str | None]:
        """The outcomes of all attempts, in order."""
        cursor = await self.connection.execute("SELECT outcome FROM callback_attempts ORDER BY task_id, number")
        return [outcome for (outcome,) in await cursor.fetchall()]


@pytest.fixture
def at_desk(two_webs: Fleet) -> Callable[[Callable[[Desk], Awaitable[None]]], None]:
    """Runs a test at a desk, and rolls everything back."""

    def do(act: Callable[[Desk], Awaitable[None]]) -> None:
        issued = [two_webs.issue() for _ in range(3)]

        async def alone(database: Database) -> None:
            async with database.transaction() as connection:
                found = await connection.execute(
                    "SELECT account_id, id FROM api_keys WHERE id = ANY (%s)", ([each.id for each in issued],)
                )
                await act(Desk(connection, [(account_id, key_id) for account_id, key_id in await found.fetchall()]))
                raise Undone

        with pytest.raises(Undone):
            two_webs.on_database(alone)

    return do


AtDesk = Callable[[Callable[[Desk], Awaitable[None]]], None]


def test_a_receiver_and_an_account_fill_only_their_own_places(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com", 50)
        await desk.add(0, "b.com", 50)
        await desk.add(1, "a.com", 50)
        await desk.add(2, "c.com", 1)
        claimed: list[ClaimedCallback] = []
        for _ in range(3):  # what one claim passes over, the next one takes
            claimed += await desk.claim()
            receivers = Counter(each.receiver for each in claimed)
            assert max(receivers.values()) <= PER_RECEIVER
            assert max(Counter(each.account_id for each in claimed).values()) <= PER_ACCOUNT
            assert receivers["c.com"] == 1

    at_desk(act)


def test_a_free_place_goes_to_the_longest_waiting_callback_and_no_receiver_starves(
    at_desk: AtDesk,
) -> None:
    async def act(desk: Desk) -> None:
        for account, receiver in ((0, "a.com"), (1, "b.com"), (2, "b.com")):
            await desk.add(account, receiver, 300)
        for _ in range(20):
            await desk.claim()
            at = Counter(each.receiver for each in desk.under_way)
            assert at == {"a.com": PER_RECEIVER, "b.com": PER_RECEIVER}
            for receiver in at:  # free one place at each receiver
                desk.under_way.remove(next(each for each in desk.under_way if each.receiver == receiver))

    at_desk(act)


def test_an_account_fills_its_places_at_many_receivers_whatever_the_order_of_its_callbacks(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        for number in range(30):
            await desk.add(0, f"r{number}.com", 20)
        await desk.add(1, "other.com", 2)
        claimed = await desk.claim()
        assert Counter(each.account_id for each in claimed) == {
            desk.accounts[0][0]: PER_ACCOUNT, desk.accounts[1][0]: 2
        }  # fmt: skip

    at_desk(act)


def test_a_claim_planned_for_an_empty_table_is_fast_when_thousands_are_due(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        for _ in range(10):  # more often than the driver and the database need to cache a plan
            assert await desk.claim() == []
        for account in range(3):
            await desk.add(account, f"r{account}.com", 3000)
        await desk.connection.execute("SET LOCAL statement_timeout = '5s'")
        while await desk.claim():
            pass
        assert len(desk.under_way) == 3 * PER_RECEIVER

    at_desk(act)


def test_the_second_claim_finds_callbacks_behind_thousands_for_one_receiver(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com", 3000)
        await desk.add(1, "b.com", 1)
        await desk.connection.execute(
            "UPDATE callbacks SET next_attempt_at = now() - interval '1 s' WHERE receiver = 'a.com'"
        )
        assert {each.receiver for each in await desk.claim()} == {"a.com"}
        assert {each.receiver for each in await desk.claim()} == {"b.com"}

    at_desk(act)


def test_receivers_differ_by_port_and_not_by_letter_case(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "A.com", PER_RECEIVER)
        await desk.add(1, "a.com", PER_RECEIVER)
        await desk.add(2, "a.com:8443", 1)
        await desk.add(2, "a.com:443", 1)
        assert Counter(each.receiver for each in await desk.claim()) == {"a.com": PER_RECEIVER, "a.com:8443": 1}

    at_desk(act)


def test_a_claim_is_exclusive_until_it_expires_and_a_late_outcome_does_not_count(
    at_desk: AtDesk,
) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        (first,) = await desk.claim()
        desk.under_way.clear()
        assert await desk.claim() == []
        await desk.let_time_pass(CLAIM_S)
        (second,) = await desk.claim()
        assert (first.number, second.number) == (1, 2)
        assert await desk.outcomes() == ["interrupted", None]
        assert await desk.record(delivered(first)) == [False]
        assert await desk.record(delivered(first), delivered(second)) == [False, True]
        assert await desk.record(delivered(second)) == [False]
        assert await desk.outcomes() == ["interrupted", "delivered"]
        await desk.let_time_pass(1000)
        desk.under_way.clear()
        assert await desk.claim() == []

    at_desk(act)


def test_a_delivery_that_kills_every_process_is_given_up(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        for number in range(1, INTERRUPTIONS_MAX + 2):
            assert await callbacks.give_up_interrupted(desk.connection) == []
            desk.under_way.clear()
            (claimed,) = await desk.claim()
            assert claimed.number == number
            await desk.let_time_pass(CLAIM_S)
        desk.under_way.clear()
        assert await desk.claim() == []
        assert await callbacks.give_up_interrupted(desk.connection) == [claimed.task_id]
        desk.under_way.clear()
        assert await desk.claim() == []
        assert await desk.outcomes() == ["interrupted"] * (INTERRUPTIONS_MAX + 1)
        assert await callbacks.redeliver(desk.connection, claimed.task_id)
        (again,) = await desk.claim()
        assert again.failures == 0

    at_desk(act)


def test_setting_the_clock_back_delays_no_attempt_for_longer_than_a_claim(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        await desk.add(0, "b.com")
        (claimed, _) = await desk.claim()
        desk.under_way.clear()
        for _ in range(2):
            await desk.connection.execute(
                "UPDATE callbacks SET next_attempt_at = next_attempt_at + interval '1 day' WHERE task_id = %s",
                (claimed.task_id,),
            )
            await callbacks.cap_delays(desk.connection)
        assert await desk.claim() == []
        await desk.let_time_pass(CLAIM_S)
        assert len(await desk.claim()) == 2

    at_desk(act)


def test_failures_are_counted_and_the_next_attempt_is_due_after_its_delay(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        failed = Attempted(AttemptOutcome.TIMED_OUT, None, 10_000)
        for failures, delay_s in enumerate(RETRY_DELAYS_S):
            (claimed,) = await desk.claim()
            desk.under_way.clear()
            assert claimed.failures == failures
            follows = verdict(failed.outcome, claimed.failures)
            assert (follows.state, follows.retry_in_s) == (State.DELIVERING, delay_s)
            await desk.record(EndedAttempt(claimed, failed, follows.state, delay_s))
            await desk.let_time_pass(delay_s - 0.001)
            assert await desk.claim() == []
            await desk.let_time_pass(0.001)
        (last,) = await desk.claim()
        assert verdict(failed.outcome, last.failures).state is State.FAILED

    at_desk(act)


def test_only_the_latest_attempts_of_a_repeated_callback_are_kept(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        for _ in range(ATTEMPTS_KEPT_MAX + 5):
            desk.under_way.clear()
            (claimed,) = await desk.claim()
            await desk.record(delivered(claimed))
            assert await callbacks.redeliver(desk.connection, claimed.task_id)
        found = await callbacks.find(desk.connection, claimed.task_id)
        assert found is not None
        assert [each.number for each in found.attempts] == list(range(6, ATTEMPTS_KEPT_MAX + 6))

    at_desk(act)


def test_a_body_is_stored_once(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com")
        (claimed,) = await desk.claim()
        assert claimed.body is None
        assert claimed.task is not None
        assert claimed.task.id == claimed.task_id
        for body in (b"first", b"second"):
            given = [("unknown", b"third"), (claimed.task_id, body)]
            assert await callbacks.store_bodies(desk.connection, given) == [None, b"first"]
        await desk.let_time_pass(CLAIM_S)
        desk.under_way.clear()
        (again,) = await desk.claim()
        assert (again.body, again.task) == (b"first", None)

    at_desk(act)


def test_an_erased_callback_is_hidden_at_once_and_deleted_when_its_delivery_ends(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com", 2)
        first, second = await desk.claim()
        await retention.erase(desk.connection, first.task_id)
        assert await callbacks.find(desk.connection, first.task_id) is None
        assert not await callbacks.redeliver(desk.connection, first.task_id)
        assert await retention.delete_erased_callbacks(desk.connection, 100) == 0
        await desk.record(delivered(first), delivered(second))
        assert await retention.delete_erased_callbacks(desk.connection, 100) == 1
        assert len(await desk.outcomes()) == 1
        assert await callbacks.find(desk.connection, second.task_id) is not None
        await retention.erase(desk.connection, second.task_id)
        assert await desk.outcomes() == [], "a delivered callback is deleted at once"

    at_desk(act)


def test_callbacks_are_erased_with_expired_prompts(at_desk: AtDesk) -> None:
    async def act(desk: Desk) -> None:
        await desk.add(0, "a.com", 3)
        await desk.connection.execute(
            "UPDATE tasks SET ended_at = ended_at - interval '2 h' WHERE callback_url IS NOT NULL"
        )
        assert await retention.erase_old_prompts(desk.connection, 1, 1000) >= 3
        cursor = await desk.connection.execute("SELECT bool_and(is_erased) FROM callbacks")
        assert await cursor.fetchone() == (True,)

    at_desk(act)
