"""A worker takes another job when that job could be drawn at once, or nearly so, and not before."""

import asyncio

from easel.live.draw_slots import AHEAD_S, Slots


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def has_room(slots: Slots) -> bool:
    return slots.has_room


async def draw(slots: Slots, clock: Clock, duration_s: float, *, is_finished: bool) -> None:
    """A draw that takes `duration_s`, or one that does not begin because its task has ended."""
    async with slots.take() as slot:
        clock.now_s += duration_s
        if is_finished:
            slot.nearly_drawn()


def test_there_is_room_when_the_slot_is_free_or_its_draw_is_in_the_last_step() -> None:
    async def act() -> None:
        slots = Slots(1, 3)
        assert has_room(slots)
        async with slots.take() as slot:
            assert not has_room(slots)
            slot.nearly_drawn()
            assert has_room(slots)

    asyncio.run(act())


def test_a_job_in_preparation_takes_up_room() -> None:
    slots = Slots(1, 3)
    with slots.counted():
        assert not has_room(slots)
    assert has_room(slots)


def test_whoever_waits_for_room_goes_on_when_there_is_room_and_not_before() -> None:
    async def act() -> None:
        slots = Slots(1, 3)
        async with slots.take() as slot:
            waiting = asyncio.create_task(slots.room())
            for _ in range(10):  # whatever could run by now has run
                await asyncio.sleep(0)
            assert not waiting.done()
            slot.nearly_drawn()
            await waiting

    asyncio.run(act())


def test_after_quick_draws_there_is_room_for_as_many_as_fit_into_a_moment() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 4, clock)
        await draw(slots, clock, AHEAD_S / 2, is_finished=True)
        async with slots.take():
            assert has_room(slots)
            with slots.counted():
                assert has_room(slots)
                with slots.counted():
                    assert not has_room(slots)

    asyncio.run(act())


def test_after_slow_draws_no_job_is_taken_ahead() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 3, clock)
        await draw(slots, clock, AHEAD_S * 2, is_finished=True)
        async with slots.take():
            assert not has_room(slots)

    asyncio.run(act())


def test_a_job_whose_task_had_ended_does_not_pass_for_a_quick_draw() -> None:
    async def act() -> None:
        clock = Clock()
        slots = Slots(1, 3, clock)
        await draw(slots, clock, 0.0, is_finished=False)
        async with slots.take():
            assert not has_room(slots)

    asyncio.run(act())
