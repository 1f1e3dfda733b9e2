"""Makes the table of words that the sketch engine takes from Unicode, from two packages of npm.

    npm pack cldr-annotations-full cldr-annotations-derived-full
    python -m tools.sketch_words CLDR_ANNOTATIONS.tgz CLDR_ANNOTATIONS_DERIVED.tgz

CLDR gives each emoji a name and keywords in many languages. A name always leads to its picture. A keyword does only if
few pictures have it, and not if its pictures are faces, signs or gestures, whose keywords are moods. The project's own
tables (`src/easel/engines/sketch/words/tables/`) come before these words. With the same packages the bytes are the
same.
"""

import json
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from easel.engines.sketch.pictures.picture_pack import PicturePack
from easel.engines.sketch.words.lexicon import UNICODE_WORDS
from easel.engines.sketch.words.spelling import normal

LANGUAGES: Final = {
    "en": ["en"], "zh": ["zh", "zh-Hant"], "es": ["es", "es-419", "es-MX"], "fr": ["fr"], "de": ["de"],
    "pt": ["pt", "pt-PT"], "ru": ["ru"], "ja": ["ja"], "ko": ["ko"], "ar": ["ar"], "hi": ["hi"], "id": ["id"],
    "tr": ["tr"], "vi": ["vi"], "it": ["it"],
}  # fmt: skip
CLAIMS_MAX: Final = 2
LETTERS_MIN: Final = 4
NAMES_ONLY: Final = frozenset({"en"})
"""Languages whose own table is large enough to do without keywords, which are often moods and deeds."""
KEYWORD_CATEGORIES: Final = frozenset({"Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities"})
UNWANTED: Final = frozenset({
    "black-cat", "night-with-stars", "cityscape", "cityscape-at-dusk", "sunset", "sunrise", "sunrise-over-mountains",
    "desert", "national-park", "beach-with-umbrella", "foggy", "fog", "milky-way", "flower-playing-cards", "motorway",
    "cloud-with-snow", "cloud-with-rain", "cloud-with-lightning-and-rain", "snow-capped-mountain", "mountain", "camping",
    "bridge-at-night", "umbrella-with-rain-drops", "playground-slide",
})  # fmt: skip
"""Pictures that another one in a colour shows better, and small pictures of what a background shows."""
VARIATION: Final = "\ufe0f"


def main(annotations: Path, derived: Path) -> None:
    """Write the table into the package."""
    pictures = {
        entry.emoji.replace(VARIATION, ""): (entry.name, entry.category)
        for entry in PicturePack().entries.values()
        if entry.emoji and entry.name not in UNWANTED
    }
    with zipfile.ZipFile(UNICODE_WORDS, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as table:
        for language, sources in LANGUAGES.items():
            words: dict[str, str] = {}
            for source in sources:
                found = [*_read(annotations, "annotations", source), *_read(derived, "annotationsDerived", source)]
                words = _chosen(found, pictures, with_keywords=language not in NAMES_ONLY) | words
            text = "".join(f"{word}\t{picture}\n" for word, picture in sorted(words.items()))
            table.writestr(zipfile.ZipInfo(f"{language}.tsv"), text, zipfile.ZIP_DEFLATED, 9)
            print(f"{language}: {len(words)} words")
    print(f"{UNICODE_WORDS}: {UNICODE_WORDS.stat().st_size / 1e6:.2f} MB")


def _read(package: Path, kind: str, language: str) -> Iterator[tuple[str, str, list[str]]]:
    with tarfile.open(package) as archive:
        try:
            file = archive.extractfile(f"package/{kind}/{language}/annotations.json")
        except KeyError:
            return
        assert file is not None
        read: dict[str, Any] = json.load(file)
        for emoji, of_emoji in read[kind]["annotations"].items():
            yield emoji.replace(VARIATION, ""), of_emoji.get("tts", [""])[0], of_emoji.get("default", [])


def _chosen(
    found: list[tuple[str, str, list[str]]], pictures: dict[str, tuple[str, str]], *, with_keywords: bool
) -> dict[str, str]:
    named: dict[str, str] = {}
    claims: dict[str, list[str]] = defaultdict(list)
    for emoji, name, keywords in found:
        if emoji not in pictures:
            continue
        picture, category = pictures[emoji]
        if name and category != "Symbols":
            named.setdefault(normal(name.split(":")[0] if "♂" not in emoji else name), picture)
        if with_keywords and category in KEYWORD_CATEGORIES:
            for keyword in keywords:
                claims[normal(keyword)].append(picture)
    parts = {part for name in named for part in name.split()}
    for word, claiming in claims.items():
        if (word not in named and len(claiming) == 1 and (len(word) >= LETTERS_MIN or word > "\u0900")) or (
            word not in named and len(claiming) <= CLAIMS_MAX and word in parts
        ):
            named[word] = claiming[0]
    named.pop("", None)
    return named


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
