"""Want previews: somebody follows a task and wants to see its picture form.

The wish is a flag of the task, which its worker reads with the task. It is never withdrawn: previews cost a draw next
to nothing, and end with it.
"""

import contextlib

from easel.domain.task import ENDS
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.notifications import Channel
from easel.store.tasks import Task


async def want_previews(database: Database, task: Task) -> None:
    """Ask a task's worker for previews. Without a database nobody is asked.

    Nothing is asked where previews could not arrive, because a pooler keeps notifications from this process.
    """
    if task.wants_previews or task.status in ENDS or database.listen_url is None:
        return
    with contextlib.suppress(DatabaseUnavailable):
        async with database.single_statement() as connection:
            is_news = await tasks.want_previews(connection, task.id)
        if is_news:
            database.announcer.announce((Channel.WISHES.value, task.id))
