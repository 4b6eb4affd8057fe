"""Novels become chapters: headings found, tables of contents and running headers left out."""

import pytest

from ingest.readers import ReadOptions, open_sources
from ingest.readers.heading_numbers import chinese_number, english_number
from ingest.readers.headings import parse_line


def labels(found):
    return [(document.chapter, document.title, document.text.strip()) for document in found]


@pytest.mark.parametrize(
    ("line", "label", "title"),
    [
        ("第001回　灵根育孕源流出　　　心性修持大道生", "第001回", "灵根育孕源流出　　　心性修持大道生"),
        ("第一回", "第一回", "第一回"),
        ("　　第十二章：风起", "第十二章", "风起"),
        ("第１２章 你是谁？", "第１２章", "你是谁？"),
        ("卷三 江湖", "卷三", "江湖"),
        ("第二卷", "第二卷", "第二卷"),
        ("楔子", "楔子", "楔子"),
        ("附　 录　陈光蕊赴任逢灾", "附录", "陈光蕊赴任逢灾"),
        ("番外 一天", "番外", "一天"),
        ("番外一 相逢", "番外一", "相逢"),
        ("尾聲", "尾聲", "尾聲"),
        ("Chapter 12", "Chapter 12", "Chapter 12"),
        ("CHAPTER XII. THE STORM", "CHAPTER XII", "THE STORM"),
        ("Chapter Twenty-One: A Night at Sea", "Chapter Twenty-One", "A Night at Sea"),
        ("Prologue", "Prologue", "Prologue"),
        ("## 第二章 归来", "第二章", "归来"),
    ],
)
def test_headings_have_a_label_and_a_title(line, label, title):
    heading = parse_line(line + "\n")
    assert (heading.label, heading.title) == (label, title)


@pytest.mark.parametrize(
    "line",
    ["第一回来到这里，他很高兴。", "第一回，他走了", "附录在书的后面。", "序幕拉开了。", "卷三个饼",
     "Chapter 12 was the hardest to write.",
     "Chapter 12 was the hardest", "part of the crew", "Prologue to a war", "他说第一章很好", "第三部分内容很多。"],
)  # fmt: skip
def test_prose_that_begins_like_a_heading_is_none(line):
    heading = parse_line(line + "\n")
    assert heading is None or heading.glued


def test_numbers_are_read_in_both_scripts():
    assert [chinese_number(n) for n in ("十", "二十", "一百零三", "一二三", "012", "廿一", "两千三百")] == [
        10, 20, 103, 123, 12, 21, 2300
    ]  # fmt: skip
    assert [english_number(n) for n in ("XIV", "Twenty-Three", "one", "7", "ninety nine")] == [14, 23, 1, 7, 99]


def test_a_sentence_that_begins_with_a_label_stays_text(chapters):
    found = chapters("第一回 石猴出世\n他来了。\n第一回来到这里的人都说好\n第二回 拜师\n他学了。\n")
    assert labels(found) == [
        ("第一回", "石猴出世", "他来了。\n第一回来到这里的人都说好"),
        ("第二回", "拜师", "他学了。"),
    ]
    assert [document.id for document in found] == ["book/0001", "book/0002"]


def test_titles_glued_to_their_labels_count_where_they_make_a_sequence(chapters):
    found = chapters("第1章风起\n风来了。\n第2章云涌\n云来了。\n第3章雨落\n雨来了。\n")
    assert [document.title for document in found] == ["风起", "云涌", "雨落"]


def test_a_table_of_contents_is_no_text_and_parts_tell_chapters_apart(chapters):
    found = chapters(
        "目录\n卷一 起\n第一章 甲……1\n第二章 乙……9\n卷二 承\n第一章 丙……20\n\n楔子\n从前有座山。\n\n"
        "卷一 起\n第一章 甲\n正文甲。\n第二章 乙\n正文乙。\n\n卷二 承\n第一章 丙\n正文丙。\n尾声\n完了。\n"
    )
    assert labels(found) == [
        ("楔子", "楔子", "从前有座山。"),
        ("第一章", "甲", "正文甲。"),
        ("第二章", "乙", "正文乙。"),
        ("第一章", "丙", "正文丙。"),
        ("尾声", "尾声", "完了。"),
    ]
    assert [document.payload.get("part") for document in found][:4] == [None, "卷一 起", "卷一 起", "卷二 承"]


def test_a_table_of_contents_after_a_preface_and_written_otherwise(chapters):
    found = chapters(
        "前言\n\n写在前面的话。\n\n目录\n第001章 甲\n第002章 乙\n\n第一章 甲\n甲的故事。\n第二章 乙\n乙的故事。\n"
    )
    assert labels(found) == [
        ("前言", "前言", "写在前面的话。"),
        ("第一章", "甲", "甲的故事。"),
        ("第二章", "乙", "乙的故事。"),
    ]


def test_english_books_with_contents(chapters):
    entries = "CHAPTER I. The Start\nCHAPTER II. The End\n"
    found = chapters(
        f"A TALE\n\nCONTENTS\n\n{entries}\n\nCHAPTER I. The Start\n\nIt began.\n\nCHAPTER II. The End\n\nIt ended.\n\n"
        "Epilogue\n\nDone.\n",
        encoding="utf-16",
    )
    assert labels(found) == [
        ("CHAPTER I", "The Start", "It began."),
        ("CHAPTER II", "The End", "It ended."),
        ("Epilogue", "Epilogue", "Done."),
    ]


def test_running_headers_and_page_numbers_are_cut_out_of_the_text(chapters):
    book, long = "", "他们一路走去，看见许多山水，" * 40
    page = 0
    for number in "一二三四":
        book += f"作者--大书--第{number}回　题{number}\n\n第{number}回　题{number}\n"
        for part in "甲乙丙":
            page += 1
            book += f"这是{number}之{part}，说了些事。{long}\n\n{page}\n\n大书名 {page}\n\n第{number}回　题{number}\n\n"
    found = chapters(book, encoding="gb18030")
    assert [document.chapter for document in found] == ["第一回", "第二回", "第三回", "第四回"]
    for document, number in zip(found, "一二三四", strict=True):
        assert document.text.split() == [f"这是{number}之{part}，说了些事。{long}" for part in "甲乙丙"]
        assert len(document.stretches) > 1


def test_footers_after_every_chapter_are_cut_out_and_last_sentences_stay(chapters):
    foot = "------------------\n输入：某某书屋books.example.com\n转载请保留\n"
    ends = "欲知后事如何，且听下回分解。\n"
    text = "".join(f"\t书--第{n}章 风起{n}\n\n第{n}章 风起{n}\n他走了第{n}次。\n{ends}{foot}" for n in range(1, 8))
    found = chapters(text)
    assert [document.text.strip() for document in found] == [f"他走了第{n}次。\n{ends}".strip() for n in range(1, 8)]


def test_markdown_headings_make_chapters_and_its_contents_list_none(chapters):
    found = chapters(
        "# 我的书\n\n- [第一章 开始](#a)\n- [第二章 结束](#b)\n\n## 第一章 开始\n\n内容一。\n\n```\n# no heading\n```\n"
        "### 小节\n更多。\n\n## 第二章 结束\n\n内容二。\n",
        name="book.md",
    )
    assert [(d.chapter, d.title, d.payload["book"]) for d in found] == [
        ("第一章", "开始", "我的书"),
        ("第二章", "结束", "我的书"),
    ]
    assert "更多" in found[0].text
    assert "no heading" in found[0].text


def test_a_markdown_books_introduction_is_kept_and_its_contents_section_is_not(chapters):
    found = chapters(
        "# Guide\n\nIt explains all.\n\n## Table of Contents\n\n- [Install](#install)\n- [Use](#use)\n\n"
        "## Install\n\nRun it.\n\n## Use\n\nUse it.\n",
        name="guide.md",
    )
    assert labels(found) == [
        ("Guide", "Guide", "It explains all."),
        ("Install", "Install", "Run it."),
        ("Use", "Use", "Use it."),
    ]


def test_sections_are_chapters_where_there_are_none(chapters):
    found = chapters("序\n\n这是序。\n\n第一节 起\n起的话。\n第二节 落\n落的话。\n")
    assert [document.chapter for document in found] == ["序", "第一节", "第二节"]
    found = chapters("第一章 甲\n第一节 起\n起的话。\n第二节 落\n落的话。\n")
    assert [document.chapter for document in found] == ["第一章"]


def test_long_text_before_the_first_heading_is_kept_and_a_title_page_is_not(chapters):
    found = chapters("这是很长的正文。\n" * 200 + "附录 表\n这是附录。\n")
    assert [(document.chapter, document.title) for document in found] == [(None, "book"), ("附录", "表")]
    found = chapters("大书\n作者：某\n第一章 甲\n甲的故事。\n")
    assert [document.chapter for document in found] == ["第一章"]


def test_a_text_without_headings_is_one_document(chapters):
    (document,) = chapters("只是一段没有标题的文字。\n第二段。\n")
    assert (document.chapter, document.title) == (None, "book")


def test_windows_newlines_big5_and_traditional_headings(chapters):
    found = chapters("第一回　猴王\r\n猴王出世，眾猴歡喜。\r\n附　錄　表\r\n這是附錄的內容。\r\n", encoding="big5")
    assert labels(found) == [("第一回", "猴王", "猴王出世，眾猴歡喜。"), ("附錄", "表", "這是附錄的內容。")]


def test_the_source_says_what_was_decided(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("第一回 猴王\n猴王出世。\n", encoding="utf-8")
    (source,) = open_sources([path], ReadOptions(kind="novel"))
    assert source.reason == "book.txt is read as a novel from plain text in utf-8; 1 chapter."
