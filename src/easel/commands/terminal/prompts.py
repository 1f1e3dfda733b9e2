"""The prompts that a user gives: as arguments, or as the lines of a file."""

import sys
from pathlib import Path
from typing import Final

import click

PICTURES_MAX: Final = 1000
"""The most pictures that one command draws."""


def read_prompts(arguments: tuple[str, ...], file: str | None) -> list[str]:
    """All prompts. Raises UsageError if there are none, or too many."""
    prompts = [*_given(arguments), *([] if file is None else _lines(file))]
    if not prompts:
        raise click.UsageError("There is no prompt: write one in quotes, or name a file with --prompts.")
    return prompts


def _given(arguments: tuple[str, ...]) -> list[str]:
    """The prompts among the arguments. Words without quotes are one prompt."""
    if len(arguments) < 2 or any(len(argument.split()) != 1 for argument in arguments):
        return list(arguments)
    prompt = " ".join(arguments)
    click.echo(
        f'Note: "{prompt}" is taken as one prompt. To draw several pictures, put each prompt in quotes.', err=True
    )
    return [prompt]


def _lines(file: str) -> list[str]:
    """The lines of a file, or of standard input for `-`, that are not blank."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read ({error.strerror}): check the path.") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not text in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
