"""Files of queries, judgments and runs, in the shapes of BEIR and TREC."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from schemas.errors import InputError, UsageError
from search.request import check_query

Qrels: TypeAlias = dict[str, dict[str, int]]
"""Query id -> document id -> grade."""

Ranking: TypeAlias = Sequence[tuple[str, float]]
"""Documents with scores, best first."""

HEADERS = frozenset(("queryid", "query", "qid", "topic", "topicid", "topicno", "id"))
"""What the first column of a header says, without blanks, hyphens, underscores, and in lower case."""

MOST_GRADE = 10_000
"""The highest grade of a judgment: trec_eval's time and stack grow with it, beyond a million without end."""


def read_queries(path: Path) -> dict[str, str]:
    """Query texts by id from BEIR's ``queries.jsonl`` (``_id`` or ``id``, ``text``), or lines ``id<TAB>text``.

    A query whose text is empty is passed over. Raises :class:`InputError` with the line for what is
    neither, for a repeated id, and for a file without queries.
    """
    return _with_ids(path, _lines(path))


def _with_ids(path: Path, lines: Iterable[tuple[int, str]]) -> dict[str, str]:
    queries: dict[str, str] = {}
    for number, line in lines:
        identifier, text = _query(path, number, line)
        if not text:
            # Published sets hold such rows; nothing can be asked with them, and their judgments are left out with them.
            continue
        if identifier in queries:
            raise InputError(f"{path}, line {number}: the query id {identifier!r} stands twice; give each its own.")
        queries[identifier] = text
    if not queries:
        raise InputError(f"{path}: there is no query in it; write one JSON object a line with _id and text.")
    return queries


def _query(path: Path, number: int, line: str) -> tuple[str, str]:
    if not line.lstrip().startswith("{"):
        identifier, tab, text = line.partition("\t")
        if not tab or not identifier.strip() or not text.strip():
            raise InputError(f'{path}, line {number}: write {{"_id": ..., "text": ...}} or an id, a tab and the text.')
        return identifier.strip(), text.strip()
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}, line {number}: nested too deep, or a number too long; write _id and text."
        ) from error
    identifier, text = row.get("_id", row.get("id")), row.get("text")
    if isinstance(identifier, bool) or not isinstance(identifier, str | int) or identifier == "":
        raise InputError(f"{path}, line {number}: the query has no _id; give it one.")
    if not isinstance(text, str):
        raise InputError(f"{path}, line {number}: the query {identifier!r} has no text; give it one.")
    return str(identifier), text.strip()


class Question(NamedTuple):
    """A query to ask, and the id that its file gives it, if it does."""

    id: str | None
    text: str


def read_questions(path: Path) -> list[Question]:
    """Queries to ask: one a line, or what ``read_queries`` reads, in the file's order.

    A file whose first line is a JSON object, or whose every line is an id, one tab and a text, holds
    ids. Raises :class:`InputError` with the line for what cannot be asked, and for a file without queries.
    """
    # Read once: it may be a pipe.
    lines = list(_lines(path))
    if not lines:
        raise InputError(f"{path}: there is no query in it; write one on each line.")
    if lines[0][1].lstrip().startswith("{") or all(_has_id(line) for _, line in lines):
        questions = [Question(identifier, text) for identifier, text in _with_ids(path, lines).items()]
    else:
        questions = [Question(None, line.strip()) for _, line in lines]
    for number, question in enumerate(questions, 1):
        try:
            check_query(question.text)
        except UsageError as error:
            where = f"line {lines[number - 1][0]}" if question.id is None else f"query {question.id!r}"
            raise InputError(f"{path}, {where}: {error}") from None
    return questions


def _has_id(line: str) -> bool:
    identifier, _, text = line.partition("\t")
    return bool(identifier.strip() and text.strip()) and "\t" not in text


def read_qrels(path: Path) -> Qrels:
    """Grades from BEIR's ``qrels.tsv`` (query, document, grade; header or not) or TREC's four columns.

    Raises :class:`InputError` with the line for another shape, a grade that is not a whole number of at
    most ``MOST_GRADE`` either way, or two grades for one pair, and for a file without judgments.
    """
    qrels: Qrels = {}
    header = True
    for number, line in _lines(path):
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) == 4:
            query, _, document, grade = cells
        elif len(cells) == 3:
            query, document, grade = cells
        else:
            raise InputError(
                f"{path}, line {number}: {len(cells)} columns; write query, document, grade (BEIR) "
                "or query, 0, document, grade (TREC)."
            )
        try:
            value = int(grade)
        except ValueError:
            if header and re.sub(r"[\W_]+", "", query).casefold() in HEADERS:
                header = False
                continue
            hint = "; begin a header with query-id" if header else ""
            raise InputError(f"{path}, line {number}: the grade {grade!r} is not a whole number{hint}.") from None
        header = False
        if abs(value) > MOST_GRADE:
            raise InputError(
                f"{path}, line {number}: the grade {grade[:24]} is beyond {MOST_GRADE:,}; "
                "write small whole numbers, as 0 to 3."
            )
        if qrels.setdefault(query, {}).setdefault(document, value) != value:
            raise InputError(f"{path}, line {number}: {document!r} has two grades for the query {query!r}; keep one.")
    if not qrels:
        raise InputError(f"{path}: there is no judgment in it; write query, document and grade, tab-separated.")
    return qrels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                # What editors on Windows leave at a file's end is no line either.
                if line.strip("\ufeff\x1a \t\r\n\u3000"):
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8; save it as UTF-8.") from error


def check_run(path: Path, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse a run file that could not be written, before anything is measured: as :func:`write_trec_run`."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another file.")
    _check_run_ids(queries, qrels)


def check_runs(folder: Path, queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Make the folder of run files, one a configuration; refuse what could not be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror or error}); name another folder.") from error
    _check_run_ids(queries, qrels)


def _check_run_ids(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> None:
    for name in (*queries, *(document for by in qrels.values() for document in by)):
        _check_run_id(name)


def write_trec_run(path: Path, run: Mapping[str, Ranking], tag: str) -> None:
    """Write TREC's six columns: query, Q0, document, rank from 1, score, tag.

    Scores are made to fall strictly, by the smallest steps, so that every tool keeps the order.
    Raises :class:`InputError` where the file cannot be written, :class:`UsageError` for an id or a
    tag with white space, which the format cannot hold.
    """
    lines = list(_run_lines(run, tag))
    try:
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); name another file.") from error


def _run_lines(run: Mapping[str, Ranking], tag: str) -> Iterable[str]:
    for query, ranking in run.items():
        last = math.inf
        for rank, (document, score) in enumerate(ranking, 1):
            for name in (query, document, tag):
                _check_run_id(name)
            last = float(score) if score < last else math.nextafter(last, -math.inf)
            yield f"{query} Q0 {document} {rank} {last!r} {tag}\n"


def _check_run_id(name: str) -> None:
    if not name or any(char.isspace() for char in name):
        raise UsageError(f"{name!r} cannot stand in a TREC run file: it is empty or has white space.")
