"""What words mean: the project's own tables, and behind them Unicode's names and keywords of emoji.

A table (`tables/LANGUAGE.txt`) has sections in brackets, and in each lines of `name = word, word …`. A section is a
kind of meaning: `things`, `actions`, `trades` (people with what they hold, ride or stand beside), `looks` (hair,
beards, and parts and limbs of the body), `colours`, `materials` (the colours of what things are made of), `counts`,
`sizes`, `relations`, `verbs` (relations before their object where others stand after it), `poses` (what someone does
alone; such words may be of another section, too), `young` (see `reading/young.py`), `views` (how near the picture is),
`places`, `times`, `weathers`, `seasons`, `styles`, `grounds` (words for the background itself), `ignored` (words that
need no picture, without a name) and `unshown` (those of the ignored words and relations that are not to be seen, such
as `crying` and `hugging`; they are told).

Of a thing, `name*4` says how many a word stands for if the prompt gives no number, and `name*+` that it names one or
several.

The section `grammar` says how the language is built (`grammar.py`).

A language is read when a prompt needs it. Nothing here reads the prompt.
"""

import functools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from easel.engines.sketch.words.grammar import Grammar, grammar_of, stems
from easel.engines.sketch.words.spelling import UMLAUTS, bare, folded, letters

TABLES: Final = Path(__file__).parent / "tables"
UNICODE_WORDS: Final = Path(__file__).parent / "unicode_words.zip"
LANGUAGES: Final = ("en", "es", "fr", "de", "pt", "it", "id", "tr", "vi", "ru", "zh", "ja", "ko", "ar", "hi")
STEM_MIN: Final = 3
IGNORED_STEM_MIN: Final = 4
"""Shorter words without their endings may be other words."""
WORD_MAX: Final = 40
"""So long a word may be if nothing is known of it yet."""
WORDS_MAX: Final = 6
"""How many words an entry may have."""
SEVERAL: Final = frozenset({
    "ballet-shoes", "blueberries", "books", "boxing-glove", "cherries", "chopsticks", "drum", "french-fries", "glasses", "gloves",
    "grapes", "haystack", "high-heeled-shoe", "hiking-boot", "houses", "ice-skate", "jeans", "macarons", "meat-on-bone",
    "musical-notes", "pancakes", "peanuts", "pot-of-food", "running-shoe", "skis", "socks", "spaghetti", "steaming-bowl",
    "sunglasses", "thong-sandal",
})  # fmt: skip
"""Pictures that show as many as their words in the plural say."""
PLAIN_ORDER: Final = ("relations", "colours", "sizes", "counts")
DEEDS: Final = frozenset({"holding", "looking", "riding", "wearing"})
PLAIN_THING_MIN: Final = 3
"""Shorter words that need no picture come before things that are the same without accents."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a word, such as the thing `cat` or the colour `red`."""

    kind: str
    name: str
    is_plural: bool = False
    is_located: bool = False
    """Whether its ending says that something is on or in it."""


@dataclass(frozen=True)
class Language:
    """The words of one language, as `spelling.folded` gives them."""

    code: str
    grammar: Grammar
    own: Mapping[str, tuple[Meaning, ...]]
    unicode: Mapping[str, str]
    stems: Mapping[str, tuple[Meaning, ...]] = field(default_factory=dict)

    def exact(self, phrase: str) -> tuple[Meaning, ...]:
        """What the own table says of a normal phrase as it stands."""
        return self.own.get(self.folded(phrase), ())

    def meanings(self, phrase: str) -> tuple[Meaning, ...]:
        """What a normal phrase means, exactly or with another ending or accent. Empty if nothing is known."""
        found = self._known(self.folded(phrase))
        if found or not self.grammar.are_accents_optional or self.grammar.are_marks_needed:
            return found
        return self.plain.meanings(bare(phrase))

    def folded(self, phrase: str) -> str:
        """A phrase as the tables of this language have it."""
        return folded(phrase, self.code)

    def has(self, phrase: str) -> bool:
        """Whether a normal phrase is known with its accents as they stand."""
        return bool(self._known(self.folded(phrase)))

    def _known(self, phrase: str) -> tuple[Meaning, ...]:
        exact = self.own.get(phrase)
        if exact is not None:
            return exact
        shorter = list(stems(phrase, self.grammar))
        found = _first(shorter, self.own, self._is_located(phrase))
        if not found and phrase in self.unicode:
            return (Meaning("things", self.unicode[phrase]),)
        found = found or self._plural(phrase) or self._by_stem(phrase, shorter) or self._by_words(phrase)
        return found or self._unicode_by_stem(shorter)

    @functools.cached_property
    def plain(self) -> "Language":
        """The same words and endings without accents."""
        grammar = replace(
            self.grammar,
            are_accents_optional=False,
            endings=tuple((bare(ending), bare(replacement)) for ending, replacement in self.grammar.endings),
            plurals=frozenset(map(bare, self.grammar.plurals)),
            located=frozenset(map(bare, self.grammar.located)),
        )
        own: dict[str, tuple[Meaning, ...]] = {}
        for word, meanings in sorted(self.own.items(), key=_plain_order):
            own.setdefault(bare(word), meanings)
            if self.grammar.has_umlauts:
                own.setdefault(bare(word.translate(UMLAUTS)), meanings)
        unicode_words = {bare(word): picture for word, picture in self.unicode.items()}
        return Language(self.code, grammar, own, unicode_words, _stemmed(own, unicode_words, grammar))

    def characters_max(self, first: str) -> int:
        """How long a phrase may be that begins with a character: longer ones are not known."""
        if self.grammar.beginnings:
            return WORD_MAX
        longest = self._lengths.get(self.folded(first))
        return longest + self._ending_max if longest else 0

    @functools.cached_property
    def _ending_max(self) -> int:
        return max((length for length, _ in self.grammar.endings_by_length), default=0)

    @functools.cached_property
    def _lengths(self) -> Mapping[str, int]:
        """The longest entry by its first character."""
        found: dict[str, int] = {}
        for word in (*self.own, *self.unicode, *self.stems):
            found[word[:1]] = max(len(word), found.get(word[:1], 0))
        return found

    def _plural(self, phrase: str) -> tuple[Meaning, ...]:
        """What a phrase means whose first word has the ending: `tazas de café`, `coches deportivos`, `бутылкой
        вина`."""
        first, _, rest = phrase.partition(" ")
        if not rest or not (self.grammar.adjectives_after or self.grammar.has_cases):
            return ()
        firsts = list(stems(first, self.grammar))
        for after in (rest, *(stem for stem, _ in stems(rest, self.grammar) if self.grammar.adjectives_after)):
            found = _first([(f"{stem} {after}", is_plural) for stem, is_plural in firsts], self.own)
            if found:
                return found
        return ()

    def _by_stem(self, phrase: str, shorter: list[tuple[str, bool]]) -> tuple[Meaning, ...]:
        return _first([(phrase, False), *shorter], self.stems)

    def _by_words(self, phrase: str) -> tuple[Meaning, ...]:
        """What a phrase means each of whose words has an ending: `подвесного моста`, `الجسر المعلق`."""
        is_built_so = " " in phrase and self.grammar.has_cases and not self.grammar.relations_after
        return self._phrases.get(self._without_endings(phrase), ()) if is_built_so else ()

    @functools.cached_property
    def _phrases(self) -> Mapping[str, tuple[Meaning, ...]]:
        of_words = ((phrase, meanings) for phrase, meanings in self.own.items() if " " in phrase)
        return {self._without_endings(phrase): found for phrase, found in of_words if found[0].kind != "ignored"}

    def _without_endings(self, phrase: str) -> str:
        words = [[word, *(stem for stem, _ in stems(word, self.grammar))] for word in phrase.split()]
        return " ".join(
            min((one for one in forms if len(one) >= STEM_MIN), key=len, default=forms[0]) for forms in words
        )

    def _is_located(self, phrase: str) -> bool:
        return any(phrase.endswith(ending) for ending in self.grammar.located)

    def _unicode_by_stem(self, shorter: list[tuple[str, bool]]) -> tuple[Meaning, ...]:
        found = ((self.unicode[stem], is_plural) for stem, is_plural in shorter if stem in self.unicode)
        return next(((Meaning("things", picture, is_plural),) for picture, is_plural in found), ())


def _plain_order(entry: tuple[str, tuple[Meaning, ...]]) -> int:
    """Which of the words comes first that are the same without accents."""
    word, (meaning, *_) = entry
    if meaning.kind == "ignored":
        return 5 if len(word) < PLAIN_THING_MIN else 8
    if meaning.name in DEEDS:
        return 7
    return PLAIN_ORDER.index(meaning.kind) if meaning.kind in PLAIN_ORDER else 6


def _first(
    stems_found: list[tuple[str, bool]], words: Mapping[str, tuple[Meaning, ...]], is_located: bool = False
) -> tuple[Meaning, ...]:
    for stem, is_plural in stems_found:
        meanings = words.get(stem, ())
        if meanings and (meanings[0].kind != "ignored" or len(stem) >= IGNORED_STEM_MIN):
            return tuple(Meaning(meaning.kind, meaning.name, is_plural, is_located) for meaning in meanings)
    return ()


@functools.cache
def language(code: str) -> Language:
    """The words of a language, read once."""
    sections = _sections(folded(letters((TABLES / f"{code}.txt").read_text(encoding="utf-8")), code))
    grammar = grammar_of(dict(sections.pop("grammar", [])))
    own: dict[str, tuple[Meaning, ...]] = {}
    for kind, lines in sections.items():
        for name, words in lines:
            meaning = (Meaning(kind, name),)
            for part in words.split(","):
                word = " ".join(part.split())
                if word and meaning[0] not in own.get(word, ()):
                    own[word] = own[word] + meaning if word in own else meaning
    said = own | dict(_plurals(own, grammar))
    own = _with_measures(said, grammar) | dict(_duals(said, grammar)) | said
    with zipfile.ZipFile(UNICODE_WORDS) as table:
        rows = folded(table.read(f"{code}.tsv").decode(), code).splitlines()
    unicode_words = dict(row.split("\t") for row in rows)
    for word in [word for word in own if own[word][0].kind == "looks" and len(word) > 1 and word in unicode_words]:
        own[word] = (*own[word], Meaning("things", unicode_words[word]))
    if grammar.are_accents_optional:
        for word in bare("\n".join(own)).split("\n"):
            unicode_words.pop(word, None)
    return Language(code, grammar, own, unicode_words, _stemmed(said, unicode_words, grammar))


def _with_measures(own: Mapping[str, tuple[Meaning, ...]], grammar: Grammar) -> dict[str, tuple[Meaning, ...]]:
    """Every number with every measure word, with and without a space."""
    found: dict[str, tuple[Meaning, ...]] = {}
    short = [
        (word, meanings) for word, meanings in own.items() if len(word) < 3 and not word.endswith(grammar.measures)
    ]
    numbers = [(word, meanings) for word, meanings in short if _is_number(meanings[0])]
    numbers += [(str(number), (Meaning("counts", str(number)),)) for number in range(1, 13)]
    for word, meanings in numbers:
        for measure in grammar.measures:
            found[word + measure] = meanings
            if grammar.has_spaces:
                found[f"{word} {measure}"] = meanings
    return found


def _duals(own: Mapping[str, tuple[Meaning, ...]], grammar: Grammar) -> Iterator[tuple[str, tuple[Meaning, ...]]]:
    """The words for two of each thing."""
    for word, (meaning, *_) in own.items() if grammar.duals else ():
        is_one = meaning.kind == "things" and "*" not in meaning.name and " " not in word
        for ending, dual in grammar.duals if is_one else ():
            if word.endswith(ending):
                yield word.removesuffix(ending) + dual, (Meaning("things", f"{meaning.name}*2"),)


def _plurals(own: Mapping[str, tuple[Meaning, ...]], grammar: Grammar) -> Iterator[tuple[str, tuple[Meaning, ...]]]:
    """The words of things that are in the table in the singular too: `kittens`, `Äpfel`."""
    endings = tuple(grammar.plurals)
    for word, meanings in own.items() if endings else ():
        one = bare(word) if grammar.has_umlauts else word
        if not (word.endswith(endings) or one != word) or meanings[0].kind != "things":
            continue
        if "*" in meanings[0].name or meanings[0].name in SEVERAL:
            continue
        found = any(is_plural and own.get(stem) == meanings for stem, is_plural in stems(one, grammar))
        if found or (one != word and own.get(one) == meanings):
            yield word, tuple(replace(meaning, is_plural=True) for meaning in meanings)


def _is_number(meaning: Meaning) -> bool:
    return meaning.kind == "counts" and meaning.name.isdigit()


def _stemmed(
    own: Mapping[str, tuple[Meaning, ...]], unicode_words: Mapping[str, str], grammar: Grammar
) -> dict[str, tuple[Meaning, ...]]:
    """Words by what they are without their endings, in languages whose words change theirs."""
    if not grammar.has_cases:
        return {}
    things = {word: (Meaning("things", picture),) for word, picture in unicode_words.items()}
    ignored = {word: meanings for word, meanings in own.items() if meanings[0].kind == "ignored"}
    found: dict[str, tuple[Meaning, ...]] = {}
    for words, stem_min in ((own, STEM_MIN), (things, STEM_MIN), (ignored, IGNORED_STEM_MIN)):
        for word, meanings in words.items():
            if len(word) <= STEM_MIN or (words is own and word in ignored):
                continue
            for stem, _ in stems(word, grammar):
                if len(stem) >= stem_min:
                    found.setdefault(stem, meanings)
    return found


def _sections(text: str) -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    lines: list[tuple[str, str]] = []
    for line in text.splitlines():
        stripped = line.split("#")[0].strip()
        if stripped.startswith("["):
            lines = sections.setdefault(stripped.strip("[]"), [])
        elif "=" in stripped:
            name, words = stripped.split("=", 1)
            lines.append((name.strip(), words))
        elif stripped:
            lines.append(("", stripped))
    return sections
