"""Captions: what a person might have written to get a scene, in English or Chinese.

Every call words the scene anew. What a caption says is true of the scene; it need not say everything.
"""

import random

from training import backgrounds, words
from training.backgrounds import Background
from training.scenes import Scene, Story
from training.things import Thing
from training.words import COLOURS

CHINESE_SHARE = 0.25
LONG_SHARE = 0.002
LETTERS = "abcdefghiklmnoprstuvwz"


def write(rng: random.Random, scene: Scene) -> str:
    """One caption of the scene."""
    if rng.random() < LONG_SHARE:
        # Now and then a caption as long as people write them, with a tail that says nothing.
        tail = (rng.choice((_unknown(rng), rng.choice(words.SUFFIXES))) for _ in range(rng.randint(8, 24)))
        return ", ".join([_english(rng, scene), *tail])
    if rng.random() < CHINESE_SHARE:
        return _chinese(rng, scene)
    caption = _english(rng, scene)
    return caption if rng.random() < 0.8 else caption.capitalize()


def _english(rng: random.Random, scene: Scene) -> str:
    story = scene.story
    if story.relation:
        assert story.other is not None
        words_of_relation = rng.choice(words.RELATIONS[story.relation][0])
        first = _noun(rng, story.thing, story.colour, Story(story.thing))
        second = _noun(rng, story.other, story.other_colour, Story(story.other))
        phrase = f"{first} {words_of_relation} {second}"
    else:
        phrase = _noun(rng, story.thing, story.colour, story)
    parts = [phrase]
    if story.place and (story.place != "middle" or rng.random() < 0.5):
        parts.append(rng.choice(words.PLACES[story.place][0]))
    parts += _setting(rng, scene.background, 0)
    caption = " ".join(parts)
    if rng.random() < 0.25:
        caption = f"{rng.choice(words.PREFIXES)} {caption}"
    if rng.random() < 0.2:
        caption = ", ".join([caption, *rng.sample(words.SUFFIXES, rng.randint(1, 3))])
    return caption if rng.random() < 0.75 else caption + "."


def _noun(rng: random.Random, thing: Thing, colour: int, story: Story) -> str:
    """A thing with what is said of it: count, size, fillers, colour, name."""
    word = rng.choice((thing.name, thing.name, *thing.english))
    adjectives = []
    if story.size:
        adjectives.append(rng.choice(words.SIZES[story.size][0]))
    if rng.random() < 0.15:
        adjectives.append(_unknown(rng) if rng.random() < 0.2 else rng.choice(words.FILLER_ADJECTIVES))
    if colour >= 0:
        adjectives.append(rng.choice(COLOURS[colour].english))
    if story.count > 1:
        return " ".join([rng.choice(words.NUMBERS[story.count][0]), *adjectives, thing.many(word)])
    phrase = " ".join([*adjectives, word])
    article = rng.choices(("a", "one", "the", ""), (8, 1, 1, 2))[0]
    return with_article(phrase) if article == "a" else f"{article} {phrase}".strip()


def with_article(phrase: str) -> str:
    """The phrase after "a" or "an"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _unknown(rng: random.Random) -> str:
    """A word that means nothing, so that such words come to be ignored."""
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(3, 8)))


def _setting(rng: random.Random, background: Background, language: int) -> list[str]:
    """Where and when, as far as it is told."""
    if rng.random() < 0.2:
        return []
    place = background.place
    if place.kind == "plain":
        if language:
            return [rng.choice(("{}背景", "在{}的背景上")).format(COLOURS[background.colour].chinese)]
        colour = rng.choice(COLOURS[background.colour].english)
        return [rng.choice(("on a {} background", "{} background", "on {}", "with a {} background")).format(colour)]
    parts = [rng.choice((place.english, place.chinese)[language])] if rng.random() < 0.93 else []
    told = 0.25 if background.time == "day" else 0.92
    if place.outdoors and rng.random() < told:
        parts.append(rng.choice(backgrounds.TIMES[background.time][language]))
    return parts


def _chinese(rng: random.Random, scene: Scene) -> str:
    story = scene.story
    phrase = _chinese_noun(rng, story.thing, story.colour, story)
    if story.relation:
        assert story.other is not None
        other = _chinese_noun(rng, story.other, story.other_colour, Story(story.other))
        relation = words.RELATIONS[story.relation][1].format(other)
        phrase = phrase + relation
    if story.place:
        phrase += rng.choice(words.PLACES[story.place][1])
    setting = _setting(rng, scene.background, 1)
    caption = phrase + "，".join(["", *setting]) if rng.random() < 0.3 else phrase + "".join(setting)
    if rng.random() < 0.2:
        caption = rng.choice(words.PREFIXES_CHINESE) + caption
    if rng.random() < 0.2:
        caption = "，".join([caption, *rng.sample(words.SUFFIXES_CHINESE, rng.randint(1, 2))])
    return caption if rng.random() < 0.75 else caption + "。"


def _chinese_noun(rng: random.Random, thing: Thing, colour: int, story: Story) -> str:
    numbers = {1: "一", **{count: names[1] for count, names in words.NUMBERS.items()}}
    counted = numbers[story.count] + thing.measure if story.count > 1 or rng.random() < 0.7 else ""
    adjectives = ""
    if story.size:
        adjectives += rng.choice(words.SIZES[story.size][1])
    if rng.random() < 0.15:
        adjectives += rng.choice(words.FILLER_ADJECTIVES_CHINESE)
    if colour >= 0:
        adjectives += COLOURS[colour].chinese + rng.choice(("的", "的", ""))
    return counted + adjectives + rng.choice(thing.chinese)
