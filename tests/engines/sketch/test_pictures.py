"""The pack of pictures, the own ones, and the figures made of both."""

import re
from pathlib import Path

import pytest

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.painting.markup import document
from easel.engines.sketch.painting.vector_canvas import PaintingFailed, VectorCanvas
from easel.engines.sketch.pictures.library import CROWDS, PEOPLE, Library
from easel.engines.sketch.pictures.picture_pack import ID_MARK, OWN, PACK, Entry, PicturePack, write
from easel.engines.sketch.pictures.traits import lines, parsed

PACK_BYTES_MAX = 15_000_000
OWN_NAMES = sorted(file.stem for file in OWN.glob("*.svg"))


def test_the_pack_is_small_and_has_the_everyday_things(library: Library) -> None:
    assert PACK.stat().st_size <= PACK_BYTES_MAX
    for name in ("cat", "dog", "horse", "deciduous-tree", "automobile", "house", "red-apple", "rose", "sailboat"):
        assert library.has(name)
    assert library.emoji["🐈"] == "cat"


def test_a_pack_gives_back_what_was_written(tmp_path: Path) -> None:
    entry = Entry("dot", "·", "Objects", "#ff0000", (1.0, 2.0, 30.0, 31.0), (3.0, 9.0))
    pictures = [(entry, f'<circle id="{ID_MARK}a" r="9"/>'), (Entry("x", "", "", "#000000", (0, 0, 1, 1)), "<g/>")]
    write(tmp_path / "pack", pictures)
    pack = PicturePack(tmp_path / "pack")
    assert pack.entries["dot"] == entry
    assert [pack.body(name) for name in ("dot", "x")] == [body for _, body in pictures]


def test_a_file_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"something else")
    with pytest.raises(ValueError, match="no pack of pictures"):
        PicturePack(tmp_path / "pack")


def test_bodies_have_only_marked_ids_and_no_filter_but_a_blur(library: Library) -> None:
    for name in list(library.emoji.values())[::40]:
        body = library.picture(name).body
        assert all(found.startswith(ID_MARK) for found in re.findall(r' id="([^"]+)"', body)), name
        assert set(re.findall(r"<(fe\w+)", body)) <= {"feGaussianBlur"}, name
        assert not re.search(r"<(script|image|text|style|foreignObject)|http", body), name


@pytest.mark.parametrize("name", OWN_NAMES)
def test_own_pictures_paint_something_and_have_traits(name: str, library: Library) -> None:
    picture = library.picture(name)
    left, top, right, bottom = picture.box
    scale = 64 / max(picture.width, picture.height)
    shape = f'<g transform="scale({scale:.4f}) translate({-left} {-top})">{picture.body.replace(ID_MARK, "q")}</g>'
    with VectorCanvas(64, 64) as canvas:
        canvas.paint(document(64, 64, shape))
        box = canvas.image().getchannel("A").getbbox()
    assert box is not None
    assert box[2] - box[0] >= 0.7 * (right - left) * scale
    assert box[3] - box[1] >= 0.7 * (bottom - top) * scale
    assert re.fullmatch("#[0-9a-f]{6}", picture.main_colour)
    assert picture.traits.height_m > 0


def test_every_trait_is_understood_and_of_a_picture_that_exists(library: Library) -> None:
    for told, names in lines():
        assert parsed(told).height_m > 0
        assert [name for name in names if not library.has(name)] == []
        assert [name for name in names if name in OWN_NAMES] == [], "own pictures carry their traits themselves"


def test_things_are_at_home_in_places_that_exist(library: Library) -> None:
    names = [name for _, names in lines() for name in names] + OWN_NAMES
    assert [place for name in names for place in library.traits(name).places if not background.has(place)] == []


def test_an_attribute_that_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError):
        parsed("stands 1.0 garden wings=2")


def test_faces_get_bodies_of_the_right_proportions(library: Library) -> None:
    for name in PEOPLE:
        picture = library.picture(name)
        assert 1.6 < picture.height / picture.width < 3.2, name
    fox = library.picture("fox")
    assert fox.height > 1.2 * fox.width


def test_members_of_crowds_exist(library: Library) -> None:
    assert all(library.has(member) for members in CROWDS.values() for member in members)


def test_a_broken_document_is_refused() -> None:
    with VectorCanvas(8, 8) as canvas, pytest.raises(PaintingFailed):
        canvas.paint("this is no picture")
