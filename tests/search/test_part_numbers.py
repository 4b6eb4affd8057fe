import json

import pytest

from ingest import CorpusOptions, ingest
from search import Corpus

CODES = ["XK-2041-B", "XK-2041-C", "XK-2014-B", "KX-2041-B", "PV.77.1204", "PV.77.1402", "T900/4", "T900/5"]
TEXT = "{} {} in brass for cooling circuits. Rated for continuous duty, supplied with fixing screws."


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    rows = [
        {"id": f"{code} {kind}", "title": kind, "text": TEXT.format(kind, code)}
        for code in CODES
        for kind in ("Valve", "Pump")
    ]
    (folder / "parts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([folder / "parts.jsonl"], corpus="parts", store=folder / "store")
    with Corpus("parts", folder / "store") as corpus:
        yield corpus


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("write", [str, str.lower, lambda c: c.replace("-", ""), lambda c: c.replace("-", " ")])
def test_the_hybrid_puts_those_of_a_part_number_before_those_of_its_neighbours(parts, code, write):
    hits = parts.search(f"price of {write(code)}", limit=2).hits
    assert {hit.document_id for hit in hits} == {f"{code} Valve", f"{code} Pump"}


def test_the_snippet_marks_the_whole_number(parts):
    snippet = parts.search("XK 2041 C valve").hits[0].snippet
    marked = {snippet.text[start:end] for start, end in snippet.highlights}
    assert "XK-2041-C" in marked


@pytest.mark.parametrize("spaces", ["dense", ["dense", "word2vec"]])
def test_a_corpus_without_terms_is_asked_for_part_numbers_too(tmp_path, spaces):
    (tmp_path / "parts.jsonl").write_text('{"id": "1", "title": "Valve", "text": "Valve XK-2041-B in brass."}\n')
    ingest(tmp_path / "parts.jsonl", corpus="parts", store=tmp_path / "store", options=CorpusOptions(spaces=spaces))
    with Corpus("parts", tmp_path / "store") as corpus:
        hit = corpus.search("xk 2041 b or XK-77-C").hits[0]
    assert hit.document_id == "1"
