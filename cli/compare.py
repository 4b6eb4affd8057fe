"""``xunyi compare``."""

from __future__ import annotations

import click
from rich.table import Table

from cli.options import corpus_option, json_option, store_option
from cli.output import console, emit_json


@click.command("compare")
@click.argument("first", metavar="TEXT")
@click.argument("second", metavar="TEXT")
@corpus_option(required=False)
@click.option(
    "--pre-split",
    "split",
    is_flag=True,
    help="The texts are words already, parted by / or spaces. Characters and models see them joined: Chinese words "
    "without blanks, other words by blanks.",
)
@click.option(
    "--ngram", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Characters of an n-gram."
)
@store_option
@json_option
def command(
    first: str, second: str, corpus: str | None, split: bool, ngram: int, store: str | None, as_json: bool
) -> None:
    r"""Two texts under every representation, as cosines.

    Word counts, character n-grams and the bundled dense model always; with --corpus that corpus's own
    spaces instead of the model. A row without a cosine says what it needs.

    \b
    Examples:
      xunyi compare 我不爱吃蔬菜,我喜欢吃肉 我不爱吃肉,我爱吃蔬菜
      xunyi compare --pre-split 我/不爱/吃/蔬菜 "我 不爱 吃 肉" --corpus tale
    """
    from search.compare import compare_in

    report = compare_in(first, second, corpus=corpus, store=store, split=split, ngram=ngram)
    if as_json:
        emit_json(report)
        return
    table = Table()
    table.add_column("representation")
    table.add_column("cosine", justify="right")
    if report.reasons:
        table.add_column("why none", overflow="fold")
    for name, value in report.similarities.items():
        row = [name, "-" if value is None else f"{value:.4f}"]
        table.add_row(*row, *([report.reasons.get(name, "")] if report.reasons else []))
    console().print(table)
