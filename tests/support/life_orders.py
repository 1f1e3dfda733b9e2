"""The first half of a made-up life: accounts, keys, credits, prices and orders. `test_life_of_tasks.py` has the other.

Orders come in as the web process gives them: with the key looked up just now, or as a process remembers it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from easel.actions import account_groups, api_keys, credit_grants
from easel.actions.api_keys import KeyOrder
from easel.actions.submit import Submission
from easel.domain import api_key
from easel.domain.errors import IdempotencyConflict, Refusal
from easel.domain.order import Order
from easel.store import accounts
from tests.support.life_model import Account, Key, Model, Task
from tests.support.life_stage import PRICE, Held, Stage, Worker

_Answer = TypeVar("_Answer")
_Thing = TypeVar("_Thing")
PEPPER: Final = b"pepper of a test"
MODEL: Final = "z-image-turbo"
ORDERS: Final = [
    Order(MODEL, "a cute cat", 64, 64),
    Order(MODEL, "a cute dog", 64, 64, callback_url="https://hooks.your-domain.com/dogs"),
]
PICKS: Final = st.integers(0, 11)
"""Which of several things a step is about; there may be fewer."""


def pick(things: Sequence[_Thing], number: int) -> _Thing:
    """One of them, whatever the number."""
    return things[number % len(things)]


class LifeOfAccounts(RuleBasedStateMachine):
    """Two accounts with two keys each, three workers, and a model of what ought to become of them."""

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        super().__init__()
        self.run: Callable[[Coroutine[Any, Any, _Answer]], _Answer] = runner.run
        self.stage = stage
        self.model = Model()
        self.workers: list[Worker] = []
        self.run(stage.begin_example())

    @property
    def tasks(self) -> list[Task]:
        """All tasks that were accepted."""
        return list(self.model.tasks.values())

    def held(self, *, is_begun: bool) -> list[Held]:
        """All tasks that workers have begun to draw, or that they have taken and not begun."""
        return [held for worker in self.workers for held in worker.held if (held.sitting is not None) == is_begun]

    def task_of(self, held: Held) -> Task:
        """The task that a worker holds."""
        return self.model.tasks[held.task_id]

    def tried(self, coroutine: Coroutine[Any, Any, _Answer]) -> _Answer | type[Refusal]:
        """What something gave, or the kind of its refusal."""
        try:
            return self.run(coroutine)
        except Refusal as refused:
            return type(refused)

    @initialize(
        credits=st.tuples(*[st.sampled_from([1_000_000, 1_000_000, 5 * PRICE])] * 2),
        limits=st.tuples(*[st.sampled_from([None, PRICE, 3 * PRICE])] * 2),
        caps=st.tuples(*[st.sampled_from([1000, 3, 1])] * 2),
        first_orders=st.lists(PICKS, min_size=2, max_size=8),
    )
    def open_accounts(
        self,
        credits: tuple[int, ...],
        limits: tuple[int | None, ...],
        caps: tuple[int, ...],
        first_orders: list[int],
    ) -> None:
        for number, granted in enumerate(credits):
            account = Account(0, f"life-{number}", PRICE, 0)
            self.model.accounts.append(account)
            for limit, cap in ((None, 1000), (limits[number], caps[number])):
                self.issue(account, limit, cap)
            self.administer("grant", number, granted)
        self.workers = [self.run(self.stage.worker()) for _ in range(3)]
        for key in first_orders:
            self.order(pick(self.model.keys, key), [0], None, is_remembered=True)

    def issue(self, account: Account, limit: int | None, cap: int) -> None:
        order = KeyOrder(account.name, credit_limit_microcredits=limit, unfinished_max=cap)
        issued = self.run(api_keys.issue(self.stage.database, PEPPER, order))
        key = Key(issued.id, api_key.digest(issued.key, PEPPER), account, limit, cap)
        self.model.keys.append(key)
        self.look_up(key)
        assert key.holder is not None
        account.id = key.holder.account_id

    def look_up(self, key: Key) -> bool:
        """Have a process remember who holds a key; whether it is good for anything."""

        async def look() -> bool:
            async with self.stage.database.reading() as connection:
                holder = (await accounts.find_holders(connection, [key.digest])).get(key.digest)
            if holder is not None:
                key.holder, key.price_seen = holder, key.account.price
            return holder is not None

        return self.run(look())

    @rule(
        what=st.sampled_from(["grant", "grant", "price", "price", "revoke", "expire"]),
        whom=PICKS,
        amount=st.sampled_from([PRICE, 100_000, 7, 1]),
    )
    def administer(self, what: str, whom: int, amount: int) -> None:
        """What operators do: grant credits, change an account's price, end one of the keys that have limits."""
        account = pick(self.model.accounts, whom)
        key = pick(self.model.keys[1::2], whom)
        if what == "grant":
            assert self.run(credit_grants.grant(self.stage.database, account.name, amount))
            account.available += amount
        elif what == "price":
            account.price = amount % PRICE
            self.run(account_groups.set_price(self.stage.database, account.name, MODEL, account.price))
            assert self.run(account_groups.assign(self.stage.database, account.name, account.name))
        elif what == "revoke":
            assert self.run(api_keys.revoke(self.stage.database, key.id))
            key.is_revoked = True
            self.order(key, [0], None, is_remembered=True)
        else:
            self.run(self.stage.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", key.id))
            key.is_expired = True
            self.order(key, [0], None, is_remembered=False)

    @rule(key=PICKS, count=st.integers(1, 3), is_remembered=st.booleans())
    def submit(self, key: int, count: int, is_remembered: bool) -> None:
        self.order(pick(self.model.keys, key), [0] * count, None, is_remembered=is_remembered)

    @rule(key=PICKS, order=st.integers(0, 1), text=st.sampled_from(["a" * 16, "b" * 96]), is_remembered=st.booleans())
    def submit_once(self, key: int, order: int, text: str, is_remembered: bool) -> None:
        self.order(pick(self.model.keys, key), [order], text, is_remembered=is_remembered)

    def order(self, key: Key, orders: list[int], text: str | None, *, is_remembered: bool) -> None:
        """Order as the web process does, with the key looked up just now, or as a process remembers it."""
        if not is_remembered and self.look_up(key) == (key.is_revoked or key.is_expired):
            raise AssertionError("a key is good until it is revoked or has expired")
        if not is_remembered and (key.is_revoked or key.is_expired):
            return
        assert key.holder is not None
        wanted = [ORDERS[order] for order in orders]
        accepted = self.tried(self.stage.submit(Submission(key.holder, wanted, "req-life", "http://easel", text)))
        try:
            replayed = self.model.replay(key, orders[0], text)
        except IdempotencyConflict:
            assert accepted is IdempotencyConflict
            return
        refusal = None if replayed else self.model.refusal(key, len(orders))
        if refusal is not None:
            assert accepted is refusal
            return
        assert not isinstance(accepted, type)
        assert accepted.is_replay == (replayed is not None)
        if replayed is not None:
            assert [task.id for task in accepted.tasks] == [replayed.id]
            return
        assert len(accepted.tasks) == len(orders)
        self.model.accept(key, orders[0], text, [(task.id, task.tag, task.position) for task in accepted.tasks])
