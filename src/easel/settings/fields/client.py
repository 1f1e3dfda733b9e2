"""The settings of the commands and programs that call a service over HTTP."""

from typing import Annotated

import msgspec

from easel.settings.description import Description, Group


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The service to call, and the key to present."""

    url: Annotated[
        str,
        Description(
            Group.CLIENT,
            "Address of the service for `easel generate`, `easel tasks`, `easel mcp` and the Python client. A slash or "
            "`/v1` at its end is ignored.",
        ),
    ] = "http://127.0.0.1:8000"
    api_key: Annotated[
        str | None,
        Description(
            Group.CLIENT, "API key that `easel generate`, `easel tasks`, `easel mcp` and the Python client send."
        ),
    ] = None

    def __repr__(self) -> str:
        """Hides the values: one of them is a key."""
        return "<ClientSettings>"
