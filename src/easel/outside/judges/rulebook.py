"""Reads the rules for prompts from `rules/rules.toml`, and the terms of each language from the files beside it.

The files are part of Easel and tested with it, so assertions check them. Operators cannot replace them.
"""

import contextlib
import functools
import gc
import itertools
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from easel.domain.moderation.concepts import HIDING, LITTLE_ELSE
from easel.domain.moderation.context import Context
from easel.domain.moderation.decision import Category, Level
from easel.domain.moderation.disguises import words_of_each
from easel.domain.moderation.languages import LanguageDetector
from easel.domain.moderation.lexicon import Lexicon
from easel.domain.moderation.rules import PictureRule, Rule, Rulebook
from easel.domain.moderation.scripts import is_unspaced
from easel.domain.moderation.terms import AGE_OF_ADULT, AGE_OF_MINOR, parse
from easel.domain.moderation.vietnamese import without_marks
from easel.domain.moderation.word_boundaries import ChineseWords
from easel.outside.judges import compiled_rules
from easel.outside.judges.compiled_rules import Parsed

FOLDER: Final = Path(__file__).parent / "rules"
_RULES: Final = "rules.toml"
CHINESE_WORDS: Final = "zh_words.txt"
"""Common words, simplified and traditional, that a Chinese term may lie across. They come from jieba's dictionary."""


@functools.cache
def load() -> Rulebook:
    """Easel's own rules, which each process reads once. Their version is that of `rules.toml` and the number of
    terms."""
    written = _read(FOLDER / _RULES)
    concepts = frozenset(written["concepts"])
    with _paused_collection():
        found = compiled_rules.read((FOLDER / compiled_rules.FILE).read_text(encoding="utf-8"), digest()) or parsed()
        context = Context(found.against, found.support)
        chinese_words = ChineseWords(frozenset((FOLDER / CHINESE_WORDS).read_text(encoding="utf-8").split()))
        lexicon = Lexicon(found.terms, found.ordinary, context, found.parts, chinese_words)
    rules = [_rule(each, concepts | {LITTLE_ELSE}) for each in written["rules"]]
    sensitive = frozenset(written["sensitive"])
    assert sensitive <= concepts
    picture_rules = [_picture_rule(each, concepts) for each in written["picture_rules"]]
    detector = LanguageDetector({language: _listed(words) for language, words in written["function_words"].items()})
    return Rulebook(f"{written['version']}.{len(lexicon)}", lexicon, rules, picture_rules, sensitive, detector)


def parsed() -> Parsed:
    """What the files of all languages say, from the files themselves. Takes a good part of a second."""
    concepts = frozenset(_read(FOLDER / _RULES)["concepts"])
    by_language = {language: _read(FOLDER / f"{language}.toml") for language in languages()}
    terms = {language: _terms(language, own, concepts) for language, own in by_language.items()}
    assert frozenset(itertools.chain.from_iterable(terms.values())) == concepts
    return Parsed(
        list(parse(terms, HIDING)),
        _ordinary(by_language),
        _words(by_language, "against"),
        _words(by_language, "support"),
        _words(by_language, "parts"),
    )


def digest() -> str:
    """A digest of the files from which terms are parsed."""
    return compiled_rules.digest(FOLDER / f"{name}.toml" for name in [*languages(), Path(_RULES).stem])


@contextlib.contextmanager
def _paused_collection() -> Iterator[None]:
    """Pause the garbage collector, which would search a hundred thousand new objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def languages() -> list[str]:
    """The languages that have terms."""
    return sorted(file.stem for file in FOLDER.glob("*.toml") if file.name != _RULES)


def _terms(language: str, written: Mapping[str, Any], concepts: frozenset[str]) -> Mapping[str, Sequence[str]]:
    """The terms of a language by concept."""
    unknown = set(written["concepts"]) - concepts
    assert not unknown, f"{language}.toml has unknown concepts: {unknown}"
    terms: dict[str, list[str]] = defaultdict(list)
    for concept, own in written["concepts"].items():
        terms[concept] += _listed(own)
    for own in terms.values() if "with_marks" in written else ():
        # Many people type without marks. Words of one syllable would be ambiguous then.
        own += [without_marks(term) for term in own if " " in term and term not in _listed(written["with_marks"])]
    ages = written.get("ages", {})
    terms["minor"] += _ages(ages, [AGE_OF_MINOR, *ages.get("numbers", ())])
    terms["minor"] += [f"{number} {unit}" for number in (AGE_OF_MINOR, AGE_OF_ADULT) for unit in ages.get("months", ())]
    adult_ages = list(_ages(ages, [AGE_OF_ADULT]))
    # An age belongs only to the person directly after it: `25 year old man and a girl`.
    terms["adult"] += [
        f"{age}{'' if is_unspaced(person) else ' '}{person}" for age in adult_ages for person in ages.get("persons", ())
    ] + adult_ages
    return terms


def _ordinary(by_language: Mapping[str, Mapping[str, Any]]) -> Mapping[str, frozenset[str]]:
    """The languages in which each word is harmless, though it is a term of another language."""
    ordinary: dict[str, frozenset[str]] = {}
    for language, written in by_language.items():
        for word in _listed(written.get("ordinary", "")):
            ordinary[word] = ordinary.get(word, frozenset()) | {language}
    return ordinary


def _words(by_language: Mapping[str, Mapping[str, Any]], name: str) -> frozenset[str]:
    """The words that all languages list under a key, folded as in the variants of a prompt."""
    each = (words_of_each(_listed(own.get(name, ""))) for own in by_language.values())
    return frozenset(itertools.chain.from_iterable(itertools.chain.from_iterable(each)))


def _listed(written: str) -> list[str]:
    return [each for part in written.split(",") if (each := part.strip())]


def _ages(written: Mapping[str, Any], numbers: Sequence[str]) -> Iterator[str]:
    """Every way to state each of these ages."""
    for number in numbers:
        for unit in written.get("after", ()):
            yield f"{number} {unit}"
            if not number.isascii():
                yield f"{number}{unit}"
        for word in written.get("before", ()):
            yield f"{word} {number}"


def _rule(written: Mapping[str, Any], concepts: frozenset[str]) -> Rule:
    groups = [frozenset(group) for group in written["all"]]
    unless = frozenset(written.get("unless", ()))
    unknown = set(itertools.chain(unless, *groups)) - concepts
    assert not unknown, f"the rule {written['name']} has unknown concepts: {unknown}"
    return Rule(written["name"], Category(written["category"]), Level(written["level"]), groups, unless)


def _picture_rule(written: Mapping[str, Any], concepts: frozenset[str]) -> PictureRule:
    named = frozenset(written["prompt"])
    assert named <= concepts
    return PictureRule(written["name"], Category(written["shown"]), named, Category(written["category"]))


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
