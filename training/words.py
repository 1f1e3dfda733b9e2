"""Words that captions are made of besides the things: colours, fillers, and names of pictures that show no thing."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour's names and its sRGB value from 0 to 1."""

    english: tuple[str, ...]
    chinese: str
    rgb: tuple[float, float, float]


COLOURS: Final = (
    Colour(("red", "crimson", "scarlet"), "红色", (0.90, 0.13, 0.13)),
    Colour(("orange",), "橙色", (1.00, 0.55, 0.05)),
    Colour(("yellow", "golden"), "黄色", (0.99, 0.85, 0.12)),
    Colour(("green", "emerald"), "绿色", (0.20, 0.68, 0.25)),
    Colour(("blue", "azure"), "蓝色", (0.16, 0.42, 0.92)),
    Colour(("purple", "violet"), "紫色", (0.55, 0.25, 0.80)),
    Colour(("pink",), "粉色", (1.00, 0.55, 0.75)),
    Colour(("brown",), "棕色", (0.50, 0.32, 0.18)),
    Colour(("black", "dark"), "黑色", (0.14, 0.14, 0.16)),
    Colour(("white",), "白色", (0.97, 0.97, 0.97)),
    Colour(("gray", "grey", "silver"), "灰色", (0.58, 0.60, 0.62)),
)

FILLER_ADJECTIVES: Final = [
    "cute",
    "happy",
    "beautiful",
    "lovely",
    "funny",
    "fluffy",
    "friendly",
    "adorable",
    "nice",
    "old",
    "young",
    "sweet",
    "shiny",
    "magnificent",
    "majestic",
    "simple",
    "pretty",
    "smiling",
    "cheerful",
    "wonderful",
    "fantastic",
    "charming",
    "lonely",
    "curious",
    "proud",
    "wise",
    "brave",
    "sleepy",
]

FILLER_ADJECTIVES_CHINESE: Final = ("可爱的", "漂亮的", "美丽的", "快乐的", "好看的", "有趣的", "毛茸茸的", "神奇的")

PREFIXES: Final = (
    "a photo of", "a picture of", "an image of", "a drawing of", "an illustration of", "a painting of", "draw",
    "a close-up of", "generate", "show me", "i want to see", "a cartoon of", "there is", "please draw", "portrait of",
    "a 3d render of", "a watercolor of", "an oil painting of", "a cinematic shot of", "a high quality photo of",
)  # fmt: skip

PREFIXES_CHINESE: Final = ("一张照片，", "画", "一幅画，", "请画", "一张图片：", "插画，", "照片：", "我想要")

SUFFIXES: Final = (
    "beautiful", "detailed", "highly detailed", "4k", "8k", "masterpiece", "cartoon style", "flat illustration",
    "sharp focus", "digital art", "trending on artstation", "best quality", "vector art", "soft light", "minimalist",
    "photorealistic", "cinematic lighting", "studio light", "bokeh", "pixar style", "watercolor", "vivid colours",
)  # fmt: skip

SUFFIXES_CHINESE: Final = ("高清", "精美", "细节丰富", "卡通风格", "杰作", "最佳质量", "插画风格", "柔和的光线")

SIZES: Final = {
    "small": (("small", "tiny", "little", "mini"), ("很小的", "小小的", "微小的")),
    "big": (("big", "large", "huge", "giant"), ("巨大的", "很大的", "大大的")),
}
"""Not 小 and 大 alone: 小猫 and 大象 are ordinary cats and elephants."""

NUMBERS: Final = {2: (("two", "2", "a pair of"), "两"), 3: (("three", "3"), "三"), 4: (("four", "4"), "四")}

PLACES: Final = {
    "left": (("on the left", "on the left side", "to the left", "at the left"), ("在左边", "在左侧")),
    "right": (("on the right", "on the right side", "to the right", "at the right"), ("在右边", "在右侧")),
    "top": (("at the top", "on top of the picture", "in the upper part"), ("在上方", "在画面上部")),
    "bottom": (("at the bottom", "in the lower part"), ("在下方", "在画面下部")),
    "middle": (("in the middle", "in the center", "in the centre"), ("在中间", "在中央")),
}

RELATIONS: Final = {
    "left": (("left of", "to the left of", "on the left of"), "在{}的左边"),
    "right": (("right of", "to the right of", "on the right of"), "在{}的右边"),
    "above": (("above", "over"), "在{}的上方"),
    "below": (("below", "under", "beneath"), "在{}的下方"),
    "on": (("on", "on top of", "sitting on", "standing on"), "在{}上面"),
    "front": (("in front of",), "在{}的前面"),
    "beside": (("and", "next to", "beside", "with"), "和{}"),
}

NOT_THINGS: Final = re.compile(
    r"^[0-9]|digit|pointing|suit$|(^|-)(flag|person|man|woman|men|women|people|boy|girl|child|children|skin|hand"
    r"|finger|keycap|button|arrow|clock|oclock|thirty|face|sign|symbol|input|square|circle|circled|family|couple|kiss|mark"
    r"|zodiac|letter|hair|haired|eye|ear|nose|mouth|tongue|foot|leg|japanese|no|prohibited|prince|princess|deaf|elf|fairy"
    r"|mage|merperson|mermaid|merman|vampire|zombie|genie|troll|ninja|guard|gesture|tone[0-9])s?(-|$)"
)
"""Which of the font's pictures show no thing, by the words of their names."""
