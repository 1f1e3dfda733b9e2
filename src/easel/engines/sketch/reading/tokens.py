"""Cuts a prompt into tokens: words with their meanings, emoji, numbers, boundaries, and quoted texts.

The longest known phrase wins; among languages, the prompt's own does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from easel.engines.sketch.reading.guessing import HAN, PIECE
from easel.engines.sketch.reading.wish import AMOUNTS, FIELD, SOME
from easel.engines.sketch.words.grammar import stems
from easel.engines.sketch.words.kinds import KIND_LETTERS_MIN, KIND_WORDS_MAX, PLACE, kind_of
from easel.engines.sketch.words.lexicon import WORDS_MAX, Language, Meaning
from easel.engines.sketch.words.spelling import normal

CHARACTERS_MAX: Final = 10
"""The longest entry of a language without spaces."""
LAST_PART_MIN: Final = 5
"""The shortest last part of a word whose first part is not known."""
QUOTE_CHARACTERS_MAX: Final = 40
QUOTES_MAX: Final = 3

_QUOTED: Final = re.compile(
    r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」|『([^』]+)』|(?<!\w)\'([^\']{2,})\'(?!\w)'
)
_BOUNDARY: Final = frozenset(",.;:!?()[]{}|/。、，；：！？·•—–\n")
_UNSPACED: Final = re.compile(f"[{HAN}\u3040-\u30ff々ー]")
_RUN: Final = re.compile(f"[{HAN}\u3040-\u30ff々ー]+|[^{HAN}\u3040-\u30ff々ー]+")


_KATAKANA: Final = re.compile("[\u30a1-\u30faー]+")
_SETTING_PARTS: Final = frozenset({"times", "weathers", "seasons", "styles"})
_LAST_PARTS: Final = _SETTING_PARTS | {"things", "places", "colours", "counts", "grounds", "ignored"}
"""What the last part of a word made of words may be."""
_FIELDS: Final = (Meaning("places", "meadow"), Meaning("places", "farm"))


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase of the prompt with its meanings: none if it is not understood. A boundary has no text."""

    text: str
    meanings: tuple[Meaning, ...] = ()
    pose: str | None = None
    """What the thing does that it names."""
    pose_word: str = ""

    @property
    def is_boundary(self) -> bool:
        """Whether a comma or the like stands here."""
        return self.text == ""


BOUNDARY: Final = Token("")


def without_quotes(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The prompt without its quoted texts, and these."""
    quotes: list[str] = []
    for match in _QUOTED.finditer(prompt):
        quoted = next(group for group in match.groups() if group)
        if len(quoted) <= QUOTE_CHARACTERS_MAX and len(quotes) < QUOTES_MAX:
            quotes.append(" ".join(quoted.split()))
    return _QUOTED.sub(" , ", prompt), tuple(quotes)


def tokens(text: str, languages: Sequence[Language], emoji: Mapping[str, str]) -> Iterator[Token]:
    """The tokens of a prompt without quotes. `emoji` gives the picture of each emoji."""
    pieces = _pieces(text, emoji)
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if isinstance(piece, Token):
            yield piece
            at += 1
            continue
        if _UNSPACED.match(piece):
            is_counted = at > 0 and str(pieces[at - 1]).isdecimal()
            yield from _unspaced_tokens(_without_measure(piece, languages) if is_counted else piece, languages)
            at += 1
            continue
        taken, token = _longest(pieces, at, languages)
        yield from [token] if token.meanings else _compound(token.text, languages)
        yield from _joined(token, languages[0])
        at += taken


def _pieces(text: str, emoji: Mapping[str, str]) -> list[str | Token]:
    pieces: list[str | Token] = []
    for part in _split_emoji(text, emoji):
        if isinstance(part, Token):
            pieces.append(part)
            continue
        for found in PIECE.findall(part):
            if found in _BOUNDARY:
                pieces.append(BOUNDARY)
            elif found[0].isalnum() or len(found) > 1:
                pieces += _RUN.findall(found)
    return pieces


def _split_emoji(text: str, emoji: Mapping[str, str]) -> Iterator[str | Token]:
    plain = ""
    at = 0
    while at < len(text):
        if text[at] > "\u2190" and not text[at].isalnum():
            for length in range(min(8, len(text) - at), 0, -1):
                picture = emoji.get(text[at : at + length].replace("\ufe0f", ""))
                if picture is not None:
                    yield plain
                    plain = ""
                    yield Token(text[at : at + length], (Meaning("things", picture),))
                    at += length
                    break
            else:
                plain += text[at]
                at += 1
        else:
            plain += text[at]
            at += 1
    yield plain


def _longest(pieces: Sequence[str | Token], at: int, languages: Sequence[Language]) -> tuple[int, Token]:
    words: list[str] = []
    for piece in pieces[at : at + WORDS_MAX]:
        if isinstance(piece, Token) or _UNSPACED.match(piece):
            break
        words.append(piece)
    taken, token = _longest_of(words, languages)
    if taken > 1 and _is_ignored(words[0], languages) and _longest_of(words[1:], languages)[0] >= taken:
        return 1, Token(words[0], (Meaning("ignored", ""),))
    if taken > 1 and token.meanings[0].kind == "looks" and _longest_of(words[taken - 1 :], languages)[0] > 1:
        return _longest_of(words[: taken - 1], languages)
    return taken, token


def _is_ignored(word: str, languages: Sequence[Language]) -> bool:
    meanings = languages[0].exact(normal(word))
    return bool(meanings) and meanings[0].kind == "ignored"


def _longest_of(words: Sequence[str], languages: Sequence[Language]) -> tuple[int, Token]:
    for length in range(len(words), 0, -1):
        text = " ".join(words[:length])
        phrase = normal(text)
        for known in languages:
            meanings = known.meanings(phrase)
            if meanings and not (length > 1 and _is_described(phrase, known)) and not _is_twice(phrase, known):
                return length, Token(text, meanings)
    meanings = _of_parts(normal(words[0]), languages)
    return (1, Token(words[0], meanings)) if meanings else _kind(words, languages)


def _kind(words: Sequence[str], languages: Sequence[Language]) -> tuple[int, Token]:
    """The longest phrase that is a kind of something with a picture, in an English prompt. Other languages have no such
    table, and many of their words are English ones by chance."""
    known = languages[0]
    for length in range(min(KIND_WORDS_MAX, len(words)), 0, -1) if known.code == "en" else ():
        text = " ".join(words[:length])
        phrase = normal(text)
        for form, is_plural in ((phrase, False), *stems(phrase, known.grammar)):
            name = kind_of(form) if len(form) >= KIND_LETTERS_MIN else None
            if name is not None:
                is_place = name.startswith(PLACE)
                return length, Token(
                    text, (Meaning("places" if is_place else "things", name.removeprefix(PLACE), is_plural),)
                )
    return 1, Token(words[0])


def _joined(token: Token, known: Language) -> Iterator[Token]:
    """The `and` that an ending says: `고양이와 개`."""
    word = normal(token.text)
    is_thing = bool(token.meanings) and token.meanings[0].kind == "things"
    if is_thing and not known.exact(word) and word.endswith(known.grammar.joined or "\n"):
        yield Token(token.text, (Meaning("relations", "and"),))


def _is_twice(word: str, known: Language) -> bool:
    """Whether a word is another one said twice, which means several: `burung-burung`."""
    first, _, second = word.partition("-")
    return first == second and not known.exact(word) and bool(known.meanings(first))


def _is_described(phrase: str, known: Language) -> bool:
    """Whether a phrase is a thing that is known by itself and its colour or size, such as `red apple`.

    A phrase of the own table is so only if it has the picture of the thing by itself, and a size.
    """
    if known.meanings(phrase)[0].kind == "counts":
        return False
    words = phrase.split()
    ends = [(words[0], words[1:])] + ([(words[-1], words[:-1])] if known.grammar.adjectives_after else [])
    for word, others in ends:
        first, rest = known.meanings(word), known.meanings(" ".join(others))
        usual = first[:1] if known.grammar.adjectives_after else first
        kinds = {meaning.kind for meaning in usual} & {"colours", "sizes", "counts"}
        if kinds and rest:
            is_same = "sizes" in kinds and (known.exact(phrase) or rest)[0].name == rest[0].name
            return not known.exact(phrase) or is_same
    return False


def _is_two(phrase: str, languages: Sequence[Language]) -> bool:
    """The same in a language without spaces, and a thing with where something is of it: `红苹果`, `床上`."""
    for known in languages:
        if known.exact(phrase):
            return False
        for length in range(1, min(3, len(phrase) - 1) + 1):
            colour, rest = known.meanings(phrase[:length]), known.exact(phrase[length:].removeprefix("の"))
            is_said_of = bool(colour) and colour[0].kind in ("colours", "counts") and colour[0].name != "1"
            if is_said_of and rest and rest[0].kind == "things":
                return True
            thing, where = known.exact(phrase[:-length]), known.exact(phrase[-length:])
            if thing and thing[0].kind == "things" and where and where[0].kind == "relations":
                return True
    return False


def _of_parts(word: str, languages: Sequence[Language]) -> tuple[Meaning, ...]:
    """The meaning of a number, of the last part of a word with a hyphen, and of a word said twice: `burung-burung`."""
    if word.isdecimal():
        number = int(word) if len(word) < 4 else 0
        return (Meaning("counts", str(number)),) if 1 <= number <= 200 else (Meaning("ignored", ""),)
    if "-" in word:
        first, _, second = word.partition("-")
        for known in languages if first != second else ():
            start, last = word.rsplit("-", 1)
            meanings = known.meanings(word.replace("-", " ")) or known.meanings(last)
            if meanings:
                return known.meanings(start) or meanings if meanings[0].kind == "ignored" else meanings
        if first == second:
            found = next(filter(None, (known.meanings(first) for known in languages)), ())
            return tuple(replace(meaning, is_plural=True) for meaning in found)
    return ()


def _compound(text: str, languages: Sequence[Language]) -> Iterator[Token]:
    """A word made of words: its last part, and its first if that says when or how, as in `Winternacht`.

    A field or a herd is made of what it is named after: `Tulpenfeld`, `Schafherde`. The first part need not be known if
    the last is long enough: `Gummistiefel`.
    """
    word = normal(text)
    for known in languages:
        for start in range(3, len(word) - 2) if known.grammar.has_compounds else ():
            last, first = known.meanings(word[start:]), _meanings_of_first_part(word[:start], known)
            if last and last[0].kind in _LAST_PARTS and (first or len(word) - start >= LAST_PART_MIN):
                if first and first[0].kind in _SETTING_PARTS:
                    yield Token(text, first)
                yield Token(text, _of_many(first, last))
                return
    yield Token(text)


def _of_many(first: tuple[Meaning, ...], last: tuple[Meaning, ...]) -> tuple[Meaning, ...]:
    """The meaning of a compound: its last part, or many of its first if the last is a field or a herd."""
    is_of_things = bool(first) and first[0].kind == "things"
    if is_of_things and last[0] in _FIELDS:
        return (Meaning("things", f"{first[0].name.partition('*')[0]}*{FIELD}"),)
    if is_of_things and last[0].kind == "counts":
        return (Meaning("things", f"{first[0].name.partition('*')[0]}*{AMOUNTS.get(last[0].name, SOME)}"),)
    return last if last[0].kind != "counts" else (Meaning("ignored", ""),)


def _meanings_of_first_part(part: str, known: Language) -> tuple[Meaning, ...]:
    return next(filter(None, (known.meanings(part.removesuffix(link)) for link in ("", "n", "en", "s", "es"))), ())


def _unspaced_meanings(text: str, languages: Sequence[Language]) -> tuple[Meaning, ...]:
    """What a text means, apart from Unicode's keywords of one character, which are parts of other words."""
    for known in languages:
        if len(text) <= known.characters_max(text[:1]):
            found = known.meanings(text) if len(text) > 1 else known.exact(text)
            if found:
                return found
    return ()


def _without_measure(run: str, languages: Sequence[Language]) -> str:
    """What stands after a number in figures, without its measure word."""
    measures = [
        measure for known in languages for measure in known.grammar.measures if known.folded(run).startswith(measure)
    ]
    return run[len(max(measures, key=len, default="")) :]


def _unspaced_tokens(run: str, languages: Sequence[Language]) -> Iterator[Token]:
    at, unknown = 0, ""
    while at < len(run):
        longest = max(known.characters_max(normal(run[at])) for known in languages)
        for length in range(min(CHARACTERS_MAX, len(run) - at, longest), 0, -1):
            text = run[at : at + length]
            meanings = _unspaced_meanings(normal(text), languages)
            if meanings and not _is_two(normal(text), languages):
                if unknown:
                    yield Token(unknown)
                    unknown = ""
                yield Token(text, meanings)
                at += length
                break
        else:
            katakana = _KATAKANA.match(run, at)
            unknown += katakana[0] if katakana else run[at]
            at += len(katakana[0]) if katakana else 1
    if unknown:
        yield Token(unknown)
