"""Words failures for a model, which should know whether and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

from easel.client.failures import ClientError, Refused

_ADVICE: Final = {
    "content_policy_violation": "Do not repeat this prompt. Describe something that is allowed.",
    "insufficient_quota": "Tell the user that the credits are used up; check_balance shows them.",
    "invalid_request": "Correct the arguments and call the tool again.",
    "invalid_task_id": "Task ids look like task-unified-1757165031-uyujaw3d; list_tasks shows them.",
    "task_not_found": "list_tasks shows the tasks of this account.",
    "model_access_denied": "list_models shows the models that this key may use.",
    "permission_denied": "Tell the user that this API key lacks a permission.",
    "unauthorized": "Tell the user that the API key is not valid.",
    "request_cancelled": "Somebody cancelled the task. Draw again only if the user wants it.",
}
_LATER: Final = "The service is busy or failed. Try again later."


@contextmanager
def told_to_the_model() -> Iterator[None]:
    """Turn a client's error into the tool's error, with advice."""
    try:
        yield
    except ClientError as error:
        raise ToolError(f"{error}. {advice(error)}") from None


def advice(error: ClientError) -> str:
    """What to do about an error."""
    code = str(getattr(error, "code", ""))
    if isinstance(error, Refused) and error.retry_after_s is not None:
        return f"Try again in {error.retry_after_s:.0f} seconds."
    return _ADVICE.get(code, _LATER)
