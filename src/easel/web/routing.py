"""The table of routes: which handler answers a method at a path.

A path without parameters takes precedence over every pattern, for all its methods, so a wrong method there gets 405.
Paths are compared as they are: nothing is redirected, and a slash at the end makes another path.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from easel.domain.errors import MethodNotAllowed, NoSuchAddress

Handler = Callable[[Request], Awaitable[Response]]


class Route:
    """A path and its handlers by method. The handler of GET also answers HEAD.

    `{name}` in the path matches one segment, and `{name:path}` any number of them. `shown_path` is the path as the API
    reference and the log show it.
    """

    def __init__(self, path: str, **handlers: Handler) -> None:
        self._pattern, self.shown_path, parameters = compile_path(path)
        self.has_parameters = bool(parameters)
        self._handlers = {"HEAD": handlers["GET"], **handlers} if "GET" in handlers else handlers

    @property
    def methods(self) -> Sequence[str]:
        """The methods that are answered, in alphabetical order."""
        return sorted(self._handlers)

    def parameters_in(self, path: str) -> Mapping[str, str] | None:
        """The parameters in a path. None if the route does not match it."""
        match = self._pattern.fullmatch(path)
        return None if match is None else match.groupdict()

    def handler(self, method: str) -> Handler:
        """The handler for a method. Raises MethodNotAllowed."""
        try:
            return self._handlers[method]
        except KeyError:
            raise MethodNotAllowed(self.methods) from None


class Routes:
    """All routes. Of the patterns that match a path, the first counts."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed = {route.shown_path: route for route in routes if not route.has_parameters}
        self._patterns = [route for route in routes if route.has_parameters]

    def find(self, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a path, and the parameters in it. Raises NoSuchAddress."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        for route in self._patterns:
            parameters = route.parameters_in(path)
            if parameters is not None:
                return route, parameters
        raise NoSuchAddress
