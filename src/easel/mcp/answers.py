"""What the tools answer: structured values with their descriptions, and the texts that go with them."""

from typing import Literal

from pydantic import BaseModel, Field

from easel.client.answers import Credits, ListedTask, Task, TaskPage

Status = Literal["pending", "processing", "completed", "failed"]


class Drawing(BaseModel):
    """A task, and its picture once it is completed."""

    task_id: str = Field(description="Id of the task, for check_task and cancel_task")
    status: Status = Field(description="pending and processing are unfinished; a failed task is free")
    progress: int = Field(description="Percent")
    credits: float = Field(description="Credits that are reserved, or that were charged if the task is completed")
    place_in_line: int | None = Field(default=None, description="Place in the queue of a pending task; 1 is drawn next")
    url: str | None = Field(default=None, description="Link to the picture. It needs no key and works for 24 hours")
    width: int | None = Field(default=None, description="Pixels")
    height: int | None = Field(default=None, description="Pixels")
    seed: int | None = Field(default=None, description="The same seed, prompt and size draw the same picture again")
    engine: str | None = Field(default=None, description="What drew the picture")
    not_drawn: list[str] = Field(default_factory=list, description="Words of the prompt that the picture does not show")
    error_code: str | None = Field(default=None, description="Why the task failed")
    error_message: str | None = Field(default=None, description="Why the task failed, in words")

    @classmethod
    def of(cls, task: Task) -> "Drawing":
        """The drawing of a task."""
        drawing = cls(
            task_id=task.id,
            status=task.status,
            progress=task.progress,
            credits=task.credits,
            place_in_line=task.place_in_line,
            error_code=None if task.error is None else task.error.code,
            error_message=None if task.error is None else task.error.message,
        )
        if not task.results:
            return drawing
        result = task.results[0]
        return drawing.model_copy(
            update={
                "url": result.url, "width": result.width, "height": result.height, "seed": result.seed,
                "engine": result.engine, "not_drawn": list(result.not_drawn),
            }
        )  # fmt: skip

    def text(self) -> str:
        """The drawing in words, for models that do not read structured answers."""
        if self.status == "completed" and self.url is None:
            return f"{self.task_id} was completed, and its picture has been deleted."
        if self.status == "completed":
            missing = f" The picture does not show: {', '.join(self.not_drawn)}." if self.not_drawn else ""
            return (
                f"{self.task_id} is completed: {self.width}x{self.height}, seed {self.seed}, {self.credits:g} credits. "
                f"Link, for 24 hours: {self.url}{missing}"
            )
        if self.status == "failed":
            return f"{self.task_id} failed ({self.error_code}): {self.error_message} Nothing was charged."
        place = f", no. {self.place_in_line} in line" if self.place_in_line else ""
        return (
            f"{self.task_id} is {self.status}, {self.progress} %{place}. Call check_task with this task_id and wait_s to "
            "wait for the picture, or cancel_task to give it up for free."
        )


class Balance(BaseModel):
    """The credits of the key and its account."""

    remaining_credits: float = Field(description="Credits that the key can still spend")
    used_credits: float = Field(description="Credits that the key has spent")
    has_limit: bool = Field(description="Whether the key has a limit of its own below the account's credits")
    account_remaining_credits: float
    account_used_credits: float

    @classmethod
    def of(cls, found: Credits) -> "Balance":
        """The balance of these credits."""
        return cls(
            remaining_credits=found.remaining,
            used_credits=found.used,
            has_limit=found.is_limited,
            account_remaining_credits=found.account_remaining,
            account_used_credits=found.account_used,
        )


class Listed(BaseModel):
    """A task in the list."""

    task_id: str
    status: Status
    progress: int
    credits: float
    created_s: int = Field(description="Unix time")

    @classmethod
    def of(cls, task: ListedTask) -> "Listed":
        """The entry of a task."""
        return cls(
            task_id=task.id, status=task.status, progress=task.progress, credits=task.credits, created_s=task.created_s
        )


class TaskList(BaseModel):
    """A page of the account's tasks, newest first."""

    tasks: list[Listed]
    page: int
    total: int = Field(description="All tasks, on all pages")

    @classmethod
    def of(cls, page: TaskPage) -> "TaskList":
        """The list of a page."""
        return cls(tasks=[Listed.of(task) for task in page.tasks], page=page.page, total=page.total)


class Models(BaseModel):
    """The models that the key may use."""

    models: list[str]
