"""The address that signs in to the console once."""

from easel.actions.console_sessions import IssuedLink
from easel.outside.data_folder import service_lock
from easel.settings.settings import Settings

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def sign_in_address(link: IssuedLink, service_url: str) -> str:
    """The address for a browser. The token is in its fragment, which browsers send to no server, so no log has it."""
    return f"{service_url}/#/signin?link={link.token}"


def service_url(config: Settings) -> str:
    """The address of the service: its public URL, or where it runs on this machine, or where it would run."""
    if config.public_url is not None:
        return config.public_url
    host = _EVERY_ADDRESS.get(config.host, config.host)
    would_be = f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"
    return service_lock.announced_address(config.data_dir) or would_be
