"""Types of command-line options: amounts of credits, models, times and names."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from easel.domain.credits import parse_adjustment, parse_credits
from easel.domain.order import MODELS
from easel.domain.spans import SPAN_SENTENCE, parse_span

EXPIRY_DAYS_MAX: Final = 3650
NAME_CHARACTERS_MAX: Final = 64
NONE: Final = "none"
_NOTHING = re.compile(r"0(\.0{1,6})?")
_DAYS = re.compile(r"([1-9][0-9]{0,3})d")
_EXPIRY_SENTENCE: Final = (
    f"use a number of days such as 30d, at most {EXPIRY_DAYS_MAX}d, or a future date such as 2027-01-31"
)


class Amount(click.ParamType[int]):
    """A positive amount of credits, converted to micro-credits."""

    name = "credits"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The amount in micro-credits."""
        if isinstance(value, int):
            return value
        try:
            return parse_credits(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Adjustment(click.ParamType[int]):
    """An amount of credits that may be negative, converted to micro-credits."""

    name = "credits"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The amount in micro-credits."""
        if isinstance(value, int):
            return value
        try:
            return parse_adjustment(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Price(Amount):
    """An amount of credits that may be zero."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The amount in micro-credits."""
        if _NOTHING.fullmatch(str(value)):
            return 0
        try:
            return parse_credits(str(value))
        except ValueError:
            self.fail(
                "a price is a number from 0 to 1000000000 with at most six decimal places, such as 0.02.", param, ctx
            )


class Seconds(click.ParamType[float]):
    """A number of seconds."""

    name = "seconds"

    def __init__(self, least_s: int, most_s: int) -> None:
        self._least_s, self._most_s = least_s, most_s

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The duration."""
        try:
            time_s = float(str(value))
        except ValueError:
            time_s = math.nan
        if not self._least_s <= time_s <= self._most_s:  # always true for NaN
            self.fail(f"use a number of seconds from {self._least_s} to {self._most_s}.", param, ctx)
        return time_s


class Models(click.ParamType[tuple[str, ...]]):
    """Comma-separated names of models."""

    name = "models"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names."""
        names = tuple(name.strip() for name in str(value).split(","))
        if not set(names) <= set(MODELS):
            self.fail(f"there is no such model. Choose from: {', '.join(MODELS)}.", param, ctx)
        return names


class Expiry(click.ParamType[datetime | timedelta]):
    """A time in the future: after a number of days, or the end of a day in UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """The time, or the time left until then."""
        if isinstance(value, datetime | timedelta):
            return value
        days = _DAYS.fullmatch(str(value))
        # A number of days counts from the creation of the key, by the database's clock.
        left = timedelta(days=int(days[1])) if days is not None else _end_of_day(str(value)) - datetime.now(UTC)
        if not timedelta(0) < left <= timedelta(days=EXPIRY_DAYS_MAX):
            self.fail(f"{_EXPIRY_SENTENCE}.", param, ctx)
        return left if days is not None else _end_of_day(str(value))


class Duration(click.ParamType[timedelta]):
    """A duration in minutes, hours or days, or 0."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_span(str(value))
        except ValueError:
            self.fail(f"use {SPAN_SENTENCE}.", param, ctx)


class OrNone(click.ParamType[Any]):
    """A value of another type, or the word `none`, which takes a limit away."""

    def __init__(self, of: click.ParamType[Any]) -> None:
        self._of = of
        self.name = of.name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The value. NONE stays what it is."""
        return value if value == NONE else self._of.convert(value, param, ctx)


def checked_text(text: str, option: str, characters_min: int = 0, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """The text, if it is suitable as a name. Raises UsageError if it is too long or not printable."""
    if not characters_min <= len(text) <= characters_max or not text.isprintable():
        raise click.UsageError(f"{option} must have {characters_min} to {characters_max} printable characters.")
    if text.isspace():
        raise click.UsageError(f"{option} must not be blank.")
    return text


def _end_of_day(text: str) -> datetime:
    """The end of a day in UTC; the earliest time if the text is not a date."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):  # OverflowError: the day after the last possible one
        return datetime.min.replace(tzinfo=UTC)
