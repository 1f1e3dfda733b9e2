"""Decisions of moderation: their levels, categories and findings, and the thresholds for scores.

This module does not read prompts (`rules` does) or pictures, and does not know who sent them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from easel.domain.errors import EaselError
from easel.domain.task import ErrorCode


class Level(StrEnum):
    """How strictly an order is judged. Everything is judged at least at `BASIC`."""

    BASIC = "basic"
    STRICT = "strict"

    @classmethod
    def of(cls, *, nsfw_check: bool) -> "Level":
        """The level of an order with this `nsfw_check`."""
        return cls.STRICT if nsfw_check else cls.BASIC


class Stage(StrEnum):
    """What was judged."""

    PROMPT = "prompt"
    IMAGE = "image"


class Category(StrEnum):
    """Why something is refused: the categories of OpenAI's moderation API, and `EXTREMISM`."""

    SEXUAL = "sexual"
    SEXUAL_MINORS = "sexual/minors"
    VIOLENCE = "violence"
    VIOLENCE_GRAPHIC = "violence/graphic"
    SELF_HARM = "self-harm"
    SELF_HARM_INTENT = "self-harm/intent"
    SELF_HARM_INSTRUCTIONS = "self-harm/instructions"
    HATE = "hate"
    HATE_THREATENING = "hate/threatening"
    HARASSMENT = "harassment"
    HARASSMENT_THREATENING = "harassment/threatening"
    ILLICIT = "illicit"
    ILLICIT_VIOLENT = "illicit/violent"
    EXTREMISM = "extremism"

    @property
    def broad(self) -> str:
        """The category without the part after the slash, as callers see it."""
        return self.partition("/")[0]


class Layer(StrEnum):
    """The part of moderation that judged."""

    RULES = "rules"
    ENDPOINT = "endpoint"
    CLASSIFIER = "classifier"
    PLUGIN = "plugin"


THRESHOLDS: Final[Mapping[Category, tuple[float, float]]] = {
    Category.SEXUAL_MINORS: (0.05, 0.20),
    Category.SELF_HARM: (0.30, 0.60),
    Category.SELF_HARM_INTENT: (0.30, 0.60),
    Category.SELF_HARM_INSTRUCTIONS: (0.30, 0.60),
    Category.VIOLENCE_GRAPHIC: (0.40, 0.70),
    Category.ILLICIT_VIOLENT: (0.40, 0.70),
    Category.SEXUAL: (0.50, 0.80),
    Category.VIOLENCE: (0.50, 0.80),
    Category.HARASSMENT_THREATENING: (0.50, 0.80),
    Category.HATE_THREATENING: (0.50, 0.80),
    Category.HARASSMENT: (0.60, 0.85),
    Category.HATE: (0.60, 0.85),
    Category.ILLICIT: (0.60, 0.85),
}
"""The lowest scores that are refused, at strict and at basic: the medium and high thresholds of the hosted service."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why something is refused.

    `rule` is the layer's name for what found it, and `version` the layer's version; callers see neither. `scores` are
    between 0 and 1.
    """

    category: Category
    layer: Layer
    rule: str
    version: str
    scores: Mapping[str, float] = field(default_factory=dict)


class ModerationOutcome(StrEnum):
    """What was decided. No decision at all means that nothing was found."""

    REFUSED = "refused"
    UNJUDGED = "unjudged"
    """A layer could not judge, so nothing is drawn or shown."""
    WAVED_THROUGH = "waved_through"
    """A layer could not judge, and the operator chose to draw in that case."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a prompt or picture, and why: a finding, or the reason why a layer could not judge."""

    stage: Stage
    level: Level
    outcome: ModerationOutcome
    layer: Layer
    finding: Finding | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        assert (self.outcome is ModerationOutcome.REFUSED) == (self.finding is not None)

    @property
    def ends_task(self) -> bool:
        """Whether the task fails."""
        return self.outcome is not ModerationOutcome.WAVED_THROUGH

    @property
    def code(self) -> ErrorCode:
        """The code with which the task fails."""
        return ErrorCode.CONTENT_POLICY_VIOLATION if self.finding else ErrorCode.SERVICE_ERROR

    @property
    def message(self) -> str:
        """The message for the caller. It names the stage and the broad category, but not the rule."""
        if self.finding is None:
            return f"The {self.stage} could not be judged by moderation"
        return f"Content policy violation.\nThe {self.stage} was refused: {self.finding.category.broad}."


class LayerFailed(EaselError):
    """A layer could not judge. Only the operator sees the message."""

    def __init__(self, layer: Layer, reason: str) -> None:
        super().__init__(reason)
        self.layer = layer


def worst(scores: Mapping[str, float], level: Level) -> Category | None:
    """The category furthest above its threshold; None if all are below. Unknown categories are ignored."""
    beyond = {
        category: scores[category] - threshold[level is Level.BASIC]
        for category, threshold in THRESHOLDS.items()
        if category in scores and scores[category] >= threshold[level is Level.BASIC]
    }
    return max(beyond, key=lambda category: beyond[category]) if beyond else None
