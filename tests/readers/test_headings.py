"""Heading lines: decorations, kinds of labels, and lines that are hardly more than a number."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.readers.headings import parse_line

HAN = "他走进门来，看见桌上放着一封信，心里不觉一惊。窗外雨声渐大，灯影摇曳不定。\n" * 12
ENGLISH = "He came in through the door and saw the letter lying there, and he was afraid of what it said.\n" * 10


def book(heads, body=HAN):
    return "书名：试书\n\n" + "".join(f"{head}\n\n{body}\n" for head in heads)


def heads(found):
    return [(document.chapter, document.title) for document in found]


@pytest.mark.parametrize(
    ("line", "label", "title"),
    [
        ("☆、第一章 风起", "第一章", "风起"),
        ("【第一章】风起", "第一章", "风起"),
        ("【第一章 风起】", "第一章", "风起"),
        ("**第一章 甲**", "第一章", "甲"),
        ("**第一章** 甲", "第一章", "甲"),
        ("——第一章 甲——", "第一章", "甲"),
        ("\ufeff第一章 甲", "第一章", "甲"),
        ("\u200b第一章 \u200b甲", "第一章", "甲"),
        ("第③章 雨落", "第③章", "雨落"),
        ("第4-5章 雷鸣", "第4-5章", "雷鸣"),
        ("_CHAPTER I_", "CHAPTER I", "CHAPTER I"),
        ("[CHAPTER IV]", "CHAPTER IV", "CHAPTER IV"),
        ("CHAPTER I.—The Storm", "CHAPTER I", "The Storm"),
        ("CHAPTER III. _In which he goes_", "CHAPTER III", "In which he goes"),
        ("STAVE I: MARLEY'S GHOST", "STAVE I", "MARLEY'S GHOST"),
        ("Ch. 1", "Ch. 1", "Ch. 1"),
        ("Letter 1", "Letter 1", "Letter 1"),
        ("SCENE I. Rome.", "SCENE I", "Rome"),
        ("Chapter 1 风起", "Chapter 1", "风起"),
        ("Chapter 1 - The Start", "Chapter 1", "The Start"),
        ("第一章 风起 - 云涌", "第一章", "风起 - 云涌"),
    ],
)
def test_a_label_is_seen_through_what_decorates_it(line, label, title):
    heading = parse_line(line + "\n")
    assert (heading.label, heading.title, heading.prefix, heading.entry) == (label, title, "", False)


@pytest.mark.parametrize(
    "line", ["（第一章完）", "【第一章 完】", "Letter 1 was long.", "Act one of kindness", "Chapter 1 他来了。",
             "“第一章”", "[1]", "第一，他来了", "chapter one"]
)  # fmt: skip
def test_what_only_names_a_chapter_is_no_heading(line):
    assert parse_line(line + "\n") is None


def test_a_part_on_its_chapters_line_is_the_chapters_part(chapters):
    found = chapters(book(["第一卷 少年游 第一章 风起", "第一卷 少年游 第二章 云涌", "第二卷 江湖 第一章"]))
    assert heads(found) == [("第一章", "风起"), ("第二章", "云涌"), ("第一章", "第一章")]
    assert [d.payload["part"] for d in found] == ["第一卷 少年游", "第一卷 少年游", "第二卷 江湖"]


def test_both_scripts_in_one_book_and_halves_that_hold_chapters(chapters):
    found = chapters(book(["Chapter 1 风起", "Chapter 2 云涌", "番外一 旧事"]))
    assert heads(found) == [("Chapter 1", "风起"), ("Chapter 2", "云涌"), ("番外一", "旧事")]
    found = chapters("上部\n\n" + book(["第一章 甲", "第二章 乙"]) + "下部\n\n" + book(["第三章 丙"]))
    assert [(d.title, d.payload.get("part")) for d in found if d.chapter[0] == "第"] == [
        ("甲", "上部"),
        ("乙", "上部"),
        ("丙", "下部"),
    ]


def test_the_scenes_of_an_act_are_chapters_of_a_part(chapters):
    found = chapters("ACT I\n\n" + book(["SCENE I. Rome.", "SCENE II. Egypt."], ENGLISH))
    assert [(d.title, d.payload.get("part")) for d in found][-1] == ("Egypt", "ACT I")


SERIES = [
    ["一、风起", "二、云涌", "三、雨落"],
    ["（一）", "（二）", "（三）"],
    ["其一", "其二"],
    ["一", "二", "三"],
    ["1", "2", "3"],
    ["001 风起", "002 云涌", "003 雨落"],
    ["I", "II", "III", "IV"],
    ["I. A SCANDAL IN BOHEMIA", "II. THE RED-HEADED LEAGUE", "III. A CASE OF IDENTITY"],
    ["chapter one", "chapter two"],
]


@pytest.mark.parametrize("lines", SERIES)
def test_numbers_that_run_in_order_with_text_between_make_chapters(chapters, lines):
    found = chapters(book(lines))
    assert len(found) == len(lines)
    for document, line in zip(found, lines, strict=True):
        assert line.startswith(document.chapter)
        assert line.endswith(document.title)
        assert document.text.count("心里不觉一惊") == 12


@pytest.mark.parametrize("lines", SERIES)
def test_the_same_lines_are_text_where_they_make_no_series(chapters, lines):
    backwards = chapters(book(reversed(lines)))
    assert [document.chapter for document in backwards] == [None]
    listed = chapters(HAN * 3 + "\n".join(lines) + "\n" + HAN * 3)
    assert [document.chapter for document in listed] == [None]
    # Bare numbers that count upwards are taken for those of pages.
    assert lines == ["1", "2", "3"] or all(line in listed[0].text for line in lines)


@pytest.mark.parametrize("lines", SERIES)
def test_a_book_with_firmer_chapters_keeps_those(chapters, lines):
    found = chapters("第一章 甲\n\n" + book(lines) + "第二章 乙\n\n" + book(lines))
    assert [document.title for document in found] == ["甲", "乙"]


def test_a_series_table_of_contents_is_no_text_and_a_list_within_a_chapter_stays(chapters):
    lines = ["一、风起", "二、云涌", "三、雨落"]
    listed = "他说了三件事：\n一、吃饭\n二、睡觉\n三、走路\n"
    found = chapters("目录\n" + "\n".join(lines) + "\n\n" + book(lines, HAN + listed + HAN))
    assert [document.title for document in found] == ["风起", "云涌", "雨落"]
    assert all("二、睡觉" in document.text for document in found)


def test_page_numbers_stay_page_numbers(chapters):
    torn = "他走进门来，看见桌上放着一封信，心里不觉\n\n{}\n\n一惊。窗外雨声渐大，灯影摇曳不定。\n" + HAN
    assert [d.chapter for d in chapters("".join(torn.format(n) for n in range(1, 8)))] == [None]
    whole = "".join(f"{HAN}\n{n}\n\n" for n in range(1, 12))
    (document,) = chapters(whole)
    assert "\n7\n" not in document.text


def test_bare_numbers_are_chapters_within_parts_where_they_begin_anew(chapters):
    found = chapters("第一部\n\n" + book("123") + "第二部\n\n" + book("123"))
    assert [(d.chapter, d.payload.get("part")) for d in found if d.chapter in "123"] == [
        (number, part) for part in ("第一部", "第二部") for number in "123"
    ]


def test_sections_within_a_titled_series_are_no_chapters(chapters):
    story = "I\n\n" + ENGLISH + "\nII\n\n" + ENGLISH + "\nIII\n\n" + ENGLISH
    titles = ["I. A SCANDAL IN BOHEMIA", "II. THE RED-HEADED LEAGUE", "III. A CASE OF IDENTITY"]
    found = chapters(book(titles, story))
    assert [document.chapter for document in found] == ["I", "II", "III"]
    assert found[1].title == "THE RED-HEADED LEAGUE"


def test_a_title_on_the_line_below_is_taken_where_every_chapter_has_one(chapters):
    found = chapters(book(["CHAPTER I\nTHE BOY WHO LIVED", "CHAPTER II\n\nTHE VANISHING GLASS"], ENGLISH))
    assert heads(found) == [("CHAPTER I", "THE BOY WHO LIVED"), ("CHAPTER II", "THE VANISHING GLASS")]
    assert all(document.text.strip().startswith("He came") for document in found)
    for lines in (["CHAPTER I\nTHE BOY", "CHAPTER II"], ["CHAPTER I\nBy a Friend", "CHAPTER II\nBy a Friend"]):
        assert [title for _, title in heads(chapters(book(lines, ENGLISH)))] == ["CHAPTER I", "CHAPTER II"]


def test_lines_end_where_unicode_ends_them(chapters):
    text = book(["第一回 风起", "第二回 云涌"]).replace("\n", "\u2028")
    assert heads(chapters(text)) == [("第一回", "风起"), ("第二回", "云涌")]


def test_the_text_after_an_item_of_a_list_that_does_not_come_again_is_its_own(chapters):
    found = chapters("他来了。\n# 题\n第一章 甲\n* 第二章\n" + HAN, "book.md")
    assert [document.text.count("灯影摇曳不定") for document in found if document.chapter == "第二章"] == [12]


def test_long_text_before_the_first_heading_of_markdown_is_kept_whatever_stands_in_it(chapters):
    """A line of plain text that looks like a heading is none where ``#`` marks them, and does not end the front."""
    found = chapters(f"他来了。\n第一章 甲\n{HAN}{HAN}\n# 题\n第一章 甲\n", "book.md")
    assert [document.chapter for document in found] == [None, "题"]
    assert found[0].text.count("灯影摇曳不定") == 24


def test_of_a_short_text_what_is_before_the_first_heading_is_kept_where_it_is_most(chapters):
    found = chapters("# 附注\n一句话而已。\n", "note.md")
    assert [document.chapter for document in found] == ["附注"]
    found = chapters("信是昨夜送来的，灯影摇曳不定，他看了很久。\n# 附注\n一句话而已。\n", "note.md")
    assert [document.chapter for document in found] == [None, "附注"]
    found = chapters(f"{HAN}第一章 甲\n---\n第一章 甲\n", "note.md")
    assert "灯影摇曳不定" in found[0].text


def test_long_text_after_a_table_of_contents_is_kept(chapters):
    heads = ["第一章 甲", "第二章 乙", "第三章 丙"]
    preface, body = HAN * 2, book(heads)
    found = chapters("\n".join(["目录", *heads, preface, body]))
    assert [document.chapter for document in found] == [None, "第一章", "第二章", "第三章"]
    assert found[0].text.count("灯影摇曳不定") == 24
    found = chapters("\n".join(["目录", *heads, "一部旧书，今日重印。", body]))
    assert [document.chapter for document in found] == ["第一章", "第二章", "第三章"]


HEADINGS = ["第一章 甲", "* 第二章", "☆、第三章", "Chapter 1 风起", "CHAPTER I", "chapter one", "上部", "下部", "# 题"]
SERIAL = ["一、风起", "（一）", "1", "2", "3", "12", "I", "II", "其一", "目录"]
SMALL = ["", "\n", *SERIAL, "二、云涌", "THE BOY", "他走了。"]
PIECES = st.sampled_from([*HEADINGS, *SMALL, "---", "===", "a: b", HAN])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, min_size=1, max_size=40), name=st.sampled_from(["book.txt", "book.md"]))
def test_any_order_of_lines_is_read_and_no_long_text_is_lost(chapters, pieces, name):
    text = "他来了。\n" + "\n".join(pieces)
    found = chapters(text, name)
    assert sum(document.text.count("灯影摇曳不定") for document in found) >= 12 * (pieces.count(HAN) - 1)
    if HAN in pieces:
        assert found
