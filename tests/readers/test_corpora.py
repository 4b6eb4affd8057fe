"""The two public corpora come in whole: 152 hotels, and 100 chapters with one appendix."""

import os
from pathlib import Path

import pytest

from ingest.readers import open_sources, read
from ingest.readers.heading_numbers import chinese_number
from ingest.splitting import estimate_tokens, split

FOLDER = os.environ.get("XUNYI_TEST_CORPORA")
pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not FOLDER, reason="XUNYI_TEST_CORPORA names no folder with the corpora"),
]


def test_the_novel_gives_its_chapters_in_order_and_nothing_of_its_contents():
    path = Path(FOLDER or "") / "journey_to_the_west.gb18030.txt"
    (source,) = open_sources([path])
    assert (source.kind, source.encoding) == ("novel", "gb18030")
    chapters = list(read(source))
    numbers = [chinese_number(c.chapter[1:-1]) if c.chapter.endswith("回") else c.chapter for c in chapters]
    assert numbers == [*range(1, 9), "附录", *range(9, 101)]
    assert chapters[0].title == "灵根育孕源流出　心性修持大道生"
    assert chapters[8].title == "陈光蕊赴任逢灾　江流僧复仇报本"
    assert all(c.title and c.title not in c.text and "吴承恩--" not in c.text for c in chapters)
    text = path.read_text(encoding="gb18030")
    contents = [line for line in text.split("\n")[:108] if line.startswith(("第", "附"))]
    assert len(contents) == 101
    passages = [p for c in chapters for p in split(c, max_tokens=256, count_tokens=estimate_tokens)]
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert not any(line in p.text for p in passages for line in contents)
    assert sum(len(c.text) for c in chapters) > 600_000


def test_the_hotels_come_in_whole_and_readable():
    (source,) = open_sources([Path(FOLDER or "") / "seattle_hotels.csv"])
    hotels = list(read(source))
    assert (source.kind, source.encoding, len(hotels)) == ("hotels", "cp1252", 152)
    assert all(hotel.payload["address"] for hotel in hotels)
    text = "".join(hotel.text for hotel in hotels)
    assert "You’ll" in text
    assert not any("\x80" <= char < "\xa0" or char == "\ufffd" for char in text)
