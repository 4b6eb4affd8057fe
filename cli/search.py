"""``xunyi search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from cli.options import (
    comma_list,
    corpus_option,
    fusion_options,
    json_option,
    rerank_options,
    spelling_option,
    store_option,
    where_option,
)
from cli.output import console, emit_json, printable
from schemas.errors import UsageError
from schemas.search import Hit, SearchResponse
from schemas.sentences import sentences

if TYPE_CHECKING:
    from search.ranked_list import FusionMethod

BATCH = 100
"""Queries encoded and asked together."""


@click.command("search")
@click.argument("query", required=False)
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask all of a file, one answer a line: a query a line, BEIR's JSONL, or id, tab and text.",
)
@corpus_option()
@store_option
@click.option("--limit", type=int, default=10, show_default=True, metavar="N", help="Hits to show.")
@click.option("--offset", type=int, default=0, show_default=True, metavar="N", help="Hits to pass over.")
@click.option("--spaces", callback=comma_list, metavar="A,B", help="Vector spaces to ask [default: all].")
@where_option
@fusion_options
@click.option(
    "--by", type=click.Choice(["passage", "document"]), default="passage", show_default=True, help="What a hit is."
)
@rerank_options
@spelling_option
@click.option("--explain", is_flag=True, help="Show each hit's rank, score and share in every space.")
@json_option
def command(
    query: str | None,
    queries: Path | None,
    corpus: str,
    store: str | None,
    limit: int,
    offset: int,
    spaces: tuple[str, ...] | None,
    where: tuple[str, ...],
    fusion: FusionMethod | None,
    rrf_k: int | None,
    weights: dict[str, float] | None,
    by: str,
    rerank: str | None,
    rerank_top: int,
    diversity: float | None,
    spelling: bool,
    explain: bool,
    as_json: bool,
) -> None:
    r"""Search a corpus; hits come best first, with the matched words marked.

    \b
    Examples:
      xunyi search "hotel near the airport with a free shuttle" --corpus hotels --limit 3
      xunyi search 孙悟空三打白骨精 --corpus novel --json
      xunyi search --queries queries.jsonl --corpus papers > answers.jsonl
      xunyi search "spa" --corpus hotels --where "stars>=4" --where city=杭州
      xunyi search "quiet garden" --corpus hotels --rerank cross-encoder:BAAI/bge-reranker-v2-m3
    """
    from search import Corpus
    from search.query_files import Question, read_questions
    from search.second_stage import Reranking

    if query is not None and queries is None:
        asked = [Question(None, query)]
    elif queries is not None and query is None:
        asked = read_questions(queries)
    else:
        raise UsageError("Give a QUERY, or --queries FILE, and not both.")
    with Corpus(corpus, store) as opened:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            answers = opened.search_many(
                [question.text for question in batch],
                limit=limit,
                offset=offset,
                spaces=spaces,
                where=where,
                fusion=fusion,
                weights=weights,
                rrf_k=rrf_k,
                by_document=by == "document",
                rerank=Reranking(rerank, diversity, rerank_top),
                spelling=spelling,
                # One answer as JSON tells all there is; of a file's many, what a search knows without looking deeper.
                # Ranks deeper than a search looks cost as much as ten searches: of a file they must be asked for.
                explain=explain or (as_json if query is not None else "scores"),
            )
            for question, response in zip(batch, answers, strict=True):
                if queries is not None:
                    named = {} if question.id is None else {"query_id": question.id}
                    emit_json({**named, **response.model_dump(mode="json")})
                elif as_json:
                    emit_json(response)
                else:
                    show_response(response, explain)


def show_response(response: SearchResponse, explain: bool) -> None:
    """The hits as a table; with ``explain`` what every space gave each."""
    from search.coverage import COVERAGE
    from search.whole_documents import DOCUMENT_TFIDF

    out = console()
    if response.spelled:
        taken = ", ".join(f"“{word}” is taken as “{other}”" for word, other in response.spelled.items())
        out.print(f"{taken}; --no-spelling asks as written.", style="dim")
    if not response.hits:
        out.print("No hits.")
        return
    table = Table(show_lines=True, expand=out.is_terminal)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("title", ratio=1, overflow="fold")
    table.add_column("passage", ratio=3, overflow="fold")
    for hit in response.hits:
        title = Text(printable(hit.title), style="bold")
        if hit.chapter:
            title.append(f"\n{printable(hit.chapter)}", style="dim")
        body = _highlighted(hit)
        if explain:
            for space, score in sorted(hit.spaces.items(), key=lambda item: -item[1].share):
                rank = f"rank {score.rank:,}" if score.rank is not None else "not ranked"
                body.append(f"\n{space}: {rank}, score {score.score:.4f}, share {score.share:.0%}", style="dim")
        table.add_row(str(hit.rank), f"{hit.score:.4f}", title, body)
    out.print(table)
    for name, what in (
        (DOCUMENT_TFIDF, "what a hit's whole document scores in tfidf"),
        (COVERAGE, "how much of the query's words a hit holds, rare ones above all, by itself and with its document"),
    ):
        if explain and any(name in hit.spaces for hit in response.hits):
            out.print(f"{name} is {what}; --weights sets it by that name.", style="dim")
    took = response.took_ms
    out.print(f"{took.total:.0f} ms (encoding {took.encode:.0f}, search {took.search:.0f})", style="dim")


def _highlighted(hit: Hit) -> Text:
    """The snippet with its matches marked, and an ellipsis where it leaves off inside a sentence."""
    snippet = hit.snippet
    end = snippet.start + len(snippet.text)
    inner = [(left, right) for left, right in sentences(hit.text) if left < snippet.start < right or left < end < right]
    before = "…" if any(left < snippet.start for left, _ in inner) else ""
    after = "…" if any(end < right for _, right in inner) else ""
    text = Text(before + printable(snippet.text.replace("\n", " ")) + after)
    for start, stop in snippet.highlights:
        text.stylize("bold yellow underline", start + len(before), stop + len(before))
    return text
