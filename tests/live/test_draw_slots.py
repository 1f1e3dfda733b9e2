"""When a worker takes another job: not before it could be drawn at once, or nearly so."""

import asyncio

from easel.live.draw_slots import Places

A_MOMENT_S = 0.02


async def has_room(places: Places) -> bool:
    try:
        async with asyncio.timeout(A_MOMENT_S):
            await places.room()
    except TimeoutError:
        return False
    return True


async def draw(places: Places, *, is_finished: bool) -> None:
    """A draw that takes no time, or one that is not begun because its task has ended."""
    async with places.one() as place:
        if is_finished:
            place.nearly_drawn()


def test_a_job_is_taken_when_the_place_is_free_or_its_draw_is_in_the_last_step() -> None:
    async def act() -> None:
        places = Places(1, 3)
        assert await has_room(places)
        async with places.one() as place:
            assert not await has_room(places)
            place.nearly_drawn()
            assert await has_room(places)

    asyncio.run(act())


def test_after_quick_draws_as_many_are_taken_as_fit_into_a_moment() -> None:
    async def act() -> None:
        places = Places(1, 3)
        await draw(places, is_finished=True)
        async with places.one():
            assert await has_room(places)

    asyncio.run(act())


def test_a_job_whose_task_had_ended_does_not_pass_for_a_quick_draw() -> None:
    async def act() -> None:
        places = Places(1, 3)
        await draw(places, is_finished=False)
        async with places.one():
            assert not await has_room(places)

    asyncio.run(act())
