"""A worker takes another task when that task could be drawn at once, or nearly so, and not before."""

import asyncio

from easel.live.draw_slots import AHEAD_S, Slots


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def room(slots: Slots) -> tuple[int, int]:
    """How many tasks to take, and how many of them find a slot free."""
    return slots.room, slots.free


async def draw(slots: Slots, clock: Clock, duration_s: float, *, is_finished: bool) -> None:
    """A draw that takes `duration_s`, or one that does not begin because its task has ended."""
    slot = slots.reserve()
    async with slot.drawing():
        clock.now_s += duration_s
        if is_finished:
            slot.nearly_drawn()
    slot.release()


def test_there_is_room_when_the_slot_is_free_or_its_draw_is_in_the_last_step() -> None:
    async def act() -> None:
        slots = Slots(1, 3)
        assert room(slots) == (1, 1)
        slot = slots.reserve()
        async with slot.drawing():
            assert room(slots) == (0, 0)
            slot.nearly_drawn()
            assert room(slots) == (1, 0)
        assert slots.free == 1

    asyncio.run(act())


def test_a_task_takes_up_room_from_the_moment_it_is_taken_until_it_is_released() -> None:
    slots = Slots(1, 3)
    slot = slots.reserve()
    assert room(slots) == (0, 0)
    slot.release()
    slot.release()
    assert room(slots) == (1, 1)


def test_no_more_tasks_are_taken_than_the_worker_may_hold_even_if_all_are_drawn() -> None:
    async def act() -> None:
        slots = Slots(1, 2)
        held = [slots.reserve() for _ in range(2)]
        for slot in held:
            async with slot.drawing():
                pass
        assert room(slots) == (0, 1)
        held[0].release()
        assert room(slots) == (1, 1)

    asyncio.run(act())


def test_whoever_waits_for_room_goes_on_when_there_is_room_and_not_before() -> None:
    async def act() -> None:
        slots = Slots(1, 3)
        slot = slots.reserve()
        async with slot.drawing():
            waiting = asyncio.create_task(slots.await_room())
            for _ in range(10):  # whatever could run by now has run
                await asyncio.sleep(0)
            assert not waiting.done()
            slot.nearly_drawn()
            await waiting

    asyncio.run(act())


def test_whoever_waits_for_room_goes_on_when_the_slots_are_closed() -> None:
    async def act() -> None:
        slots = Slots(1, 3)
        slots.reserve()
        waiting = asyncio.create_task(slots.await_room())
        await asyncio.sleep(0)
        slots.close()
        await waiting

    asyncio.run(act())


def test_after_quick_draws_there_is_room_for_as_many_as_fit_into_a_moment() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 4, clock)
        await draw(slots, clock, AHEAD_S / 2, is_finished=True)
        assert slots.are_quick
        assert room(slots) == (3, 1)
        async with slots.reserve().drawing():
            assert room(slots) == (2, 0)
            slots.reserve()
            slots.reserve()
            assert room(slots) == (0, 0)

    asyncio.run(act())


def test_after_slow_draws_no_task_is_taken_ahead() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 3, clock)
        await draw(slots, clock, AHEAD_S * 2, is_finished=True)
        async with slots.reserve().drawing():
            assert slots.room == 0
        assert not slots.are_quick

    asyncio.run(act())


def test_a_task_that_had_ended_does_not_pass_for_a_quick_draw() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 3, clock)
        await draw(slots, clock, 0.0, is_finished=False)
        async with slots.reserve().drawing():
            assert slots.room == 0

    asyncio.run(act())
