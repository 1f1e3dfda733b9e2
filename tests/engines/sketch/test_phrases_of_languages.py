"""What belongs together is read together, as each language says it."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


def joined(prompt: str, library: Library) -> set[tuple[str, str, str]]:
    found = read(prompt, library.emoji)
    names = [thing.picture for thing in found.things]
    return {(names[one.subject], one.kind, names[one.other]) for one in found.relations if one.other is not None}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("バラの花束を持つ男性", ("man", "holding", "bouquet")),
        ("こたつでみかんを食べる猫", ("cat", "holding", "tangerine")),
        ("बूढ़ा आदमी बेंच पर अखबार पढ़ रहा है", ("old-man", "holding", "newspaper")),
        ("yaşlı bir adam bankta gazete okuyor", ("old-man", "holding", "newspaper")),
        ("um vaso de tulipas na mesa", ("tulip", "inside", "vase")),
        ("un vaso di tulipani", ("tulip", "inside", "vase")),
        ("keranjang apel", ("red-apple", "inside", "basket")),
        ("un serveur porte un chapeau", ("person-in-tuxedo", "wearing", "top-hat")),
        ("ein Storch in seinem Nest", ("bird", "inside", "empty-nest")),
        ("una paella en el centro de la mesa", ("shallow-pan-of-food", "on", "table")),
    ],
)
def test_who_does_something_and_what_holds_something_is_found(
    prompt: str, expected: tuple[str, str, str], library: Library
) -> None:
    assert expected in joined(prompt, library)


def test_a_word_that_is_a_thing_alone_is_a_verb_between_two_things(library: Library) -> None:
    assert [thing.picture for thing in read("une porte rouge", library.emoji).things] == ["door"]
