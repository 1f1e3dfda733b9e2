"""What someone does is given to who does it, in every language."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


@pytest.mark.parametrize(
    ("prompt", "poses"),
    [
        ("a running dog", ["running"]), ("a dog running on the beach", ["running"]), ("a cat sleeping on a sofa", ["sleeping", None]),
        ("a boy and a girl dancing", ["dancing", "dancing"]), ("a girl with an umbrella dancing", ["dancing", None]),
        ("a woman sleeping in bed", ["sleeping", None]), ("a sleeping cat and a running dog", ["sleeping", "running"]),
        ("un perro corriendo en la playa", ["running"]), ("un chat qui dort", ["sleeping"]), ("ein tanzendes Mädchen", ["dancing"]),
        ("um gato dormindo", ["sleeping"]), ("un cane che corre", ["running"]), ("seekor kucing tidur", ["sleeping"]),
        ("uyuyan kedi", ["sleeping"]), ("спящая кошка", ["sleeping"]), ("奔跑的马", ["running"]), ("走る犬", ["running"]),
        ("자는 고양이", ["sleeping"]), ("قطة نائمة", ["sleeping"]), ("सोती हुई बिल्ली", ["sleeping"]), ("con mèo đang ngủ", ["sleeping"]),
    ],
)  # fmt: skip
def test_a_pose_belongs_to_who_takes_it(prompt: str, poses: list[str | None], library: Library) -> None:
    assert [thing.pose for thing in read(prompt, library.emoji).things] == poses


def test_a_phrase_with_a_pose_and_a_relation_says_both(library: Library) -> None:
    wish = read("a cat sitting on a chair", library.emoji)
    assert wish.things[0].pose == "sitting"
    assert wish.relations[0].kind == "on"
