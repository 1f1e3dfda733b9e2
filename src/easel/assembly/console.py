"""The console's parts of the web process."""

from collections.abc import Sequence
from functools import partial

from easel.assembly.installation import callback_secrets_root, pepper
from easel.domain.link import LinkKeys
from easel.domain.secret import Secret
from easel.live.picture_reader import PictureReader
from easel.live.thumbnails import Thumbnails
from easel.outside.doctor import examine
from easel.outside.pictures.storage import Pictures
from easel.outside.postgres import private_postgres
from easel.settings.settings import Settings
from easel.store.database import Database
from easel.web.admin.changing import AdminChangeEndpoints
from easel.web.admin.keys import AdminKeyEndpoints
from easel.web.admin.moderation import AdminModerationEndpoints
from easel.web.admin.reading import AdminReadEndpoints
from easel.web.admin.upkeep import AdminUpkeepEndpoints
from easel.web.app import AdminEndpoints, ConsoleEndpoints, admin_routes, console_routes
from easel.web.auth import Auth
from easel.web.console.files import ConsoleFiles
from easel.web.console.pages import NotFoundPage
from easel.web.console.session_cookie import SessionCookie
from easel.web.console.sessions import Offer, SessionEndpoints
from easel.web.console.tasks import ConsoleTaskEndpoints
from easel.web.console.thumbnails import ThumbnailEndpoint
from easel.web.requests import BaseUrl
from easel.web.routing import Route
from easel.web.task_view import TaskView


class Console:
    """The console, if the settings switch it on. Otherwise its parts are None, and it has no routes."""

    def __init__(self, settings: Settings, base_url: BaseUrl, secret: Secret) -> None:
        self._offer = Offer(settings.price_microcredits, settings.engine)
        self._base_url = base_url
        self._pepper = pepper(secret)
        self._callback_root = callback_secrets_root(secret)
        # `easel serve` tells its children where its private database is, but the doctor is to find it there by itself.
        url = settings.database_url
        is_private = url is not None and private_postgres.is_address_of(url, settings.data_dir)
        self._examine = partial(examine, settings.data_dir, ["EASEL_DATABASE_URL"] if is_private else [])
        is_on = settings.console == "on"
        self.files = ConsoleFiles() if is_on else None
        self.cookie = SessionCookie(base_url) if is_on else None
        self.not_found_page = None if self.files is None else NotFoundPage(self.files, base_url)

    def routes(
        self, auth: Auth, database: Database, view: TaskView, pictures: Pictures, link_keys: LinkKeys
    ) -> Sequence[Route]:
        """The routes of the console."""
        if self.files is None or self.cookie is None:
            return []
        reader = PictureReader(database)
        endpoints = ConsoleEndpoints(
            sessions=SessionEndpoints(auth, database, self._pepper, self.cookie, self._offer),
            tasks=ConsoleTaskEndpoints(auth, database, view, self._base_url, link_keys),
            thumbnails=ThumbnailEndpoint(Thumbnails(pictures, reader, _reduced), reader, link_keys),
            files=self.files,
        )
        return [
            *console_routes(endpoints),
            *admin_routes(self._admin(auth, database)),
        ]

    def _admin(self, auth: Auth, database: Database) -> AdminEndpoints:
        return AdminEndpoints(
            reads=AdminReadEndpoints(auth, database),
            changes=AdminChangeEndpoints(auth, database),
            keys=AdminKeyEndpoints(auth, database, self._base_url, self._pepper, self._callback_root),
            moderation=AdminModerationEndpoints(auth, database),
            upkeep=AdminUpkeepEndpoints(auth, database, self._examine),
        )


def _reduced(picture: bytes) -> bytes | None:
    from easel.engines.encoding import thumbnail  # only a process that makes thumbnails loads Pillow

    return thumbnail(picture)
