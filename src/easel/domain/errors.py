"""All refusals of the service, in one tree.

A refusal has an HTTP status and its wording. The hosted API words the same refusal differently on its creation endpoint
and on its task endpoint. Both wordings are given here, and OpenAI's where it differs; `web` chooses one by path.
Messages repeat nothing that the client sent, except a well-formed model name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from easel.domain.model_name import is_model_name
from easel.domain.rate import Standing
from easel.domain.task import ErrorCode


@dataclass(frozen=True, slots=True)
class Wording:
    """How one family of endpoints words a refusal: the `error` object of the answer, without its `param`."""

    code: str
    message: str
    type: str


class EaselError(Exception):
    """The root of Easel's own errors."""


class Unusable(EaselError):
    """Easel cannot run with its current setup. The message tells the operator what is wrong and what to do."""


class Refusal(EaselError):
    """A request that gets an error as its answer. Subclasses set the status and the wordings."""

    status: int
    generation: Wording
    """The wording of `POST /v1/images/generations`, and of every path outside `/v1/tasks`."""
    task: Wording
    """The wording of `/v1/tasks…`."""
    openai: Wording | None = None
    """The wording of `/openai/…`. None if it is that of `generation`."""
    retry_after_s: int | None = None
    param: str | None = None
    picture_bytes: int | None = None
    """The size of the picture, if the requested range lies outside it."""
    allowed_methods: Sequence[str] = ()
    """The methods that the path supports, if the request's method is not one of them."""


_INVALID: Final = "invalid_request_error"


def _both(code: str, message: str, type_: str) -> tuple[Wording, Wording]:
    return (wording := Wording(code, message, type_)), wording


class InvalidRequest(Refusal):
    """400: the request breaks a rule. `message` says which one and how to follow it."""

    status = 400

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.generation, self.task = _both("invalid_request", message, _INVALID)


class ContentPolicyViolation(Refusal):
    """400: moderation refused the prompt, and the operator wants that to be an error. `message` names the category."""

    status = 400
    param = "prompt"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.generation, self.task = _both(ErrorCode.CONTENT_POLICY_VIOLATION, message, _INVALID)
        self.openai = _moderation_blocked(message)


def _moderation_blocked(message: str) -> Wording:
    """OpenAI's wording of a refusal by moderation."""
    return Wording("moderation_blocked", message, "image_generation_user_error")


class InvalidTaskId(Refusal):
    """400: the path does not contain a task id."""

    status = 400
    generation, task = _both("invalid_task_id", "Invalid task ID format, must start with 'task-unified-'", _INVALID)
    param = "task_id"


class Unauthorized(Refusal):
    """401: the key is missing, malformed, unknown, expired or revoked. The answer does not say which."""

    status = 401
    generation = Wording("unauthorized", "Invalid or expired token", "authentication_error")
    task = Wording("unauthorized", "Authentication required", "authentication_error")
    openai = Wording("invalid_api_key", "Incorrect or expired API key provided", _INVALID)


class InsufficientQuota(Refusal):
    """402: the balance does not cover the price."""

    status = 402
    generation = Wording("insufficient_quota", "Insufficient quota. Please top up your account.", "insufficient_quota")
    task = Wording("quota_exceeded", "Insufficient quota. Please top up your account.", "insufficient_quota")


class ModelAccessDenied(Refusal):
    """403: the model does not exist, or the key may not use it.

    The hosted API repeats the model. Here the message repeats it only if it has the form of a model's name.
    """

    status = 403

    def __init__(self, model: str) -> None:
        named = f": {model}" if is_model_name(model) else ""
        message = f"Token does not have access to model{named}"
        super().__init__(message)
        self.generation, self.task = _both("model_access_denied", message, _INVALID)


class PermissionDenied(Refusal):
    """403: the key does not have the scope that this request needs."""

    status = 403
    generation = Wording("permission_denied", "You don't have permission to do this with this key", _INVALID)
    task = Wording("permission_denied", "You don't have permission to access this task", _INVALID)


class CrossSiteRequest(Refusal):
    """403: the request relies on the console's session, and may come from another site's page."""

    status = 403
    generation, task = _both(
        "cross_site_request",
        "The console's session counts only for requests of its own page; send an API key in the Authorization header",
        _INVALID,
    )


class NotFound(Refusal):
    """404: there is nothing at this path."""

    status = 404
    generation, task = _both("not_found", "There is nothing at this address", _INVALID)


class NoSuchAddress(NotFound):
    """404: unknown path. The message gives the right addresses, because the usual cause is a wrong base URL."""

    generation, task = _both(
        "not_found",
        "There is nothing at this address. The API is at /v1 and described at /docs; "
        "the base URL of OpenAI's clients ends in /openai/v1",
        _INVALID,
    )


class EditsNotOffered(Refusal):
    """404, for OpenAI's clients: pictures are drawn only from prompts."""

    status = 404
    generation, task = _both(
        "edits_not_offered",
        "Edits and variations of pictures are not offered: Z-Image-Turbo draws from a prompt alone",
        _INVALID,
    )


class ModelNotFound(Refusal):
    """404, as OpenAI answers: the model does not exist, or the key may not use it.

    OpenAI repeats the model. Here the message repeats it only if it has the form of a model's name.
    """

    status = 404

    def __init__(self, model: str) -> None:
        named = f" `{model}`" if is_model_name(model) else ""
        message = f"The model{named} does not exist or you do not have access to it."
        super().__init__(message)
        self.generation, self.task = _both("model_not_found", message, _INVALID)


class TaskNotFound(Refusal):
    """404: the account has no such task. Another account's task looks like a missing one."""

    status = 404
    generation, task = _both("task_not_found", "The requested task could not be found", _INVALID)


class AccountNotFound(Refusal):
    """404: there is no such account. Only operators ask for accounts."""

    status = 404
    generation, task = _both("account_not_found", "There is no such account", _INVALID)


class AccountExists(Refusal):
    """409: there is an account of this name already. Only operators open accounts."""

    status = 409
    generation, task = _both("account_exists", "There is an account of this name already", _INVALID)


class KeyNotFound(Refusal):
    """404: there is no such key. Only operators ask for keys."""

    status = 404
    generation, task = _both("key_not_found", "There is no such key", _INVALID)


class NoValidKey(Refusal):
    """409: a sign-in link is for a valid key of the account, which has none. Only operators make such links."""

    status = 409
    generation, task = _both("no_valid_key", "The account has no valid key; create one first", _INVALID)


class CallbackNotFound(Refusal):
    """404: the task was created without a callback, or its callback was erased."""

    status = 404
    generation, task = _both("callback_not_found", "This task has no callback", _INVALID)


class MethodNotAllowed(Refusal):
    """405: this path does not support this method, only `allowed_methods`."""

    status = 405
    generation, task = _both("method_not_allowed", "This address does not support this method", _INVALID)

    def __init__(self, allowed_methods: Sequence[str]) -> None:
        super().__init__("method not allowed")
        self.allowed_methods = allowed_methods


class RequestTimeout(Refusal):
    """408: a request began but did not arrive completely in time."""

    status = 408
    generation, task = _both("request_timeout", "The request did not arrive in time", _INVALID)


class IdempotencyConflict(Refusal):
    """409: the idempotency key was used for another order."""

    status = 409
    generation, task = _both("idempotency_conflict", "This Idempotency-Key was used with another order", _INVALID)


class OtherAmountEntered(IdempotencyConflict):
    """409: the idempotency key was used for another amount of credits. Only operators enter credits."""

    generation, task = _both("idempotency_conflict", "This Idempotency-Key was used with another amount", _INVALID)


class AlreadyCompleted(Refusal):
    """409: a task that has ended cannot be cancelled."""

    status = 409
    generation, task = _both("already_completed", "The task has already ended", _INVALID)


class CallbackUnderWay(Refusal):
    """409: the callback cannot be redelivered, because it is being delivered, or its task has not ended."""

    status = 409
    generation, task = _both(
        "callback_under_way", "The callback is being delivered, or its task has not ended", _INVALID
    )


class TaskUnfinished(Refusal):
    """409: a task that has not ended cannot be deleted."""

    status = 409
    generation, task = _both("task_unfinished", "The task has not ended yet; cancel it first", _INVALID)


class LedgerDamaged(Refusal):
    """409: the ledger itself is wrong, which no repair corrects. `message` names the account."""

    status = 409

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.generation, self.task = _both("ledger_damaged", message, _INVALID)


class LinkExpired(Refusal):
    """410: a picture's link has expired."""

    status = 410
    generation, task = _both("link_expired", "This link has expired; read the task again for a fresh one", _INVALID)


class PayloadTooLarge(Refusal):
    """413: the body is too large."""

    status = 413

    def __init__(self, body_bytes_max: int) -> None:
        message = f"The request body is larger than {body_bytes_max} bytes"
        super().__init__(message)
        self.generation, self.task = _both("payload_too_large", message, _INVALID)


class RangeNotSatisfiable(Refusal):
    """416: the range lies outside the picture."""

    status = 416
    generation, task = _both("range_not_satisfiable", "The range lies outside the picture", _INVALID)

    def __init__(self, picture_bytes: int) -> None:
        super().__init__("range not satisfiable")
        self.picture_bytes = picture_bytes


class RateLimitExceeded(Refusal):
    """429: too many requests, or too many unfinished tasks of one key. `standing` is what is left of the limit."""

    status = 429
    generation = Wording("rate_limit_exceeded", "Too many requests, please try again later", "rate_limit_error")
    task = Wording("rate_limit_exceeded", "Rate limit exceeded", "evo_api_error")

    def __init__(self, retry_after_s: int, standing: Standing | None = None) -> None:
        super().__init__("rate limit exceeded")
        self.retry_after_s = retry_after_s
        self.standing = standing


class HeadersTooLarge(Refusal):
    """431: the request line and headers, or the trailers, are too large."""

    status = 431

    def __init__(self, head_bytes_max: int, headers_max: int, target_bytes_max: int) -> None:
        message = (
            f"The request has over {headers_max} headers, a path and query of over {target_bytes_max} bytes, "
            f"or a line and headers of over {head_bytes_max} bytes"
        )
        super().__init__(message)
        self.generation, self.task = _both("headers_too_large", message, _INVALID)


class InternalError(Refusal):
    """500: a fault of the service. The log has the details."""

    status = 500
    generation = Wording("internal_error", "Internal server error", "api_error")
    task = Wording("internal_error", "Failed to retrieve task status", "api_error")


class ServiceUnavailable(Refusal):
    """503: the service cannot do this now, but will be able to later."""

    status = 503
    generation, task = _both(
        "service_unavailable", "The service is temporarily unavailable, please try again", "api_error"
    )

    def __init__(self, retry_after_s: int = 2) -> None:
        super().__init__("service unavailable")
        self.retry_after_s = retry_after_s


class OrderFailed(Refusal):
    """400, 404, 500, 503 or 504: the order has no picture to answer with. Code and message are the failed task's."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.status = _STATUS_OF_FAILED_TASK.get(code, 500)
        self.retry_after_s = 2 if self.status == 503 else None
        type_ = "api_error" if self.status >= 500 else _INVALID
        self.generation, self.task = _both(code, message, type_)
        if code is ErrorCode.CONTENT_POLICY_VIOLATION:
            self.openai = _moderation_blocked(message)


_STATUS_OF_FAILED_TASK: Final[Mapping[ErrorCode, int]] = {
    ErrorCode.CONTENT_POLICY_VIOLATION: 400,
    ErrorCode.INVALID_PARAMETERS: 400,
    ErrorCode.IMAGE_PROCESSING_ERROR: 400,
    ErrorCode.IMAGE_DIMENSION_MISMATCH: 400,
    ErrorCode.REQUEST_CANCELLED: 400,
    ErrorCode.RESOURCE_NOT_FOUND: 404,
    ErrorCode.RESOURCE_EXHAUSTED: 503,
    ErrorCode.QUOTA_EXCEEDED: 503,
    ErrorCode.SERVICE_UNAVAILABLE: 503,
    ErrorCode.GENERATION_TIMEOUT: 504,
}
"""All other codes are faults of the service and get 500."""
