"""``xunyi ingest``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from cli import logs
from cli.encoder_options import encoder_options as encoder_settings
from cli.lexical_options import lexical_options
from cli.logs import log_option
from cli.options import comma_list, corpus_option, json_option, store_option
from cli.output import console, emit_json, printable, stage_seconds, warn
from cli.storage_options import storage_options
from cli.worker_options import worker_options
from schemas.errors import UsageError

if TYPE_CHECKING:
    from ingest.readers import EncodingErrors, Kind
    from schemas.ingest import IngestReport
    from schemas.storage import StorageSettings

STAGES = {
    "read": "reading",
    "fit": "fitting",
    "encode": "encoding and writing",
    "prune": "removing",
    "optimize": "indexing",
}

SHOWN = 20
"""Rows set aside that are told of one by one; the report has more, and ``--rejected`` all."""


class Bars:
    """Progress bars on a terminal; elsewhere a plain line for each stage, on stderr."""

    def __init__(self, quiet: bool) -> None:
        terminal = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._seen: set[str] = set()
        self._tasks: dict[str, TaskID] = {}
        self._bars = (
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=console(stderr=True),
            )
            if terminal
            else None
        )

    def context(self) -> AbstractContextManager[Any]:
        """Shown while this is entered."""
        return self._bars if self._bars is not None else nullcontext()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Told by ``ingest`` how far it is."""
        label = STAGES.get(stage, stage)
        if self._bars is None:
            if stage not in self._seen and not self._quiet:
                self._seen.add(stage)
                unit = "documents" if stage == "read" else "passages"
                click.echo(f"{label} ..." if total is None else f"{label} {total:,} {unit} ...", err=True)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(label, total=total, rate="")
        task = self._tasks[stage]
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        self._bars.update(task, completed=done, total=total, rate=f"{speed:,.1f}/s" if speed else "")


def _columns(values: tuple[str, ...]) -> dict[str, str]:
    columns = {}
    for value in values:
        role, sign, column = value.partition("=")
        if not sign or not role or not column:
            raise UsageError(f"--column {value!r}: write ROLE=COLUMN, for example --column text=summary.")
        columns[role.strip()] = column.strip()
    return columns


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@corpus_option()
@click.option(
    "--as", "kind", type=click.Choice(["hotels", "novel", "records"]), help="What the files are [default: found]."
)
@store_option
@click.option(
    "--spaces", callback=comma_list, metavar="A,B", help="Vector spaces [default: the encoder's, tfidf and word2vec]."
)
@click.option(
    "--encoder",
    metavar="NAME",
    help="What fills the learned spaces: bundled, bge-m3, another name of `xunyi models list`, a model's folder, "
    "st:ORG/MODEL or openai:MODEL [default: bundled].",
)
@encoder_settings
@click.option("--encoding", metavar="E", help="The files' encoding, such as gb18030 [default: found].")
@click.option(
    "--encoding-errors",
    type=click.Choice(["strict", "replace"]),
    default="strict",
    show_default=True,
    help="What becomes of bytes that are no text in the encoding: an error, or U+FFFD in their place, counted.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=COLUMN",
    help="Which column is id, title, text, name, address or desc.",
)
@click.option(
    "--heading",
    metavar="REGEX",
    help="Lines of novels (text, Markdown) that match head chapters; the group named title, else the first, else all "
    'of the line is the title. The corpus keeps it for later ingests; --heading "" takes it back [default: found].',
)
@lexical_options()
@click.option("--strict", is_flag=True, help="Stop at the first bad row or file instead of setting it aside.")
@click.option(
    "--rejected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every row or file set aside to this JSONL file: source, line, reason and the row itself, to be mended.",
)
@click.option("--prune", is_flag=True, help="Remove documents that came from PATH and are not there any more.")
@worker_options()
@click.option("--dry-run", is_flag=True, help="Say what would be added, changed and removed; write nothing.")
@storage_options
@log_option
@json_option
def command(
    paths: tuple[str, ...],
    corpus: str,
    kind: Kind | None,
    store: str | None,
    spaces: tuple[str, ...] | None,
    encoder: str | None,
    encoder_options: dict[str, Any],
    encoding: str | None,
    encoding_errors: EncodingErrors,
    columns: tuple[str, ...],
    heading: str | None,
    lexical: dict[str, Any],
    strict: bool,
    rejected: Path | None,
    prune: bool,
    dry_run: bool,
    log_format: str | None,
    as_json: bool,
    storage: StorageSettings | None,
    working: dict[str, Any],
) -> None:
    r"""Read files or folders into a corpus, making it where there is none.

    Running it again does only what is new or changed. A bad row, or a bad book among others, is set aside and
    reported.

    \b
    Examples:
      xunyi ingest samples/hotels.csv --corpus hotels
      xunyi ingest novel.txt --corpus novel --as novel --encoding gb18030
      xunyi ingest novel.txt --corpus novel --heading '^No[.] [0-9]+ (?P<title>.+)'
      xunyi ingest corpus.jsonl --corpus papers --spaces tfidf,word2vec
      xunyi ingest hotels.csv --corpus hotels --encoder bge-m3 --spaces dense,sparse,colbert,tfidf
      xunyi ingest novel.txt --corpus novel --user-dict names.txt --word2vec epochs=20
      xunyi ingest hotels.csv --corpus hotels --prune --dry-run
    """
    from ingest import CorpusOptions, ReadOptions, ingest

    options = CorpusOptions(spaces=spaces, encoder=encoder, encoder_options=encoder_options, storage=storage, **lexical)
    reading = ReadOptions(
        kind=kind, encoding=encoding, encoding_errors=encoding_errors, columns=_columns(columns), heading=heading
    )
    bars = Bars(quiet=as_json or log_format is not None)
    with bars.context():
        report = ingest(
            list(paths),
            corpus,
            store=store,
            reading=reading,
            options=options,
            strict=strict,
            progress=bars,
            rejected=rejected,
            prune=prune,
            dry_run=dry_run,
            **working,
        )
    if logs.in_json():
        _log_rejected(report)
    if as_json:
        emit_json({**report.model_dump(mode="json"), "nothing_changed": report.nothing_changed})
    else:
        _show(report)


def _show(report: IngestReport) -> None:
    out = console()
    for source in report.sources:
        out.print(printable(f"{source.path}: {source.kind}, {source.encoding} ({source.reason})"), markup=False)
    _warn(report)
    # One warning may be of files passed over; any other is of documents that are missing.
    if report.nothing_changed and len(report.warnings) <= bool(report.passed_over):
        out.print(f"Nothing changed: all {report.unchanged:,} documents stand in the corpus already.")
    if report.rejected_file is not None:
        out.print(f"Rows set aside are in {report.rejected_file}.", markup=False)
    seconds = stage_seconds(report.seconds)
    if report.removed and not report.dry_run:
        out.print(f"{report.removed:,} documents gone from the source were removed.")
    for path in report.not_pruned:
        warn(
            f"Nothing was removed of {path}: it or rows of it were set aside, which may be documents that stand; "
            f"mend them, then prune."
        )
    if report.dry_run:
        out.print(
            f"Dry run, nothing was written: {report.added:,} documents would be added, {report.changed:,} changed, "
            f"{report.removed:,} removed; {report.unchanged:,} are unchanged, {report.rejected:,} rows rejected."
        )
        return
    out.print(
        f"{report.corpus}: {report.documents:,} documents ({report.added:,} added, {report.changed:,} changed, "
        f"{report.unchanged:,} unchanged), {report.passages:,} passages, {report.terms:,} terms, "
        f"{report.rejected:,} rejected",
        markup=False,
    )
    if report.taken_over:
        out.print(f"{report.encoded:,} passages encoded, {report.taken_over:,} unchanged ones kept their vectors")
    if report.tokens_sent:
        out.print(f"{report.tokens_sent:,} tokens sent to the embeddings API")
    out.print(seconds)


def _warn(report: IngestReport) -> None:
    if not logs.in_json():
        for row in report.rejected_rows[:SHOWN]:
            where = f"{row.source}:{row.line}" if row.line else row.source
            click.echo(printable(f"set aside  {where}: {row.reason}"), err=True)
        if report.rejected > SHOWN:
            click.echo(f"set aside  … and {report.rejected - SHOWN:,} more", err=True)
    for warning in report.warnings:
        warn(warning)


def _log_rejected(report: IngestReport) -> None:
    """The same rows as events, whatever else is shown."""
    for row in report.rejected_rows[:SHOWN]:
        logs.log.warning("set aside", extra={"corpus": report.corpus, **row.model_dump()})
    if report.rejected > SHOWN:
        logs.log.warning("set aside", extra={"corpus": report.corpus, "more": report.rejected - SHOWN})
