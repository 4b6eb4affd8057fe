"""Encodings are found, decoding is strict and streams."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.decoding import SAMPLE_BYTES, find_encoding, read_lines, read_text, replaced_bytes
from ingest.readers import ReadOptions, open_sources, read, with_heading
from schemas.errors import DecodeError, InputError, UsageError

SIMPLIFIED = "名称,地址,描述\n北京大酒店,北京市东城区王府井大街57号,位于市中心，步行可达故宫。\n"
TRADITIONAL = "名稱,地址,描述\n台北君悅酒店,臺北市信義區松壽路2號,鄰近車站，提供免費早餐。\n"
WESTERN = "name,desc\nCafé “Élan”,It’s a naïve façade – crème brûlée\n"
CASES = [
    (SIMPLIFIED, ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"]),
    (TRADITIONAL, ["utf-8", "utf-8-sig", "big5", "cp950", "gbk", "utf-16", "utf-16-le", "utf-16-be"]),
    (WESTERN, ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]),
    ("Zürich Hotel, schön\n", ["latin-1"]),
    ("caf\xe9", ["latin-1"]),
]


def write(tmp_path, data):
    path = tmp_path / "file.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("text", "encoding"), [(text, name) for text, names in CASES for name in names])
def test_a_short_text_comes_back_from_every_encoding(tmp_path, text, encoding):
    path = write(tmp_path, text.encode(encoding))
    found = find_encoding(path)
    assert "".join(read_text(path, found)) == text
    assert path.read_text(encoding=found) == text


SENTENCES = {
    "gb18030": [
        "孙悟空大闹天宫，天兵天将都来捉他。",
        "这家酒店离机场很近，提供免费班车。",
        "今天天气很好，我们去公园走走吧！",
    ],
    "big5": [
        "孫悟空大鬧天宮，天兵天將都來捉他。",
        "這家酒店離機場很近，提供免費接送。",
        "今天天氣很好，我們去公園走走吧！",
    ],
    "cp1252": [
        "It’s a café – déjà vu.",
        "The “Élan” hotel’s crème brûlée.",
        "Ünder the bridge, señor, plain words.",
        "Plain.",
    ],
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    data=st.data(),
    encoding=st.sampled_from(["gb18030", "big5", "cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    english=st.lists(st.sampled_from(["hotel", "a,b", "12", "\n", " "]), max_size=8),
)
def test_real_sentences_round_trip_through_each_encoding(tmp_path, data, encoding, english):
    language = encoding if encoding in SENTENCES else data.draw(st.sampled_from(sorted(SENTENCES)))
    pieces = data.draw(st.lists(st.sampled_from(SENTENCES[language]), min_size=1, max_size=6))
    text = " ".join(english) + "\n" + "\n".join(pieces) + "\n"
    path = write(tmp_path, text.encode(encoding))
    assert "".join(read_text(path, find_encoding(path))) == text


def test_the_first_byte_beyond_ascii_decides_however_late_it_comes(tmp_path):
    text = "plain words\n" * (SAMPLE_BYTES // 10) + "孙悟空大闹天宫，天兵天将都来捉他。\n"
    path = write(tmp_path, text.encode("gb18030"))
    assert find_encoding(path) == "gb18030"
    assert "".join(read_text(path, "gb18030")) == text


def test_a_character_cut_by_the_samples_end_does_no_harm(tmp_path):
    for lead in range(3):
        text = "a" * lead + "天" * (SAMPLE_BYTES // 3 + 100)
        assert find_encoding(write(tmp_path, text.encode("utf-8"))) == "utf-8"


def test_newlines_of_all_systems_become_line_feeds_across_chunks(tmp_path):
    data = b"a\r\nb\rc\n" * 50_000 + b"\r"
    path = write(tmp_path, data)
    assert "".join(read_text(path, "utf-8")) == path.read_text(encoding="utf-8")
    assert "".join(read_lines(path, "utf-8")) == path.read_text(encoding="utf-8")


def test_a_broken_byte_in_utf8_is_refused_with_file_line_and_byte(tmp_path):
    path = write(tmp_path, "天气很好\n我们去公园".encode() + b"\xff" + "走走吧".encode())
    with pytest.raises(DecodeError, match=r"file\.txt, line 2, byte 28.*--encoding"):
        find_encoding(path)


def test_the_place_is_right_far_into_a_file(tmp_path):
    data = b"x" * 99 + b"\n"
    path = write(tmp_path, data * 5000 + b"ab\xff")
    with pytest.raises(DecodeError, match="line 5001, byte 500002"):
        list(read_text(path, "utf-8"))


def test_a_named_encoding_is_strict_too(tmp_path):
    path = write(tmp_path, "酒店".encode())
    assert find_encoding(path, "GBK") == "gbk"
    with pytest.raises(DecodeError, match="--encoding"):
        list(read_text(path, find_encoding(path, "ascii")))
    with pytest.raises(UsageError, match="no encoding 'klingon'"):
        find_encoding(path, "klingon")


def test_binary_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="binary"):
        find_encoding(write(tmp_path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\0\0\0\x03\0\x08\x06" * 20))
    with pytest.raises(InputError, match="binary"):
        find_encoding(write(tmp_path, b"plain text with a \0 in it"))


def test_a_stray_nul_does_not_make_a_text_file_binary(tmp_path):
    (tmp_path / "rows.csv").write_bytes(("名字,描述\n松间酒店,有\0温泉。\n" + "松间酒店,有温泉。\n" * 20).encode())
    assert find_encoding(tmp_path / "rows.csv") == "utf-8"


def test_utf16_without_a_mark_is_still_told_from_text_with_nuls(tmp_path):
    (tmp_path / "rows.csv").write_bytes("name,desc\nInn,a quiet hotel near the lake\n".encode("utf-16-le") * 9)
    assert find_encoding(tmp_path / "rows.csv").startswith("utf-16")


BOOK = (
    "第一回　靈根育孕\n"
    + "他聽了這話，心裡不覺一驚，就回家去了。\n" * 30
    + "第二回　歸來\n"
    + "大家都說這是好事。\n" * 30
)


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
@pytest.mark.parametrize("named", [True, False])
def test_a_bad_byte_in_a_chinese_book_is_placed_or_replaced_and_counted(tmp_path, encoding, named):
    good = BOOK.encode(encoding)
    at = good.index(b"\n", 400) + 1
    path = write(tmp_path, good[:at] + b"\xff" + good[at:])
    line = good[:at].count(b"\n") + 1
    options = ReadOptions(encoding=encoding if named else None)
    where = rf"line {line}, byte {at}: the bytes ff are no text in {encoding}; .*--encoding-errors replace"
    with pytest.raises(DecodeError, match=where):
        open_sources([path], options)
    (source,) = open_sources([path], ReadOptions(encoding=options.encoding, encoding_errors="replace"))
    assert source.reason == f"file.txt is read as a novel from plain text in {encoding}, 1 byte replaced; 2 chapters."
    assert "1 byte replaced" in with_heading(source, "^第").reason
    first, second = read(source)
    assert (first.text.count("\ufffd"), second.text.count("\ufffd")) == (1, 0)
    assert first.text.replace("\ufffd", "") == "他聽了這話，心裡不覺一驚，就回家去了。\n" * 30


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32", "gb18030", "big5hkscs", "ascii"])
def test_what_is_replaced_does_not_depend_on_chunks(tmp_path, encoding, monkeypatch):
    text = "abc\n" if encoding == "ascii" else "天气很好abc\n"
    broken = {"utf-16-le": b"\0\xdc", "utf-32": b"\xff\xff\xff\xff"}.get(encoding, b"\xff")
    path = write(tmp_path, text.encode(encoding) + broken + text.encode("utf-32-le" if "32" in encoding else encoding))
    for size in (1, 2, 3, 1000):
        monkeypatch.setattr("ingest.decoding._CHUNK_BYTES", size)
        assert "".join(read_text(path, encoding, replace=True)) == text + "\ufffd" * len(broken) + text
        assert replaced_bytes(path, encoding) == len(broken)


def test_noise_is_no_nearly_chinese_text(tmp_path):
    noise = bytes(range(0x80, 0x100)) * 40
    with pytest.raises(DecodeError, match="no plausible text"):
        find_encoding(write(tmp_path, noise))
    with pytest.raises(DecodeError, match="no plausible text"):
        find_encoding(write(tmp_path, noise), replace=True)


def test_rows_with_bad_bytes_go_in_where_they_are_replaced(tmp_path):
    for name, start in (("a.csv", "id,text\n1,"), ("a.jsonl", '{"id": "1", "text": "')):
        for encoding in ("utf-8", "gb18030"):
            end = '"}' if start[0] == "{" else ""
            path = tmp_path / name
            path.write_bytes(start.encode() + BOOK[:60].replace("\n", "").encode(encoding) + b"\xff" + end.encode())
            (source,) = open_sources([path], ReadOptions(encoding_errors="replace", encoding=encoding))
            assert "1 byte replaced" in source.reason
            (document,) = read(source)
            assert document.text.endswith("\ufffd")
