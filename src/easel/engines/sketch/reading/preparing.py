"""Prepares the tokens of a prompt for reading, one subject after another: poses, looks, materials, young,
clothing, vessels."""

from collections.abc import Sequence

from easel.engines.sketch.reading.clothing import with_clothing
from easel.engines.sketch.reading.contents import with_contents
from easel.engines.sketch.reading.flavours import without_flavours
from easel.engines.sketch.reading.likenesses import with_likenesses
from easel.engines.sketch.reading.looks import with_looks
from easel.engines.sketch.reading.materials import with_materials
from easel.engines.sketch.reading.poses import with_poses
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.reading.vessels import with_vessels
from easel.engines.sketch.reading.young import with_young
from easel.engines.sketch.words.lexicon import Language


def prepared(tokens: Sequence[Token], known: Language) -> list[Token]:
    """The tokens as the reader takes them."""
    grammar = known.grammar
    described = with_materials(with_looks(with_poses(tokens, known), grammar), grammar)
    dressed = with_clothing(with_young(with_likenesses(described, grammar), grammar), grammar)
    return with_contents(with_vessels(without_flavours(dressed, grammar), grammar), grammar)
