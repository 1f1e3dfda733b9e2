"""What this process measures about itself, for `/metrics`. All instruments of the service are here.

They belong to the process, as its log does, so they are reached by name instead of being passed around. They begin with
zero when the process starts. Their names and labels are part of what operators build on: change them with care.
"""

from typing import Final

from easel.live.instruments import Counter, Histogram, Instrument, Level

_QUICK_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})

REQUESTS: Final = Counter(
    "easel_http_requests", "HTTP requests that were answered, by method, route and status.", "method", "route", "status"
)
REQUEST_S: Final = Histogram(
    "easel_http_request_duration_seconds",
    "How long requests took, waiting and streams included.",
    _QUICK_S,
    "method",
    "route",
)
CONNECTIONS: Final = Level("easel_http_connections", "Open connections.")
RATE_LIMITED: Final = Counter(
    "easel_rate_limited",
    "Requests and connections that a limit refused, by limit: create, read, connections, or other.",
    "limit",
)
ACCEPTED: Final = Counter("easel_tasks_accepted", "Tasks that were accepted.")
ENDED: Final = Counter(
    "easel_tasks_ended",
    "Tasks that this process ended, by status, error code and, if a worker ended them, engine.",
    "status",
    "code",
    "engine",
)
WAITING_S: Final = Histogram(
    "easel_task_waiting_seconds", "How long tasks waited from their acceptance until their drawing began.", _LONG_S
)
DRAWING_S: Final = Histogram("easel_draw_duration_seconds", "How long one drawing took.", _LONG_S, "engine")
TASK_S: Final = Histogram(
    "easel_task_duration_seconds", "How long completed tasks took from their acceptance to their end.", _LONG_S
)
STEPS: Final = Counter("easel_draw_steps", "Steps of drawings that succeeded.", "engine")
CHARGED: Final = Counter("easel_credits_charged", "Credits that completed tasks were charged.")
MODERATED: Final = Counter(
    "easel_moderation_decisions",
    "What moderation decided about prompts and pictures, by stage and outcome.",
    "stage",
    "outcome",
)
CALLBACKS: Final = Counter(
    "easel_callback_attempts",
    "Attempts to deliver callbacks, by outcome and by the number of the attempt, 10 for all later ones.",
    "outcome",
    "attempt",
)
CALLBACK_S: Final = Histogram("easel_callback_duration_seconds", "How long attempts to deliver took.", _QUICK_S)

INSTRUMENTS: Final[tuple[Instrument, ...]] = (
    REQUESTS, REQUEST_S, CONNECTIONS, RATE_LIMITED, ACCEPTED, ENDED, WAITING_S, DRAWING_S, TASK_S, STEPS, CHARGED,
    MODERATED, CALLBACKS, CALLBACK_S,
)  # fmt: skip
ATTEMPTS_SHOWN_MAX: Final = 10


def request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request. The route is None if there is none for its path."""
    shown_method = method if method in _METHODS else "other"
    shown_route = "none" if route is None else route
    REQUESTS.add(shown_method, shown_route, str(status))
    REQUEST_S.observe(seconds, shown_method, shown_route)


def ended(status: str, code: str = "", engine: str = "") -> None:
    """Count a task that this process ended."""
    ENDED.add(status, code, engine)


def callback_attempt(outcome: str, number: int, seconds: float) -> None:
    """Count an attempt to deliver a callback. The first one has the number 1."""
    CALLBACKS.add(outcome, str(min(number, ATTEMPTS_SHOWN_MAX)))
    CALLBACK_S.observe(seconds)
