"""The library of pictures, opened once."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.pictures.picture_pack import PicturePack


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(PicturePack())
