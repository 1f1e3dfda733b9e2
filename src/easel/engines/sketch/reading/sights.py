"""What is known of things and places to read a prompt, apart from words: what others are on, and what shows what."""

from typing import Final

FLAT: Final = frozenset({
    "table", "bench", "chair", "couch-and-lamp", "sofa", "bed", "seat", "rock", "herb", "blossom", "rose", "sunflower",
    "tulip", "lotus", "bookshelf", "ladder", "desk", "branch", "lily-pad", "plate", "stairs", "sleigh",
    "picnic-blanket", "armchair", "throne", "rocking-chair", "stool", "swing", "hammock", "towel", "rug", "tree-stump", "puddle", "trampoline",
})  # fmt: skip
"""Things that others are on even if the word is `in`, as in `en la mesa`."""
WORN: Final = frozenset({
    "apron", "billed-cap", "coat", "cowboy-hat", "crown", "dress", "glasses", "goggles", "headphone", "helmet", "kimono", "ribbon",
    "beanie", "party-hat", "santa-hat", "scarf", "sunglasses", "t-shirt", "tie", "top-hat", "witch-hat", "womans-hat",
})  # fmt: skip
"""What those wear who are said to be with it."""
ONE_OF: Final = {"books": "closed-book"}
"""Pictures of several things, and the picture of one of them, for those that are counted."""
CONTAINERS: Final = frozenset({
    "vase", "basket", "bowl", "package", "crate", "barrel", "bucket", "jar", "fork-and-knife-with-plate", "cart", "bookshelf",
    "handbag",
})  # fmt: skip
"""Things that hold what they are said to be of, as in `cesta de flores`."""
PEOPLE: Final = frozenset({
    "baby", "boy", "child", "girl", "man", "men", "old-man", "old-woman", "person", "people", "woman", "women",
})  # fmt: skip
"""Whoever wears clothes that they are said to be of, as in `mujer de vestido`."""
ANIMALS: Final = frozenset({
    "alien", "badger", "bat", "bear", "beaver", "bird", "boar", "cat", "chicken", "chipmunk", "cow", "crab", "crocodile",
    "deer", "dinosaur", "dog", "dolphin", "donkey", "dragon", "duck", "eagle", "elephant", "ewe", "fish", "flamingo", "fox",
    "frog", "giraffe", "goat", "goose", "gorilla", "hamster", "hedgehog", "hippopotamus", "horse", "kangaroo", "koala",
    "leopard", "lion", "lizard", "llama", "lobster", "monkey", "moose", "mouse", "octopus", "orangutan", "otter", "owl",
    "panda", "parrot", "peacock", "penguin", "pig", "polar-bear", "poodle", "rabbit", "raccoon", "ram", "rat", "rhinoceros",
    "robot", "rooster", "sauropod", "seal", "shark", "skunk", "sloth", "snail", "snake", "spider", "squid", "swan", "t-rex",
    "teddy-bear", "tiger", "turkey", "turtle", "unicorn", "walrus", "whale", "wolf", "zebra",
})  # fmt: skip
TRADES: Final = frozenset({
    "artist", "astronaut", "ballet-dancer", "clown-face", "construction-worker", "cook", "cowboy", "detective", "farmer",
    "firefighter", "guard", "health-worker", "judge", "knight", "mage", "mechanic", "ninja", "office-worker",
    "person-with-crown", "pilot", "pirate", "police-officer", "prince", "princess", "samurai", "santa-claus", "scientist",
    "singer", "student", "superhero", "teacher", "technologist", "vampire", "viking",
})  # fmt: skip
"""Animals, robots and the like, and those whose work they may do: a panda chef is drawn as a panda and a cook."""
READABLE: Final = frozenset({"newspaper", "closed-book", "open-book", "books", "envelope", "scroll", "notebook"})
WINDOW: Final = "window"


def meant(relation: str, picture: str) -> str:
    """What a relation to a thing means: `in` a table is on it, and `with` a crown is wearing it."""
    if relation == "inside" and picture in FLAT:
        return "on"
    if relation == "looking-out":
        return relation if picture == WINDOW else "looking"
    return "wearing" if relation == "with" and picture in WORN else relation


def had_as(picture: str, other: str) -> str | None:
    """How a thing has another one that it is said to be of: inside it, or worn. None if that only describes it."""
    if picture in CONTAINERS:
        return "inside"
    return "wearing" if picture in PEOPLE and other in WORN else None


def are_two(picture: str, other: str) -> bool:
    """Whether the first of two nouns in a row is seen, too, because the other one does not describe it."""
    return picture in ANIMALS and other.partition("*")[0] in TRADES
