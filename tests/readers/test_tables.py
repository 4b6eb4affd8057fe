"""Hotels and records from CSV, TSV, JSONL and Parquet."""

import json

import pytest

from ingest.readers import MetIds, ReadOptions, open_sources, read
from schemas.documents import Document, Rejected
from schemas.errors import DecodeError, InputError, UsageError


@pytest.fixture
def load(tmp_path):
    def run(name, content, encoding="utf-8", named=None, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        (source,) = open_sources([path], ReadOptions(encoding=named, **options))
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


def test_a_parquet_date_beyond_the_calendar_sets_its_row_aside(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    dates = pyarrow.array([0, 5_000_000], pyarrow.date32())
    pyarrow.parquet.write_table(pyarrow.table({"text": ["one", "two"], "built": dates}), path)
    first, second = read(*open_sources([path]))
    assert first.payload == {"built": "1970-01-01"}
    assert second.reason == "holds a date32[day] in 'built' that is out of range"


def test_a_column_that_only_later_rows_have_is_read_from_them(load):
    rows = [{"text": f"row {n}"} for n in range(150)]
    rows.append({"id": "own", "title": "Late", "text": "last"})
    _, documents, _ = load("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert (documents[-1].id, documents[-1].title, documents[-1].payload) == ("own", "Late", {})
    bodies = "".join(json.dumps({"body": row["text"]}) + "\n" for row in rows)
    _, documents, _ = load("b.jsonl", bodies + '{"body": "b", "abstract": "a"}\n', columns={"text": "abstract"})
    assert documents[-1].text == "a"


def test_parquet_columns_of_one_name_are_told_apart_as_those_of_a_csv_are(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    twice = pyarrow.table(
        [pyarrow.array(["1"]), pyarrow.array(["a"]), pyarrow.array(["b"])], names=["id", "text", "text"]
    )
    pyarrow.parquet.write_table(twice, path)
    (source,) = open_sources([path])
    (document,) = read(source)
    assert (document.text, document.payload) == ("a", {"text_2": "b"})


def test_an_object_where_text_should_be_is_set_aside_and_truth_is_written_as_json_has_it(load):
    rows = [{"_id": {"a": 1}, "text": "x"}, {"_id": "b", "text": {"a": 1}}, {"_id": "c", "text": ["x", {"a": 1}]}]
    rows.append({"_id": True, "text": ["x", "y"]})
    _, records, rejected = load("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [(record.id, record.text) for record in records] == [("true", "x\ny")]
    assert [row.line for row in rejected] == [1, 2, 3]
    assert all("has an object in the column" in row.reason for row in rejected)


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


def raw(rejected):
    return [row.row for row in rejected]


def test_a_row_set_aside_is_whole_and_as_it_stands_in_the_file(load):
    long = "tail " * 1000
    again = f'{{"id":"1",  "text": "{long}"}}'
    lines = ['{"id": "1", "text": "x"}', again, '{"id": "3", "text": ""}', "{" + long]
    assert raw(load("a.jsonl", "\r\n".join(lines))[2]) == lines[1:]
    bad = [f'1,"{long}\nagain"', "2,x," + long, "3,"]
    assert raw(load("a.csv", "id,text\n1,x\n" + "\n".join(bad))[2]) == bad


def test_a_quote_that_swallows_rows_costs_the_row_of_the_quote_only(load):
    _, records, rejected = load("a.csv", 'id,title,text\n1,a,"open\n2,b,fine\n')
    assert (raw(rejected), [record.id for record in records]) == (['1,a,"open'], ["2"])


def test_a_row_too_long_to_be_read_is_cut_and_says_so(load, monkeypatch):
    monkeypatch.setattr("ingest.readers.rows.MAX_ROW_CHARS", 5000)
    for name, content in (("a.csv", "id,text\n1,x\n2,"), ("a.jsonl", '{"id": "1", "text": "x"}\n')):
        _, records, (long,) = load(name, content + "y" * 9000)
        assert (len(records), len(long.row), long.cut) == (1, 2000, True)


def test_a_row_without_text_in_its_file_is_a_json_object(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = {"id": ["1", "1"], "text": ["one", "tail " * 1000], "stars": [4, None]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet")
    (source,) = open_sources([tmp_path / "a.parquet"])
    _, rejected = read(source)
    assert json.loads(rejected.row) == {"id": "1", "text": "tail " * 1000, "stars": None}
    assert len(rejected.reason) < 200


def test_the_reason_of_a_long_id_is_short(load):
    _, _, (rejected,) = load("a.csv", "id,text\n" + f"{'x' * 5000},y\n" * 2)
    assert len(rejected.reason) < 300
    assert len(rejected.row) == 5002


# -- bytes that are no text ----------------------------------------------------------------------

GOOD = [f'{{"id": "{n}", "text": "安静的酒店，{n} 号。"}}\n'.encode() for n in range(20)]
BROKEN = '{"id": "b", "text": "café 酒店"}\n'.encode().replace(b"\xc3\xa9", b"\xe9")
CSV = [f"{n},安静的酒店，{n} 号。\n".encode() for n in range(20)]
BROKEN_CSV = 'b,"café\n酒店"\n'.encode().replace(b"\xc3\xa9", b"\xe9")


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("options", [{}, {"named": "utf-8"}])
@pytest.mark.parametrize("place", [0, 1, 20])
def test_a_line_of_json_that_is_no_utf8_is_set_aside_with_its_bytes(load, place, options, before):
    lines = [*GOOD[:place], BROKEN, *GOOD[place:]]
    _, records, (rejected,) = load("a.jsonl", before + b"".join(lines), **options)
    assert len(records) == 20
    assert (rejected.line, rejected.undecodable, rejected.repeats) == (place + 1, True, False)
    assert "the bytes e9, which are no text in utf-8" in rejected.reason
    assert rejected.row == '{"id": "b", "text": "caf\ufffd 酒店"}'


def test_a_row_of_csv_that_is_no_utf8_is_set_aside_whole(load):
    _, records, (rejected,) = load("a.csv", b"id,text\n" + b"".join([*CSV[:7], BROKEN_CSV, *CSV[7:]]))
    assert [record.id for record in records] == [str(n) for n in range(20)]
    assert (rejected.line, rejected.undecodable, rejected.row) == (9, True, 'b,"caf\ufffd\n酒店"')


def test_a_broken_row_beyond_the_sample_is_set_aside(load):
    from ingest.decoding import SAMPLE_BYTES

    many = GOOD[0] * (SAMPLE_BYTES // len(GOOD[0]) + 9)
    _, records, rejected = load("a.jsonl", many + BROKEN + GOOD[1])
    assert [record.id for record in records] == ["0", "1"]
    assert [row.line for row in rejected if row.undecodable] == [many.count(b"\n") + 1]


def test_one_impossible_byte_in_a_table_of_ascii_is_set_aside(load):
    plain = b'{"id": "%d", "text": "a quiet hotel"}\n'
    _, records, (rejected,) = load("a.jsonl", plain % 1 + plain % 2 + b'{"id": "3", "text": "a\x81\x8d b"}\n')
    assert (len(records), rejected.undecodable) == (2, True)
    assert "81 8d" in rejected.reason


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16"])
def test_a_table_in_another_encoding_is_read_as_it_is(load, encoding):
    text = "".join(f'{{"id": "{n}", "text": "酒店在市中心，步行可到故宮。"}}\n' for n in range(9))
    source, records, rejected = load("a.jsonl", text, encoding)
    assert (source.encoding, len(records), rejected) == (encoding, 9, [])
    assert records[0].text == "酒店在市中心，步行可到故宮。"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("count", [1, 3, 9, 3000])
def test_a_table_that_is_not_in_the_named_encoding_is_an_error(load, name, count):
    plain = '{"id": "a", "text": "plain"}\n' if name == "a.jsonl" else "id,text\na,plain\n"
    row = '{"id": "x", "text": "酒店。"}\n' if name == "a.jsonl" else "x,酒店。\n"
    with pytest.raises(DecodeError, match=r"no text in utf-8.*--encoding"):
        load(name, (plain + row * (count + 3)).encode("gb18030"), named="utf-8")


def test_a_header_that_is_no_utf8_is_an_error(load):
    with pytest.raises(DecodeError, match="line 1: the header holds the bytes e9"):
        load("a.csv", b"id,text,caf\xe9\n" + b"".join(CSV).replace("号。".encode(), "号。,x".encode()))


def test_a_broken_row_in_an_encoding_of_pairs_is_an_error(load):
    with pytest.raises(DecodeError, match="no text in gb18030"):
        load("a.jsonl", '{"id": "1", "text": "酒店"}\n'.encode("gb18030") + b'{"id": "2\xff"}\n', named="gb18030")


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\n', "SEP=;\r\n", "\ufeffsep=;\n", "sep=|\n", "sep=\t\n"])
def test_a_first_line_that_states_the_delimiter_is_believed_and_skipped(tmp_path, first):
    sign = next(char for char in first if char in ";|\t")
    path = tmp_path / "a.csv"
    rows = [["id", "text", "a,b"], ["1", "one, two", "x"], ["2", "", "y"]]
    path.write_text(first + "\n".join(sign.join(row) for row in rows), encoding="utf-8", newline="")
    (source,) = open_sources([path])
    document, rejected = read(source)
    assert (document.id, document.text, document.payload) == ("1", "one, two", {"a,b": "x"})
    assert rejected.line == 4


def test_a_column_that_is_called_sep_is_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=,text\n1,one\n", encoding="utf-8")
    (document,) = read(*open_sources([path]))
    assert (document.text, document.payload) == ("one", {"sep=": 1})
