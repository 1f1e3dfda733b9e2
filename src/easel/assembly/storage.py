"""Where pictures are kept, and what removes those that grew old."""

from easel.actions.sweep import Lifetimes, Sweep
from easel.outside.pictures.storage import Pictures
from easel.settings.settings import Settings
from easel.store.database import Database


def picture_store(settings: Settings) -> Pictures:
    """Where pictures are kept. Raises StorageUnusable for a URL that cannot be one."""
    return Pictures(settings.pictures_url)


def sweep(settings: Settings, data: Database, kept: Pictures) -> Sweep:
    """What ends tasks that waited too long and removes what grew old."""
    lifetimes = Lifetimes(
        queue_timeout_s=settings.queue_timeout_s,
        picture_h=settings.picture_retention_h or None,
        prompt_h=settings.prompt_retention_h or None,
        idempotency_h=settings.idempotency_retention_h,
        moderation_h=settings.moderation_retention_h or None,
    )
    return Sweep(data, kept, lifetimes)
