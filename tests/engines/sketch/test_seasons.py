"""Seasons can be seen at every place outdoors."""

import pytest

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Wish

OUTDOORS = [name for name in background.names() if background.find(name).is_outdoors]


def document(place: str, season: str | None, library: Library) -> str:
    return "".join(layers(compose(Wish(place=place, season=season, time="day"), 128, 128, 1, library), library))


@pytest.mark.parametrize("place", [name for name in OUTDOORS if name != "snow"])
def test_spring_and_autumn_can_be_seen_everywhere(place: str, library: Library) -> None:
    assert len({document(place, season, library) for season in (None, "spring", "autumn")}) == 3


@pytest.mark.parametrize("place", [name for name in OUTDOORS if name not in ("snow", "sea", "sky")])
def test_in_winter_snow_lies_on_all_ground(place: str, library: Library) -> None:
    assert document(place, "winter", library) != document(place, None, library)
