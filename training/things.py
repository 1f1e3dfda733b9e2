"""The things that Nano can draw: which picture of the pictorial font shows each, and how people call it.

`BY_HAND` is written by hand; a model trained on a CPU learns the first of it. A model trained on a GPU learns
`everything()`, whose further names are Unicode's, as the package emoji has them.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import emoji

from training.words import NOT_THINGS


@dataclass(frozen=True, slots=True)
class Thing:
    """One drawable thing. `picture` is the font picture's name; `english[0]` is the everyday word."""

    picture: str
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    measure: str = "个"
    """The Chinese measure word."""
    home: str = "ground"
    """Where it is at ease: ground, air, water."""
    plural: str = ""

    @property
    def name(self) -> str:
        """The everyday English word."""
        return self.english[0]

    def many(self, word: str) -> str:
        """The plural of one of its English words."""
        if self.plural and word == self.english[0]:
            return self.plural
        if word.endswith(("s", "sh", "ch", "x")):
            return word + "es"
        if word.endswith("y") and word[-2] not in "aeiou":
            return word[:-1] + "ies"
        return word + "s"


def _thing(
    picture: str, english: str, chinese: str, measure: str = "个", home: str = "ground", plural: str = ""
) -> Thing:
    return Thing(picture, tuple(english.split("/")), tuple(chinese.split("/")), measure, home, plural)


ICONS: Final = Path(__file__).parent / "noto" / "icons.json"
"""The pictures that are kept here: those of `BY_HAND`."""

BY_HAND: Final = (
    _thing("cat-face", "cat/kitten/kitty", "猫/小猫/猫咪", "只"),
    _thing("dog", "dog/puppy/doggy", "狗/小狗/狗狗", "只"),
    _thing("rabbit", "rabbit/bunny/hare", "兔子/小兔子", "只"),
    _thing("panda", "panda/panda bear", "熊猫/大熊猫", "只"),
    _thing("lion", "lion", "狮子/雄狮", "头"),
    _thing("elephant", "elephant", "大象/象", "头"),
    _thing("bird", "bird/birdie", "鸟/小鸟", "只", "air"),
    _thing("penguin", "penguin", "企鹅", "只"),
    _thing("fish", "fish", "鱼", "条", "water", "fish"),
    _thing("butterfly", "butterfly", "蝴蝶", "只", "air"),
    _thing("deciduous-tree", "tree", "树/大树", "棵"),
    _thing("rose", "rose/flower", "玫瑰/玫瑰花/花", "朵"),
    _thing("red-apple", "apple", "苹果", "个"),
    _thing("house", "house/home/cottage", "房子/屋子", "座"),
    _thing("automobile", "car/automobile", "汽车/车/小汽车", "辆"),
    _thing("sailboat", "boat/sailboat/ship", "船/帆船", "艘", "water"),
    _thing("airplane", "plane/airplane/aeroplane", "飞机", "架", "air"),
    _thing("rocket", "rocket/spaceship", "火箭/飞船", "枚", "air"),
    _thing("balloon", "balloon", "气球", "个", "air"),
    _thing("robot", "robot/android", "机器人", "个"),
    _thing("horse", "horse/pony", "马/骏马", "匹"),
    _thing("cow", "cow", "奶牛/牛", "头"),
    _thing("pig", "pig/piglet", "猪/小猪", "头"),
    _thing("bear", "bear/brown bear", "熊/棕熊", "只"),
    _thing("tiger", "tiger", "老虎/虎", "只"),
    _thing("fox", "fox", "狐狸", "只"),
    _thing("owl", "owl", "猫头鹰", "只"),
    _thing("whale", "whale", "鲸鱼/鲸", "头", "water"),
    _thing("turtle", "turtle/tortoise", "乌龟/海龟", "只"),
    _thing("sunflower", "sunflower", "向日葵", "朵"),
    _thing("banana", "banana", "香蕉", "根"),
    _thing("strawberry", "strawberry", "草莓", "颗"),
    _thing("pizza", "pizza/slice of pizza", "披萨/比萨", "块"),
    _thing("birthday-cake", "cake/birthday cake", "蛋糕/生日蛋糕", "个"),
    _thing("castle", "castle/palace", "城堡", "座"),
    _thing("bus", "bus", "公交车/巴士", "辆"),
    _thing("locomotive", "train/locomotive/steam train", "火车/蒸汽火车", "列"),
    _thing("star", "star", "星星/五角星", "颗", "air"),
    _thing("red-heart", "heart", "心/爱心", "颗", "air"),
    _thing("snowman-without-snow", "snowman", "雪人", "个"),
)


def everything(icons: Path) -> tuple[Thing, ...]:
    """`BY_HAND` and every further picture of the font that shows one thing and has names in English and Chinese."""
    pictures = json.loads(icons.read_text(encoding="utf-8"))["icons"]
    known = {thing.picture for thing in BY_HAND} | {word for thing in BY_HAND for word in thing.english}
    names = _names()
    more = [name for name in sorted(pictures) if name in names and name not in known and not NOT_THINGS.search(name)]
    return BY_HAND + tuple(Thing(name, *names[name]) for name in more)


def _names() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """By the font's names, which are Unicode's: how people call each picture in English and in Chinese."""
    emoji.config.load_language("zh")
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for character in emoji.EMOJI_DATA.values():
        if "zh" in character:
            aliases = (character["en"], *character.get("alias", ()))
            english = dict.fromkeys(re.sub(r"[^a-z0-9]+", " ", alias.lower()).strip() for alias in aliases)
            for name in english:
                words = tuple(dict.fromkeys((name, *english)))
                found[name.replace(" ", "-")] = words, (character["zh"].strip(":").replace("_", ""),)
    return found
