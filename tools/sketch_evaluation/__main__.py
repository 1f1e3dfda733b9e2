"""`make eval-sketch`: how well the sketch engine understands 300 prompts in fifteen languages.

Each prompt is composed with several seeds and in three shapes, and each scene is judged by what it shows: things,
counts, colours, sizes and relations from where the pictures are and what of them can be seen, places and moods (times,
weathers, seasons, styles) from the scene. The figures are what is right, in % of what the prompts name that can be
drawn. The exit status is 1 if things, counts, colours, relations or places are below their aim. With --public nothing
is compared with an aim.
"""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.pictures.picture_pack import PicturePack
from tools.sketch_evaluation import public_prompts
from tools.sketch_evaluation.expectation import own_cases
from tools.sketch_evaluation.judging import KINDS, Judge
from tools.sketch_evaluation.scoring import AIMS, SIZES_PX, Score, score


@click.command(help=__doc__)
@click.option("--seeds", default=2, show_default=True, help="How many seeds each prompt is composed with.")
@click.option("--language", help="Only the prompts of this language, such as `de`.")
@click.option("--missing", is_flag=True, help="List what is wrong, and what is drawn that nothing asked for.")
@click.option("--public", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=(
    "Measure another file instead: GenEval's `evaluation_metadata.jsonl`, or English prompts, one on each line."))  # fmt: skip
@click.option("--wordnet", type=click.Path(exists=True, file_okay=False, path_type=Path), help=(
    "The folder `dict` of WordNet 3.1, which tells nouns in a file of prompts."))  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def main(
    seeds: int, language: str | None, missing: bool, public: Path | None, wordnet: Path | None, markdown: bool
) -> None:
    library = Library(PicturePack())
    if public is not None:
        _show_public(public, library, list(range(1, seeds + 1)), wordnet, missing)
        return
    cases = [case for case in own_cases() if language in (None, case.language)]
    result = score(cases, library, range(1, seeds + 1))
    _show_table(result, markdown)
    print(f"{result.prompts} prompts, {result.scenes} scenes; {result.undrawable} words that no picture could show.")
    if missing:
        _show_missing(result)
    below = result.below_aim()
    print(f"Below the aim: {', '.join(below)}." if below else "Every aim is reached.")
    sys.exit(1 if below else 0)


def _show_table(result: Score, markdown: bool) -> None:
    rows = [(language, *(_percent(result.share(kind, language)) for kind in KINDS)) for language in result.languages()]
    rows.append(("all", *(_percent(result.share(kind)) for kind in KINDS)))
    rows.append(("aim", *(_percent(AIMS.get(kind)) for kind in KINDS)))
    if markdown:
        print(f"| language | {' | '.join(KINDS)} |\n{'|---' * (len(KINDS) + 1)}|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    table = Table("language", *KINDS)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1f}"


def _show_missing(result: Score) -> None:
    scenes = result.scenes // max(1, result.prompts)
    for (language, prompt, kind, asked), number in sorted(result.missing.items()):
        print(f"{language}  {number}/{scenes}  {kind:<9}  {asked:<32}  {prompt}")
    for (language, prompt, picture), number in sorted(result.unasked.items()):
        print(f"{language}  {number}/{scenes}  unasked    {picture:<32}  {prompt}")


def _show_public(file: Path, library: Library, seeds: list[int], wordnet: Path | None, missing: bool) -> None:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    if first.startswith("{") and "include" in json.loads(first):
        tags = public_prompts.geneval(file, Judge(library), library, seeds, list(SIZES_PX))
        table = Table("tag", "right %")
        for tag in tags.asked:
            table.add_row(tag, _percent(100 * tags.right[tag] / tags.asked[tag]))
        mean = sum(100 * tags.right[tag] / tags.asked[tag] for tag in tags.asked) / len(tags.asked)
        table.add_row("mean", _percent(mean))
        Console().print(table)
        if missing:
            print("\n".join(f"{name}: {pictures}" for name, pictures in sorted(tags.classes.items())))
            print("\n".join(f"{number}  {prompt}" for prompt, number in tags.wrong.most_common()))
        return
    found = public_prompts.nouns(file, library, wordnet)
    total = found.drawn + sum(found.not_drawn.values())
    print(f"{found.prompts} prompts, {total} nouns, of which {found.share:.1f} % are drawn.")
    if missing:
        print("\n".join(f"{number}  {word}" for word, number in found.not_drawn.most_common()))


if __name__ == "__main__":
    main()
