"""Hotels and records from CSV, TSV, JSONL and Parquet."""

import json

import pytest

from ingest.readers import MetIds, ReadOptions, open_sources, read
from schemas.documents import Document, Rejected
from schemas.errors import InputError, UsageError


@pytest.fixture
def load(tmp_path):
    def run(name, content, encoding="utf-8", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        (source,) = open_sources([path], ReadOptions(**options))
        rows = list(read(source))
        documents = [row for row in rows if isinstance(row, Document)]
        return source, documents, [row for row in rows if isinstance(row, Rejected)]

    return run


def test_a_chinese_csv_of_hotels_is_recognised_and_its_columns_typed(load):
    table = (
        "酒店名称;地址;简介;评分;房间数;泳池;邮编;开业\n"
        "西湖国宾馆;杭州;湖边的安静酒店。;4.8;120;true;00123;2019-05-01\n"
        "王府井饭店;北京;步行可达故宫。;5;80;false;98101;\n"
    )
    source, hotels, rejected = load("a.csv", table, "gb18030")
    assert (source.kind, source.encoding, rejected) == ("hotels", "gb18030", [])
    assert "hotels" in source.reason
    assert "gb18030" in source.reason
    assert hotels[0].text == "湖边的安静酒店。"
    assert hotels[0].payload == {
        "address": "杭州", "评分": 4.8, "房间数": 120, "泳池": True, "邮编": "00123", "开业": "2019-05-01"
    }  # fmt: skip
    assert "开业" not in hotels[1].payload
    assert hotels[1].payload["评分"] == 5.0


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (["128", "１９９", "¥3,999", "599元"], [128, 199, 3999, 599]),
        (["1,200.50", "-￥3", "7"], [1200.5, -3.0, 7.0]),
        (["$5", "¥5"], ["$5", "¥5"]),
        (["1,50", "2"], ["1,50", "2"]),
        (["128", "面议", "599", "on request", "7"], [128, "面议", 599, "on request", 7]),
        (["128", "面议"], ["128", "面议"]),
        (["12", "12A", "14", "15"], ["12", "12A", "14", "15"]),
        (["1.10", "1.2.3", "1.3"], ["1.10", "1.2.3", "1.3"]),
        (["００１２３", "98101"], ["００１２３", "98101"]),
        (["true", "FALSE"], [True, False]),
        (["1_0", "2"], ["1_0", "2"]),
    ],
    ids=str,
)
def test_a_column_of_numbers_is_read_however_they_are_written_and_names_are_kept(load, cells, kept):
    table = "id;text;cell\n" + "".join(f"{row};x;{cell}\n" for row, cell in enumerate(cells))
    _, records, _ = load("a.csv", table)
    values = [record.payload["cell"] for record in records]
    assert values == kept
    assert list(map(type, values)) == list(map(type, kept))


def test_an_amount_in_another_currency_below_the_sample_stays_text(load):
    table = "id,text,cell\n" + "".join(f"{row},x,¥{row + 1}\n" for row in range(1000)) + "z,x,$7\ny,x,¥8\n"
    _, records, _ = load("a.csv", table)
    assert [record.payload["cell"] for record in records[-2:]] == ["$7", 8]


def test_branches_with_one_name_are_told_apart_by_address_and_a_repeat_is_set_aside(load):
    table = "Name\tAddress\tDescription\nInn\tA St\tnice\nInn\tB St\tnicer\nInn\tB St\tnicer\nInn\tA St\tnice\n"
    _, hotels, rejected = load("a.tsv", table)
    assert [hotel.id for hotel in hotels] == ["Inn", "Inn (B St)"]
    assert [row.line for row in rejected] == [4, 5]


def test_bad_rows_are_set_aside_with_their_physical_line(load):
    table = 'id,title,text\n1,a,"two\nlines"\n2,b\n3,c,\n1,d,again\n4,e,fine\n'
    _, records, rejected = load("a.csv", table)
    assert [(r.id, r.text) for r in records] == [("1", "two\nlines"), ("4", "fine")]
    assert [row.line for row in rejected] == [4, 5, 6]
    assert "2 fields where the header has 3" in rejected[0].reason
    assert "no text" in rejected[1].reason
    assert "'1'" in rejected[2].reason


@pytest.mark.parametrize("rest", ["2,b,fine text\n3,c,good\n", '2,b,"fine, text"\n3,c,good\n'])
def test_a_quote_never_closed_costs_only_its_own_row(load, rest):
    _, records, rejected = load("a.csv", 'id,title,text\n1,a,"open\n' + rest)
    assert [record.id for record in records] == ["2", "3"]
    assert [(row.line, "quote" in row.reason) for row in rejected] == [(2, True)]


def test_bad_json_lines_are_set_aside(load):
    lines = ['{"_id": "1", "title": "T", "text": "x", "meta": {"a": [1]}}', "oops", "[1]",
             '{"_id": "2", "text": "\\ud800"}',
             '{"_id": "3", "text": ""}', '{"text": "no id"}',
             '{"_id": 4, "text": "n", "v": NaN}', "[" * 100_000]  # fmt: skip
    _, records, rejected = load("a.jsonl", "\n".join(lines))
    assert [record.id for record in records] == ["1", "a:6"]
    assert records[0].payload == {"meta": {"a": [1]}}
    assert [row.line for row in rejected] == [2, 3, 4, 5, 7, 8]


def test_too_deep_nesting_is_set_aside_and_huge_integers_become_text(load):
    def nested(depth):
        value = 1
        for _ in range(depth):
            value = [value]
        return value

    rows = [{"_id": str(d), "text": "x", "n": nested(d), "big": 10**30} for d in (8, 9)]
    _, records, rejected = load("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert [record.payload["big"] for record in records] == [str(10**30)]
    assert "deeper than 8" in rejected[0].reason


def test_control_characters_become_spaces_of_the_same_length(load):
    _, records, _ = load("a.jsonl", '{"_id": "1", "text": "a\\u0000b\\u0007c\\nd"}')
    assert records[0].text == "a b c\nd"


def test_parquet_keeps_its_types_and_gives_dates_as_text(tmp_path):
    import datetime

    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    rows = {"docid": [1, 2], "body": ["one", None], "stars": [4, 5], "day": [datetime.date(2020, 1, 2), None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), path)
    (source,) = open_sources([path])
    document, rejected = read(source)
    assert (document.id, document.payload) == ("1", {"stars": 4, "day": "2020-01-02"})
    assert rejected.line == 2
    path.write_bytes(b"PAR1 this is no parquet PAR1")
    with pytest.raises(InputError, match="Parquet"):
        open_sources([path])


def test_columns_can_be_named_and_a_wrong_name_brings_near_ones(load):
    table = "id,conten,body\n1,x,y\n"
    _, records, _ = load("a.csv", table, columns={"text": "conten"})
    assert records[0].text == "x"
    with pytest.raises(InputError, match="'contennt'; did you mean conten"):
        load("a.csv", table, columns={"text": "contennt"})
    with pytest.raises(InputError, match="no column for the text"):
        load("b.csv", "a,b\n1,2\n")
    with pytest.raises(UsageError):
        ReadOptions(columns={"colour": "x"})
    with pytest.raises(UsageError):
        ReadOptions(kind="poems")


def test_an_id_met_in_an_earlier_file_of_the_run_is_set_aside(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text('{"_id": "1", "text": "x"}\n')
    met = MetIds()
    first, second = ([*read(source, None, met)] for source in open_sources([tmp_path]))
    assert isinstance(first[0], Document)
    assert isinstance(second[0], Rejected)


def test_a_document_of_ten_megabytes_is_read(load):
    _, records, rejected = load("a.csv", "id,text\n1," + "长句。" * 1_200_000 + "\n")
    assert len(records[0].text) == 3_600_000
    assert not rejected


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_files_and_folders_and_missing_paths_are_refused(tmp_path, content):
    with pytest.raises(InputError, match="holds nothing readable"):
        open_sources([tmp_path])
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is empty"):
        open_sources([path])
    with pytest.raises(InputError, match="does not exist"):
        open_sources([tmp_path / "none.csv"])


def test_folders_are_walked_in_order_without_hidden_files(tmp_path):
    for name in ("b.txt", "a.csv", ".hidden.txt", "sub/c.md", "sub/picture.png", ".git/d.txt", "sub/b.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("id,text\n1,x\n")
    found = open_sources([tmp_path])
    assert [s.path.relative_to(tmp_path).as_posix() for s in found] == ["a.csv", "b.txt", "sub/b.txt", "sub/c.md"]
    assert len({source.stem for source in found}) == 4
    assert [s.path.suffix for s in open_sources([tmp_path], ReadOptions(kind="records"))] == [".csv"]
