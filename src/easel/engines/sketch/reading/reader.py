"""Reads a prompt by rules: which things, how many, in which colour and size, where, when, and in which style.

Pure but for the tables of words, which are read once. A rule looks only at the kinds of the tokens and at how the
language is built, never at a single word. What no rule uses is told in `not_understood`.
"""

from collections.abc import Mapping
from typing import Final

from easel.engines.sketch.reading.following import told
from easel.engines.sketch.reading.guessing import guessed_languages
from easel.engines.sketch.reading.interpretation import Interpretation
from easel.engines.sketch.reading.poses import view_of
from easel.engines.sketch.reading.preparing import prepared
from easel.engines.sketch.reading.tokens import tokens, without_quotes
from easel.engines.sketch.reading.wish import Wish

NOT_UNDERSTOOD_MAX: Final = 30


def read(prompt: str, emoji: Mapping[str, str]) -> Wish:
    """What the prompt asks for. `emoji` gives the picture of each emoji."""
    text, quotes = without_quotes(prompt)
    languages = guessed_languages(text)
    grammar = languages[0].grammar
    found = list(tokens(text, languages, emoji))
    listed = prepared(found, languages[0])
    reading = Interpretation(grammar)
    for at, token in enumerate(listed):
        reading.take(token, listed[at + 1 : at + 4])
    reading.end_clause()
    return Wish(
        things=tuple(reading.things),
        relations=tuple(reading.relations),
        place=reading.where.place,
        place_colour=reading.where.colour,
        backdrop=reading.where.backdrop,
        time=reading.settings.get("time"),
        weather=reading.settings.get("weather") or reading.where.weather or reading.settings.get("sky"),
        season=reading.settings.get("season") or reading.where.season,
        style=reading.settings.get("style"),
        view=view_of(found),
        quotes=quotes,
        not_understood=told(found, reading.not_understood)[:NOT_UNDERSTOOD_MAX],
    )
