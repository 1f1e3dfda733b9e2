"""Builds the layers of moderation that the settings name. Easel's own rules always come first."""

from typing import TYPE_CHECKING

from easel.domain.secret import Secret
from easel.live.judge import Judge, JudgeSettings
from easel.outside.judges import rulebook
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.plugins import load_plugins
from easel.settings.settings import Settings

if TYPE_CHECKING:
    from easel.outside.judges.endpoint import ModerationEndpoint


def judge_of(settings: Settings, secret: Secret, *, judges_pictures: bool) -> Judge:
    """A process's judge, with nothing loaded yet. It has the classifier only if it `judges_pictures`.

    Raises EndpointUnusable, PluginUnusable.
    """
    return Judge(
        rulebook.load,
        load_plugins(settings.moderation_plugin_list),
        endpoint(settings),
        classifier(settings) if judges_pictures else None,
        JudgeSettings(
            digest_key=digest_key(secret),
            answers_errors=settings.moderation_block == "http",
            waves_through=settings.moderation_unanswered == "draw",
        ),
    )


def endpoint(settings: Settings) -> "ModerationEndpoint | None":
    """The moderation server, if the settings name one. Raises EndpointUnusable."""
    if settings.moderation_url is None:
        return None
    from easel.outside.judges.endpoint import ModerationEndpoint  # its HTTP client takes long to import

    return ModerationEndpoint(settings.moderation_url, settings.moderation_model, settings.moderation_api_key)


def classifier(settings: Settings) -> PictureClassifier | None:
    """The picture classifier, not yet loaded, if the settings name one."""
    if settings.moderation_classifier is None:
        return None
    return PictureClassifier(settings.moderation_classifier)


def digest_key(secret: Secret) -> bytes:
    """The key of the prompt digests in the moderation log."""
    return secret.derive("moderation")
