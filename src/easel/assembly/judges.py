"""The layers of moderation that the settings name. Easel's own rules are always one of them."""

from easel.domain.secret import Secret
from easel.live.judge import Judge, JudgeSettings
from easel.outside.judges import rulebook
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.endpoint import ModerationEndpoint
from easel.outside.judges.plugins import load_plugins
from easel.settings.settings import Settings


def judge_of(settings: Settings, secret: Secret, *, judges_pictures: bool) -> Judge:
    """A process's moderation, not yet loaded. Only who `judges_pictures` has the classifier.

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


def endpoint(settings: Settings) -> ModerationEndpoint | None:
    """The moderation server, if one is named. Raises EndpointUnusable."""
    if settings.moderation_url is None:
        return None
    return ModerationEndpoint(settings.moderation_url, settings.moderation_model, settings.moderation_api_key)


def classifier(settings: Settings) -> PictureClassifier | None:
    """The picture classifier, if one is named, not yet loaded."""
    if settings.moderation_classifier is None:
        return None
    return PictureClassifier(settings.moderation_classifier)


def digest_key(secret: Secret) -> bytes:
    """What prompts are digested with in the log of decisions."""
    return secret.derive("moderation")
