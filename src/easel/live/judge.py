"""The judge: asks one process's layers of moderation in order, until one refuses.

The local layers judge a prompt before it is accepted. The moderation server judges it before it is drawn. If refusals
are answered as errors, the server judges it before it is accepted. Pictures are judged before they are stored.

A layer that cannot judge refuses. The operator may allow one exception: what the server could not judge is drawn if it
is far from any red line. The judge returns its decisions, and the caller records them.
"""

import asyncio
import functools
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from easel.domain.moderation.decision import (
    Category,
    Decision,
    Finding,
    Layer,
    LayerFailed,
    Level,
    ModerationOutcome,
    Stage,
    worst,
)
from easel.domain.moderation.rules import Rulebook
from easel.live import measured
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.picture_file import PictureFile
from easel.outside.judges.plugins import Plugin
from easel.store.moderation_log import Judged
from easel.store.tasks import Task

if TYPE_CHECKING:  # its HTTP client takes long to import, and few installations have a moderation server
    from easel.outside.judges.endpoint import ModerationEndpoint

CLASSIFY_TIMEOUT_S: Final = 60
"""How long classifying a picture may take before the classifier counts as hung."""
JUDGED_AT_ONCE_MAX: Final = 40
"""Longest prompt, in characters, that the rules judge in the event loop: a few milliseconds even if it is hostile."""
_JUDGED_AT_EVERY_LEVEL: Final = frozenset(
    {Category.SEXUAL_MINORS, Category.VIOLENCE_GRAPHIC, Category.SELF_HARM, Category.ILLICIT_VIOLENT}
)
"""At the basic level, a picture classifier alone may refuse these. Other categories need support from the prompt."""


class ClassifierHung(Exception):
    """The classifier does not return. Its thread cannot be ended without ending the process."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How refusals are answered, and what happens when the server cannot judge."""

    digest_key: bytes
    answers_errors: bool = False
    """Whether a refused prompt is answered with an error instead of a failed task."""
    waves_through: bool = False
    """Whether to draw what the server could not judge, at the basic level and far from any red line."""


class Judge:
    """One process's layers of moderation. A layer that is None is not configured. The rules are read at first use."""

    def __init__(
        self,
        rulebook: Callable[[], Rulebook],
        plugins: Sequence[Plugin],
        endpoint: "ModerationEndpoint | None",
        classifier: PictureClassifier | None,
        settings: JudgeSettings,
    ) -> None:
        self._rulebook = functools.cache(rulebook)
        self._plugins = plugins
        self._endpoint = endpoint
        self._classifier = classifier
        self._classifying = asyncio.Lock()
        self._judging = asyncio.Lock()
        self._settings = settings

    @property
    def answers_errors(self) -> bool:
        """Whether a refused prompt is answered with an error."""
        return self._settings.answers_errors

    @property
    def is_costly_before_acceptance(self) -> bool:
        """Whether layers other than Easel's own rules judge prompts before they are accepted."""
        return self.judges_all_before_acceptance or bool(self._plugins)

    @property
    def judges_all_before_acceptance(self) -> bool:
        """Whether the server judges prompts before they are accepted, and need not be asked again."""
        return self._endpoint is not None and self._settings.answers_errors

    @property
    def judges_before_drawing(self) -> bool:
        """Whether the server judges those prompts that it did not judge before they were accepted."""
        return self._endpoint is not None

    @property
    def judges_pictures(self) -> bool:
        """Whether any layer judges pictures before they are stored."""
        by_plugins = any(plugin.judges_pictures for plugin in self._plugins)
        return self._classifier is not None or self._endpoint is not None or by_plugins

    def load(self) -> None:
        """Load the classifier. Raises ClassifierUnusable."""
        if self._classifier is not None:
            self._classifier.load()

    def load_rules(self) -> None:
        """Read the rules ahead of their first use: reading takes a good part of a second."""
        self._rulebook()

    async def aclose(self) -> None:
        """Close connections."""
        if self._endpoint is not None:
            await self._endpoint.aclose()

    def judged(self, account_id: int, prompt: str, task_id: str | None = None) -> Judged:
        """The account, task and prompt that the moderation log records with a decision."""
        return Judged(account_id, task_id, prompt_digest(self._settings.digest_key, prompt))

    async def before_acceptance(self, prompt: str, level: Level) -> list[Decision]:
        """Judge a prompt that is about to be accepted. The last decision may be a refusal."""
        return _counted(Stage.PROMPT, await self._before_acceptance(prompt, level))

    async def _before_acceptance(self, prompt: str, level: Level) -> list[Decision]:
        if len(prompt) <= JUDGED_AT_ONCE_MAX:
            refusal = self.by_rules(prompt, level)
        else:  # this may take tens of milliseconds, during which only other long prompts wait
            async with self._judging:
                refusal = await asyncio.to_thread(self.by_rules, prompt, level)
        if refusal is not None:
            return [refusal]
        for plugin in self._plugins:
            decision = await _decided(Stage.PROMPT, level, Layer.PLUGIN, plugin.judge_prompt(prompt, level))
            if decision is not None:
                return [decision]
        if self._endpoint is None or not self._settings.answers_errors:
            return []
        return await self._asked(self._endpoint, Stage.PROMPT, prompt, level)

    def by_rules(self, prompt: str, level: Level) -> Decision | None:
        """The refusal of a prompt by Easel's own rules, if they refuse it."""
        rules = self._rulebook()
        finding = rules.finding(rules.judge(prompt, level))
        return (
            None if finding is None else Decision(Stage.PROMPT, level, ModerationOutcome.REFUSED, Layer.RULES, finding)
        )

    async def before_drawing(self, task: Task) -> list[Decision]:
        """Have the server judge the prompt of an accepted task. The last decision may be a refusal."""
        assert self._endpoint is not None
        level = Level.of(nsfw_check=task.nsfw_check)
        return _counted(Stage.PROMPT, await self._asked(self._endpoint, Stage.PROMPT, task.prompt, level))

    async def of_picture(self, task: Task, picture: PictureFile) -> list[Decision]:
        """Judge a picture together with its prompt. The last decision may be a refusal."""
        return _counted(Stage.IMAGE, await self._of_picture(task, picture)) if self.judges_pictures else []

    async def _of_picture(self, task: Task, picture: PictureFile) -> list[Decision]:
        level = Level.of(nsfw_check=task.nsfw_check)
        decision = None
        if self._classifier is not None:
            classified = self._classified(self._classifier, task.prompt, picture, level)
            decision = await _decided(Stage.IMAGE, level, Layer.CLASSIFIER, classified)
        for plugin in self._plugins:
            if decision is None:
                judging = plugin.judge_picture(task.prompt, picture.content, level)
                decision = await _decided(Stage.IMAGE, level, Layer.PLUGIN, judging)
        if decision is not None:
            return [decision]
        if self._endpoint is None:
            return []
        return await self._asked(self._endpoint, Stage.IMAGE, task.prompt, level, picture)

    async def _classified(
        self, classifier: PictureClassifier, prompt: str, picture: PictureFile, level: Level
    ) -> Finding | None:
        async with self._classifying:
            try:
                async with asyncio.timeout(CLASSIFY_TIMEOUT_S):
                    scores = await asyncio.to_thread(classifier.scores, picture.content)
            except TimeoutError:
                raise ClassifierHung from None
        rules = self._rulebook()
        finding = rules.picture_finding(rules.judge(prompt, level), scores)
        if finding is not None:
            return finding
        if level is Level.BASIC:
            scores = {category: score for category, score in scores.items() if category in _JUDGED_AT_EVERY_LEVEL}
        return _beyond(scores, level, Layer.CLASSIFIER, classifier.version)

    async def _asked(
        self,
        endpoint: "ModerationEndpoint",
        stage: Stage,
        prompt: str,
        level: Level,
        picture: PictureFile | None = None,
    ) -> list[Decision]:
        try:
            scores = await endpoint.scores(prompt, picture)
        except LayerFailed as failed:
            judgement = self._rulebook().judge(prompt, level)
            is_near_red_line = judgement.is_sensitive if stage is Stage.PROMPT else judgement.is_sensitive_picture
            may_pass = self._settings.waves_through and level is Level.BASIC and not is_near_red_line
            outcome = ModerationOutcome.WAVED_THROUGH if may_pass else ModerationOutcome.UNJUDGED
            return [Decision(stage, level, outcome, failed.layer, reason=str(failed))]
        finding = _beyond(scores, level, Layer.ENDPOINT, endpoint.model)
        return [] if finding is None else [Decision(stage, level, ModerationOutcome.REFUSED, Layer.ENDPOINT, finding)]


def _counted(stage: Stage, decisions: list[Decision]) -> list[Decision]:
    """The same decisions, counted for the metrics."""
    for decision in decisions:
        measured.MODERATED.add(stage, decision.outcome)
    if not decisions:
        measured.MODERATED.add(stage, "passed")
    return decisions


async def _decided(stage: Stage, level: Level, layer: Layer, judging: Awaitable[Finding | None]) -> Decision | None:
    """The decision of a local layer. A layer that fails refuses."""
    try:
        finding = await judging
    except LayerFailed as failed:
        return Decision(stage, level, ModerationOutcome.UNJUDGED, layer, reason=str(failed))
    return None if finding is None else Decision(stage, level, ModerationOutcome.REFUSED, layer, finding)


def _beyond(scores: Mapping[str, float], level: Level, layer: Layer, version: str) -> Finding | None:
    category = worst(scores, level)
    return None if category is None else Finding(category, layer, "threshold", version, dict(scores))


def ending(decisions: Sequence[Decision]) -> Decision | None:
    """The decision that ends the task, if there is one."""
    return next((decision for decision in decisions if decision.ends_task), None)


def prompt_digest(key: bytes, prompt: str) -> bytes:
    """The prompt's digest in the log, 32 bytes. Computing it requires the prompt and the key."""
    return hmac.digest(key, prompt.encode(), sha256)
