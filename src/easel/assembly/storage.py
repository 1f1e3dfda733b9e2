"""Builds the picture store, and the sweep that removes expired data."""

from easel.actions.sweep import Lifetimes, Sweep
from easel.outside.pictures.storage import Pictures
from easel.settings.settings import Settings
from easel.store.database import Database


def picture_store(settings: Settings) -> Pictures:
    """The store for pictures. Raises StorageFailed if its URL or folder cannot be used."""
    return Pictures(settings.pictures_url)


def sweep_of(settings: Settings, database: Database, pictures: Pictures) -> Sweep:
    """A process's sweep, with the lifetimes that the settings give."""
    lifetimes = Lifetimes(
        queue_timeout_s=settings.queue_timeout_s,
        picture_h=settings.picture_retention_h or None,
        prompt_h=settings.prompt_retention_h or None,
        idempotency_h=settings.idempotency_retention_h,
        moderation_h=settings.moderation_retention_h or None,
    )
    return Sweep(database, pictures, lifetimes)
