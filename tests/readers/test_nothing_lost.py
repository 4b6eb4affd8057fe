"""No text of a novel is lost silently: what looks like its apparatus and is text stays, and the rest is told."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.readers import ReadOptions, open_sources, read
from ingest.readers.novel import novel_outline
from schemas.errors import InputError
from tests.readers.test_headings import HAN, SERIAL

VERSE = "".join(f"第 {n} 朵云飘过山冈\n" for n in range(300))


def told(tmp_path, name="book.txt"):
    (source,) = open_sources([tmp_path / name], ReadOptions(kind="novel"))
    return source.reason.split("; ", 1)[1]


def all_text(found):
    return "\n".join(document.text for document in found)


def lines_of(found):
    return [line.strip() for line in all_text(found).split("\n") if line.strip()]


# -- under the title, and after a table of contents -------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        VERSE,
        "| 房型 | 价格 |\n|---|---|\n| 大床 | 300 |\n",
        "- 早餐\n- 泳池\n",
        "```\nx = 1\n```\n",
        "### 甲\n\n一物\n",
    ],
)
def test_verse_and_lists_under_a_markdown_title_are_a_chapter(chapters, text):
    found = chapters(f"# 歌词集\n\n{text}\n## 作者的话\n\n写完了。\n\n## 后记\n\n谢谢大家。\n", "book.md")
    assert [document.title for document in found] == ["歌词集", "作者的话", "后记"]
    assert found[0].text.strip() == text.strip()


def test_a_short_line_under_a_markdown_title_and_links_to_the_chapters_are_left_out_and_told(chapters, tmp_path):
    links = "".join(f"- [题目{n}](#s{n})\n" for n in range(90))
    found = chapters(f"# 书\n\n某人 著\n\n{links}\n## 甲\n\n{HAN}\n## 乙\n\n{HAN}", "book.md")
    assert [document.title for document in found] == ["甲", "乙"]
    assert told(tmp_path, "book.md") == (
        "2 chapters, a table of contents of 90 lines left out, 4 characters outside the chapters left out."
    )


def test_plain_labels_between_markdown_headings_lose_no_verse(chapters):
    found = chapters(f"# Songs\n\nChapter 1\n\n{VERSE}\nChapter 2\n\n{VERSE}\n## Notes\n\n短注\n", "book.md")
    assert all_text(found).count("朵云飘过山冈") == 600
    assert found[-1].text.strip() == "短注"


def test_verse_after_a_table_of_contents_is_kept_and_a_short_line_is_told(chapters, tmp_path):
    heads = ["第一章 甲", "第二章 乙", "第三章 丙"]
    body = "".join(f"{head}\n{HAN}" for head in heads)
    listed = "目录\n" + "".join(f"{head}\n" for head in heads)
    assert all_text(chapters(listed + VERSE + body)).count("朵云飘过山冈") == 300
    links = "# 书\n" + "".join(f"- [{head}](#x)\n" for head in heads)
    body_md = "".join(f"## {head}\n{HAN}" for head in heads)
    assert all_text(chapters(links + VERSE + body_md, "book.md")).count("朵云飘过山冈") == 300
    chapters(f"{listed}一朵云\n{body}")
    assert "5 characters outside the chapters left out" in told(tmp_path)


def test_a_long_preface_is_kept_however_long_the_book_is(chapters):
    found = chapters(HAN * 15 + "".join(f"第{n}章 题{n}\n{HAN * 4}" for n in range(1, 30)))
    assert (found[0].chapter, found[0].text.count("灯影摇曳不定")) == (None, 180)


def test_what_follows_a_mention_of_a_chapter_within_another_is_the_chapters(chapters):
    """Of chapters met before, or of one alone: a table of contents stands before its chapters, and has more."""
    body = "".join(f"## 第{n}章 题{n}\n\n前文。\n\n{{}}\n\n后文短句{n}\n\n" for n in range(1, 5))
    items = ["- [第4章 题4](#d)", "- 后记", "- [第1章 题1](#a)\n- [第2章 题2](#b)", ""]
    found = chapters(f"# 书\n\n{body.format(*items)}", "book.md")
    assert [document.title for document in found] == ["题1", "题2", "题3", "题4"]
    assert [f"后文短句{n}" in document.text for n, document in enumerate(found, 1)] == [True] * 4
    assert all(item in document.text for item, document in zip(items, found, strict=True))


# -- front matter -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "\u3000\u3000他来了\n" * 9,
        "Tom: hello\nMary: good day\nTom: what now\n",
        "Tom: hello\nMary: good day\n",
        "    一段缩进的话\n    又一段\n",
        "# 甲\n\n- 一\n- 二\n",
        "title: 山海\n    他来了\n    他走了\n",
        "title: 山海\n\n他来了。\n",
        "title:\n" + "  他来了\n" * 2000,
        "title: a\ntitle: b\n",
    ],
)
def test_text_between_two_rules_is_no_front_matter(chapters, text):
    found = chapters(f"---\n{text}---\n\n他走进门来。\n", "book.md")
    shown = all_text(found) + "".join(document.title for document in found)
    assert all(line.strip("#- \u3000\n") in shown for line in text.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "tags: [a, b]\ntitle: '山海'",
        "title: 山海\nsummary: >\n  一段\n\n  又一段\n# note\ntags:\n- a\n- b",
        "Title: 山海\nnote: [\n  1\n]",
        'title: "山海"\nsummary: 一段话，\n  又一行',
        "subject: '一行\n  又一行'\ntitle: 山海",
        "up: a\ndate created: 2020\ntitle: 山海",
    ],
)
def test_front_matter_names_the_book_and_is_told(chapters, tmp_path, text):
    (document,) = chapters(f"---\n{text}\n---\n他走进门来。\n", "book.md")
    assert (document.title, document.text.strip()) == ("山海", "他走进门来。")
    assert "front matter of" in told(tmp_path, "book.md")


# -- lines that repeat ------------------------------------------------------------------------------------------------
FACTS = ["- Swimming pool", "| Pool | yes |", "return x", "Population 307", "供应早餐"]


@pytest.mark.parametrize("last", [*FACTS, "### Returns", "30720", "Page 3"])
def test_in_markdown_no_line_is_a_header_or_a_footer(chapters, last):
    sections = "".join(f"## Hotel {n}\n\nIt stands in street {n}.\n\n{last}\n\n" for n in range(8))
    found = chapters(f"# Hotels\n\n{sections}", "book.md")
    assert lines_of(found).count(last) == 8


@pytest.mark.parametrize("last", [*FACTS, "HAMLET", "1200", "Room 12", "Chorus"])
def test_content_that_comes_in_every_chapter_of_a_plain_text_stays(chapters, last):
    for body in ("一句话而已。", HAN):
        found = chapters("".join(f"第{n}章 店{n}\n\n{last}\n\n{body}\n\n{last}\n\n" for n in range(1, 9)))
        assert lines_of(found).count(last) == 16


def test_facts_of_one_kind_with_other_numbers_stay(chapters):
    cities = "".join(f"City {n}\n\nPopulation {30720 + 913 * n}\n\nPostcode {97400 + n}\n\n{HAN}\n" for n in range(9))
    (document,) = chapters(cities)
    assert [document.text.count(word) for word in ("City", "Population", "Postcode")] == [9, 9, 9]


@pytest.mark.parametrize("text", ["这一年很平静。\n", HAN, HAN * 3])
def test_years_and_speakers_that_head_entries_are_text(chapters, text):
    found = chapters("大事记\n\n" + "".join(f"{year}\n\n{text}\n" for year in range(1990, 2020)))
    assert [line for line in lines_of(found) if line.isdigit()] == [str(year) for year in range(1990, 2020)]
    found = chapters(
        "HAMLET\n\n" + "".join(f"Act {n}\n\n" + f"HAMLET\n\n{text}\nGHOST\n\n{text}\n" * 4 for n in "1234")
    )
    assert [lines_of(found).count(name) for name in ("HAMLET", "GHOST")] == [16, 16]


def test_pages_lose_their_headers_and_numbers_and_a_number_beside_them_stays(chapters, tmp_path):
    torn = "他们一路走去，看见许多山水，" * 30
    pages = "".join(f"{torn}\n\n{page}\n\n大书 {page}\n\n" for page in range(11, 31))
    (document,) = chapters(f"大书\n\n{pages}他只有\n\n1984\n\n枚铜钱。\n")
    assert lines_of([document]) == ["大书", *[torn] * 20, "他只有", "1984", "枚铜钱。"]
    assert told(tmp_path) == (
        "no chapter headings, so it is one document, 40 lines that repeat as headers, footers or page numbers left out."
    )


NOTICES = [
    "（本章完）",
    "求收藏 求推荐票",
    "www.example.com",
    "Next Chapter",
    "上一章 目录 下一章",
    "输入：某某",
    "---",
    "某某小说网",
    "全集TXT下载",
    "本章字数：3000",
    "手机阅读请点击",
    "TBC",
]


@pytest.mark.parametrize("foot", NOTICES)
def test_the_notices_of_sites_below_chapters_go_and_are_told(chapters, tmp_path, foot):
    found = chapters("".join(f"第{n}章 题{n}\n\n{HAN}\n{foot}\n\n" for n in range(1, 9)))
    assert len(found) == 8
    assert foot not in lines_of(found)
    # The last chapter's is left out as well, though no heading follows it.
    assert "8 lines that repeat" in told(tmp_path)


@pytest.mark.parametrize("head", ["本书首发某某网", "正文"])
def test_the_notices_of_sites_above_chapters_go_and_are_told(chapters, tmp_path, head):
    found = chapters("".join(f"第{n}章 题{n}\n\n{head}\n\n{HAN}\n\n" for n in range(1, 9)))
    assert head not in lines_of(found)
    assert "8 lines that repeat" in told(tmp_path)


@pytest.mark.parametrize(
    ("titles", "header"),
    [
        ("《大书》\n\n作者：某人\n", "大书"),
        ("《大书》\n\n作者：某人\n", "《大书》"),
        ("Title: 大书\nAuthor: 某人\n", "大书"),
        ("大书\n某人 著\n", "大书"),
    ],
)
def test_headers_that_a_title_page_names_in_its_own_way_are_left_out(chapters, titles, header):
    torn = "他们一路走去，看见许多山水，" * 30
    pages = "".join(f"{torn}\n\n{header}\n\n{torn}\n\n某人\n\n" for _ in range(4))
    found = chapters(titles + "".join(f"第{n}章 题{n}\n\n{pages}" for n in range(1, 5)))
    assert {*lines_of(found)} == {torn}


def test_a_header_with_a_bar_before_its_number_is_left_out(chapters):
    torn = "他们一路走去，看见许多山水，" * 30
    for header in ("大书 | {}", "{} | 大书"):
        (document,) = chapters("".join(f"{torn}\n\n{header.format(page)}\n\n" for page in range(11, 31)))
        assert {*lines_of([document])} == {torn}


def test_a_chapters_heading_behind_a_pages_number_is_left_out_and_one_of_another_chapter_stays(chapters):
    found = chapters(f"第一章 甲\n{HAN}12 第一章 甲\n{HAN}第二章 乙\n{HAN}13 第一章 甲\n{HAN}14  第二章\n{HAN}")
    assert [line for line in lines_of(found) if "第" in line] == ["13 第一章 甲"]


def test_a_chapters_own_heading_again_is_left_out_and_told(chapters, tmp_path):
    found = chapters("".join(f"## 第{n}章 题\n\n第{n}章 题\n\n{HAN}\n" for n in range(1, 4)), "book.md")
    assert [document.text.strip() for document in found] == [HAN.strip()] * 3
    again = "3 chapters, 3 lines that repeat as headers, footers or page numbers left out."
    assert told(tmp_path, "book.md") == again
    chapters("".join(f"第{n}章 题\n\n{HAN}\n第{n}章 题\n\n{HAN}\n" for n in range(1, 4)))
    assert told(tmp_path) == again


def test_a_sentence_that_names_a_chapter_is_no_running_header(chapters):
    found = chapters(f"第一章 甲\n{HAN}第二章 乙\n{HAN}他翻开的是：第一章 甲\n{HAN}")
    assert "他翻开的是：第一章 甲" in found[1].text


# -- sections ---------------------------------------------------------------------------------------------------------
def test_markdown_sections_of_one_name_are_sections(chapters):
    found = chapters("".join(f"## Day\n\nshort note {n}\n\n" for n in range(8)) + "## End\n\nover\n", "book.md")
    assert [(d.title, d.text.strip()) for d in found] == [
        *[("Day", f"short note {n}") for n in range(8)],
        ("End", "over"),
    ]


def test_short_sections_whose_titles_come_again_are_no_table_of_contents(chapters):
    poems = "".join(f"## {season}\n\n{season}风吹过山冈\n\n" for season in "春夏秋冬")
    assert len(chapters(poems * 2, "book.md")) == 8
    poems = "".join(f"第{n}章 春\n{n}更风吹过山冈\n" for n in "一二三四")
    assert all_text(chapters(poems * 2)).count("风吹过山冈") == 8


def test_headings_without_text_are_told(chapters, tmp_path):
    chapters(f"## 甲\n\n{HAN}\n## 空\n\n## 乙\n\n{HAN}\n## 余\n", "book.md")
    assert told(tmp_path, "book.md") == "2 chapters, 2 headings without text left out."


def test_a_chapter_that_is_only_a_number_is_read(chapters):
    for name, mark in (("book.md", "## "), ("book.txt", "")):
        found = chapters(f"{mark}第一章 问\n\n{HAN}\n{mark}第二章 答\n\n42\n", name)
        assert [document.text.strip() for document in found] == [HAN.strip(), "42"]


# -- the file ---------------------------------------------------------------------------------------------------------
def test_a_file_written_anew_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("".join(f"第{n}章 题\n{HAN}" for n in range(1, 9)), encoding="utf-8")
    (source,) = open_sources([path])
    documents = read(source)
    assert next(documents).chapter == "第1章"
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match=r"book\.txt changed while it was read; run the command again\."):
        next(documents)


# -- any book ---------------------------------------------------------------------------------------------------------
HEADINGS = [
    "第一章 甲",
    "第二章 乙",
    "第三章丙",
    "* 第二章",
    "☆、第三章",
    "Chapter 1 风起",
    "chapter one",
    "上部",
    "第一卷",
]
SIGNS = [
    "# 题",
    "## 节",
    "## 节",
    "### 小节",
    *SERIAL,
    "---",
    "===",
]
FURNITURE = [
    "",
    "",
    "```",
    "大书 7",
    "书--第一章 甲",
    "- [第一章 甲](#a)",
    "第二章 乙……9",
    "求收藏",
    "第 3 页",
    "title: 书",
]
TEXTS = [
    "他走进门来，看见第{}封信，心里不觉一惊。" * 4,
    "第{}朵云飘过山冈",
    "一片云{}",
    "- 物件{}",
    "| 物件{} | 价钱 |",
    "    x{} = 1",
    "<p>他说{}</p>",
    "Cloud {} Over the Hill",
    "云{}：白",
]
PIECES = st.one_of(*(st.sampled_from(pieces) for pieces in (HEADINGS, SIGNS, FURNITURE, TEXTS, TEXTS)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.tuples(PIECES, st.integers(1, 3)), min_size=1, max_size=40),
    name=st.sampled_from(["book.txt", "book.md"]),
    between=st.sampled_from(["\n", "\n\n"]),
    start=st.sampled_from(["他来了。\n", "# 书\n", "---\ntitle: 书\n", "目录\n"]),
)
def test_all_text_of_any_book_is_read_or_counted_as_left_out(chapters, tmp_path, pieces, name, between, start):
    """Each line of text says its own number, so that it is known when it is lost."""
    every = [piece for piece, times in pieces for _ in range(times if piece in TEXTS else 1)]
    lines = [piece.replace("{}", f"〔{at}〕") for at, piece in enumerate(every)]
    found = chapters(start + between.join(lines) + "\n", name)
    told = novel_outline(tmp_path / name, "utf-8", markdown=name.endswith("md"))
    shown = all_text(found) + "".join(f"{document.title}\n{document.payload}" for document in found)
    lost = [line.strip() for line in lines if "〔" in line and line.strip() not in shown]
    assert sum(map(len, lost)) <= told.body_start + (told.outside_chars if told.sections else 0)
