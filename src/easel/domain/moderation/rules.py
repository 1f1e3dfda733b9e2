"""Prompt rules: which concepts together are refused, and the judging of a prompt by them.

A rule names groups of concepts, and is met when each group has one that was found; never a single word. What is found in
different views of a prompt counts together, since a disguise may cover only a part of it. It reads no files, and
promises nothing about what nobody wrote a term for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from easel.domain.moderation.concepts import Lexicon
from easel.domain.moderation.decision import THRESHOLDS, Category, Finding, Layer, Level
from easel.domain.moderation.languages import Languages, Spoken
from easel.domain.moderation.views import WORDS, breaks, fold, spelled, threaded, views_of

LITTLE_ELSE: Final = "little_else"
"""A concept that is found where a prompt says next to nothing besides terms of the lexicon."""
OTHER_WORDS_MAX: Final = 2
HIDING: Final = frozenset({"innocent", "adult", "cherub"})
"""The concepts of phrases that hide the words in them: `naked mole rat`, `grown-up girl`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Refuses a prompt that has a concept of each of `groups` and none of `unless`."""

    name: str
    category: Category
    level: Level
    groups: Sequence[frozenset[str]]
    unless: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert len(self.groups) >= 2 or self.unless, "a rule is a conjunction"

    def is_met(self, found: Mapping[str, "Evidence"]) -> bool:
        """Whether what was found in a prompt is what the rule refuses."""
        return all(not group.isdisjoint(found) for group in self.groups) and self.unless.isdisjoint(found)


@dataclass(frozen=True, slots=True)
class PictureRule:
    """Refuses a picture that is `shown`, whatever the level, where its prompt has one of `concepts`."""

    name: str
    shown: Category
    concepts: frozenset[str]
    category: Category


class Evidence(NamedTuple):
    """Where a concept was found: the view, and the term."""

    view: str
    term: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in a prompt, the rules that it meets, red lines first, and the languages that it is in."""

    found: Mapping[str, Evidence]
    rules: Sequence[Rule]
    languages: Spoken
    is_sensitive: bool
    """Whether it has a concept that a red line is drawn around."""
    is_sensitive_picture: bool
    """Whether its picture may show what a red line is drawn around."""


class Rulebook:
    """The lexicon and its rules, in one version."""

    def __init__(
        self,
        version: str,
        lexicon: Lexicon,
        rules: Sequence[Rule],
        picture_rules: Sequence[PictureRule],
        sensitive: frozenset[str],
        languages: Languages,
    ) -> None:
        """`sensitive` are the concepts that a red line is drawn around."""
        self.version = version
        self._picture_rules = picture_rules
        self._lexicon = lexicon
        self._rules = sorted(rules, key=lambda rule: rule.level is not Level.BASIC)
        self._sensitive = sensitive
        self._languages = languages

    def judge(self, prompt: str, level: Level) -> Judgement:
        """Every concept in the prompt, and every rule of the level, or of a lower one, that it meets."""
        folded = fold(prompt)
        rows = [*spelled(folded), *threaded(prompt)]
        in_languages = self._languages.spoken(folded, WORDS.findall(folded))
        seen = views_of(folded)
        in_views = self._lexicon.find(seen, in_languages, rows, breaks(folded))
        found: dict[str, Evidence] = {}
        for view, in_view in zip([*seen, *rows], in_views, strict=True):
            for concept, term in in_view.concepts.items():
                found.setdefault(concept, Evidence(view, term))
        if found:
            # What single letters spell is a part of the prompt, and says nothing of the rest.
            others, number = min((in_views[number].other_words, number) for number in range(len(seen)))
            if others <= OTHER_WORDS_MAX:
                found[LITTLE_ELSE] = Evidence(seen[number], "")
        met = [
            rule for rule in self._rules if (rule.level is Level.BASIC or rule.level is level) and rule.is_met(found)
        ]
        is_sensitive = not self._sensitive.isdisjoint(found)
        is_shown = any(not rule.concepts.isdisjoint(found) for rule in self._picture_rules)
        return Judgement(found, met, in_languages, is_sensitive, is_sensitive or is_shown)

    def picture_finding(self, judgement: Judgement, scores: Mapping[str, float]) -> Finding | None:
        """Why a picture of the judged prompt is refused at every level, if it is. `scores` are by category."""
        for rule in self._picture_rules:
            is_shown = scores.get(rule.shown, 0.0) >= THRESHOLDS[rule.shown][0]
            if is_shown and not rule.concepts.isdisjoint(judgement.found):
                return Finding(rule.category, Layer.CLASSIFIER, rule.name, self.version, scores)
        return None

    def finding(self, judgement: Judgement) -> Finding | None:
        """Why the prompt is refused, if it is."""
        if not judgement.rules:
            return None
        rule = judgement.rules[0]
        return Finding(rule.category, Layer.RULES, rule.name, self.version)
