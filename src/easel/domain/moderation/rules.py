"""Rules: which combinations of concepts are refused, and the judging of a prompt by them.

A rule names groups of concepts. A prompt meets the rule if it has a concept from each group: `a naked child` has nudity
and a minor. Concepts of different variants count together, since a disguise may cover only a part of a prompt. This
module reads no files. A prompt without terms of the lexicon passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from easel.domain.moderation.concepts import LITTLE_ELSE, OTHER_WORDS_MAX
from easel.domain.moderation.decision import THRESHOLDS, Category, Finding, Layer, Level
from easel.domain.moderation.disguises import breaks, invisibly_spelled_rows, spelled_rows, variants_of
from easel.domain.moderation.folding import fold
from easel.domain.moderation.languages import DetectedLanguages, LanguageDetector
from easel.domain.moderation.letter_rows import LetterRows
from easel.domain.moderation.lexicon import Lexicon


@dataclass(frozen=True, slots=True)
class Rule:
    """Refuses a prompt that has a concept from each of the `groups` and none from `unless`."""

    name: str
    category: Category
    level: Level
    groups: Sequence[frozenset[str]]
    unless: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert len(self.groups) >= 2 or self.unless, "a rule needs more than one concept"

    def is_met(self, found: Mapping[str, "Evidence"]) -> bool:
        """Whether the rule refuses a prompt with these concepts."""
        return all(not group.isdisjoint(found) for group in self.groups) and self.unless.isdisjoint(found)


@dataclass(frozen=True, slots=True)
class PictureRule:
    """Refuses a picture of the category `shown`, at every level, if its prompt has one of `concepts`."""

    name: str
    shown: Category
    concepts: frozenset[str]
    category: Category


class Evidence(NamedTuple):
    """Where a concept was found: the variant and the term."""

    variant: str
    term: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in a prompt, and the rules that it meets, those of the basic level first."""

    found: Mapping[str, Evidence]
    rules: Sequence[Rule]
    languages: DetectedLanguages
    is_sensitive: bool
    """Whether the prompt has a concept of a red line."""
    is_sensitive_picture: bool
    """Whether a picture of it may cross a red line."""


class Rulebook:
    """The lexicon and the rules, in one version."""

    def __init__(
        self,
        version: str,
        lexicon: Lexicon,
        rules: Sequence[Rule],
        picture_rules: Sequence[PictureRule],
        sensitive: frozenset[str],
        languages: LanguageDetector,
    ) -> None:
        """`sensitive` are the concepts of red lines."""
        self.version = version
        self._picture_rules = picture_rules
        self._lexicon = lexicon
        self._rules = sorted(rules, key=lambda rule: rule.level is not Level.BASIC)
        self._sensitive = sensitive
        self._languages = languages

    def judge(self, prompt: str, level: Level) -> Judgement:
        """Find the concepts of a prompt, and the rules that it meets at this level and below."""
        folded = fold(prompt)
        letter_rows = LetterRows(folded)
        rows = [*spelled_rows(letter_rows), *invisibly_spelled_rows(prompt)]
        variants = variants_of(letter_rows)
        languages = self._languages.detect(folded, next(iter(variants.values())))
        in_each = self._lexicon.find(variants, languages, rows, lambda: breaks(folded))
        found: dict[str, Evidence] = {}
        for variant, in_variant in zip([*variants, *rows], in_each, strict=True):
            for concept, term in in_variant.concepts.items():
                found.setdefault(concept, Evidence(variant, term))
        if found:
            # Rows of single letters are left out, since each is only a part of the prompt.
            others, number = min((in_each[number].other_words, number) for number in range(len(variants)))
            if others <= OTHER_WORDS_MAX:
                found[LITTLE_ELSE] = Evidence(list(variants)[number], "")
        met = [
            rule for rule in self._rules if (rule.level is Level.BASIC or rule.level is level) and rule.is_met(found)
        ]
        is_sensitive = not self._sensitive.isdisjoint(found)
        is_shown = any(not rule.concepts.isdisjoint(found) for rule in self._picture_rules)
        return Judgement(found, met, languages, is_sensitive, is_sensitive or is_shown)

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
