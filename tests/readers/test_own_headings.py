"""Headings by a regular expression of the user's own, and what Markdown has beside hashes."""

import pytest

from ingest.readers import ReadOptions, open_sources, with_heading
from schemas.errors import UsageError

TEXT = "No. 1 甲\n第一章 不是题目\n甲的故事。\nNo. 2 乙\n乙的故事。\n"


@pytest.mark.parametrize(
    ("heading", "titles"),
    [
        (r"^No[.] \d+ (?P<title>.+)", ["甲", "乙"]),
        (r"^No[.] \d+ (.+)", ["甲", "乙"]),
        (r"^(No)[.] \d+ (?P<title>.+)", ["甲", "乙"]),
        (r"^No[.]", ["No. 1 甲", "No. 2 乙"]),
    ],
)
def test_lines_that_match_are_the_headings_and_no_others(chapters, heading, titles):
    found = chapters(TEXT, heading=heading)
    assert [document.title for document in found] == titles
    assert found[0].text.strip() == "第一章 不是题目\n甲的故事。"
    assert [document.chapter for document in found] == ["No. 1 甲", "No. 2 乙"]


def test_a_table_of_contents_by_the_pattern_is_no_text(chapters):
    lines = "".join(f"No. {n} 题{n}\n" for n in range(1, 5))
    found = chapters(
        "目录\n" + lines + "".join(f"No. {n} 题{n}\n说了第{n}件事。\n" for n in range(1, 5)), heading="^No"
    )
    assert [document.text.strip() for document in found] == [f"说了第{n}件事。" for n in range(1, 5)]


def test_a_book_without_such_lines_is_read_as_found_and_says_so(chapters, tmp_path):
    found = chapters("第一章 甲\n甲的故事。\n", heading="^No")
    assert [document.title for document in found] == ["甲"]
    (source,) = open_sources([tmp_path / "book.txt"])
    assert with_heading(source, "^No").reason.endswith("1 chapter (no line matches --heading '^No').")
    assert with_heading(source, "^第").reason.endswith("1 chapter (by --heading).")
    assert with_heading(source, None) is source


def test_a_long_line_is_never_matched(chapters):
    found = chapters("aa b\n甲的故事。\n" + "a" * 100_000 + "\n完。\n", heading="^a+ ?b?$")
    assert [document.title for document in found] == ["aa b"]


@pytest.mark.parametrize("heading", ["(", "[", "x*", "(?P<1>x)"])
def test_a_pattern_that_cannot_be_meant_is_refused(heading):
    with pytest.raises(UsageError, match="--heading"):
        ReadOptions(heading=heading)


FRONT = "---\ntitle: '山海'\ntags:\n  - a\n---\n"


def test_markdown_front_matter_is_no_text_and_names_the_book(chapters):
    found = chapters(FRONT + "# 甲\n\n甲的故事。\n\n# 乙\n\n乙的故事。\n", name="book.md")
    assert [(d.title, d.payload["book"]) for d in found] == [("甲", "山海"), ("乙", "山海")]
    (document,) = chapters(FRONT + "只有正文。\n", name="book.md")
    assert (document.title, document.text.strip()) == ("山海", "只有正文。")


def test_a_rule_at_the_beginning_is_no_front_matter(chapters):
    (document,) = chapters("---\n他来了。\n---\n他走了。\n", name="book.md")
    assert "他来了。" in document.text
    (document,) = chapters("---\ntitle: x\n", name="book.md")
    assert "title: x" in document.text


def test_underlined_markdown_headings_are_headings(chapters):
    found = chapters("甲\n===\n\n甲的故事。\n\n乙\n===\n\n他说：\n---\n乙的故事。\n", name="book.md")
    assert [(d.title, d.text.strip()) for d in found] == [
        ("甲", "甲的故事。"),
        ("乙", "他说：\n---\n乙的故事。"),
    ]
    found = chapters(FRONT + "甲\n===\n\n文字一\n\n乙\n---\n\n文字二\n\n- 丙\n---\n", name="book.md")
    assert [d.title for d in found] == ["甲", "乙"]
    assert "- 丙" in found[1].text
