"""Documents become passages: whole sentences up to a token budget, with exact spans."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.packing import TINY
from ingest.splitting import estimate_tokens, split
from schemas.documents import Document, Stretch
from schemas.sentences import sentences


def document(text, stretches=()):
    return Document("d", "", text, "novel", "f", stretches=tuple(stretches))


def letters(texts):
    return [sum(not char.isspace() for char in text) for text in texts]


def words(texts):
    return [len(text.split()) for text in texts]


def superadditive(texts):
    """A joined text costs more than its parts, as tokenizers may count."""
    return [len(text) + len(text) ** 2 // 200 for text in texts]


def with_blanks(texts):
    """Every character costs, blanks between sentences too."""
    return [len(text) for text in texts]


def texts_of(text):
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他走了。她也走了！真的吗？", ["他走了。", "她也走了！", "真的吗？"]),
        ("“你好！”他说。『走吧。』", ["“你好！”", "他说。", "『走吧。』"]),
        ("等等……好。", ["等等……", "好。"]),
        (
            "Mr. Smith paid 3.14 dollars, e.g. in cash. He left.",
            ["Mr. Smith paid 3.14 dollars, e.g. in cash.", "He left."],
        ),
        ("J. R. R. Tolkien lived in the U.K. He wrote.", ["J. R. R. Tolkien lived in the U.K.", "He wrote."]),
        (
            'He said "Stop!" and left. 他走了。Then what? Nothing.',
            ['He said "Stop!" and left.', "他走了。", "Then what?", "Nothing."],
        ),
        ("第一段\n\n\u3000\u3000第二段", ["第一段", "第二段"]),
        ("", []),
        (" \n\u3000", []),
    ],
)
def test_sentences_end_where_a_reader_of_either_script_ends_them(text, expected):
    assert texts_of(text) == expected


ALPHABET = st.sampled_from(list("天地玄黄。！？…，；”」a b.Z!?,'\"\n\u3000\t3e\u0301👍🏽\u200d—（）"))
TEXTS = st.one_of(st.text(ALPHABET, max_size=200), st.text(max_size=100))


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, budget=st.integers(1, 40), counter=st.sampled_from([letters, words, estimate_tokens, superadditive]))
def test_passages_cover_the_text_exactly_within_the_budget(text, budget, counter):
    passages = split(document(text), max_tokens=budget, count_tokens=counter)
    assert [p.position for p in passages] == list(range(len(passages)))
    reached = 0
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert not text[reached : passage.start].strip()
        reached = passage.end
    assert not text[reached:].strip()
    for start, end in sentences(text):
        if counter([text[start:end]])[0] <= budget:
            assert any(p.start <= start and end <= p.end for p in passages)


LINES = st.lists(
    st.sampled_from(["天。", "地玄黄。", "天地玄黄宇宙洪荒，" * 3, "a b. ", "\n", "\n\n\n  ", "{", "..."]), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(TEXTS, LINES.map("".join)),
    budget=st.integers(4, 40),
    counter=st.sampled_from([letters, estimate_tokens, superadditive, with_blanks]),
)
def test_a_tiny_passage_stands_only_where_no_neighbour_can_take_it(text, budget, counter):
    passages = split(document(text), max_tokens=budget, count_tokens=counter)
    for left, right in itertools.pairwise(passages):
        sizes = counter([left.text, right.text])
        if min(sizes) >= budget * TINY:
            continue
        assert counter([text[left.start : right.end]])[0] > budget
        if counter is letters:  # the tokens of its sentences add up
            for start, _ in sentences(text[left.start : right.end])[1:]:
                cut = left.start + start
                halves = letters([text[left.start : cut], text[cut : right.end]])
                assert min(halves) < budget * TINY or max(halves) > budget


@settings(max_examples=200, deadline=None)
@given(text=LINES.map("".join), budget=st.integers(4, 40))
def test_blanks_that_cost_tokens_never_lead_over_the_budget(text, budget):
    passages = split(document(text), max_tokens=budget, count_tokens=with_blanks)
    assert max(with_blanks([p.text for p in passages]), default=0) <= budget


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from(list("天地。，ab \n")), max_size=200), budget=st.integers(2, 40))
def test_no_passage_exceeds_the_budget(text, budget):
    for counter in (letters, words, estimate_tokens):
        passages = split(document(text), max_tokens=budget, count_tokens=counter)
        assert all(count <= budget for count in counter([p.text for p in passages]))


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.text(ALPHABET, max_size=60), st.text(ALPHABET, min_size=1, max_size=9)), max_size=6)
)
def test_passages_count_in_the_source_and_cross_no_gap(pieces):
    source, text, stretches = "", "", []
    for piece, gap in pieces:
        source += gap
        stretches.append(Stretch(len(text), len(source), len(piece)))
        source += piece
        text += piece
    passages = split(document(text, stretches), max_tokens=20, count_tokens=letters)
    for passage in passages:
        assert source[passage.start : passage.end] == passage.text
        assert any(s.source_start <= passage.start and passage.end <= s.source_start + s.length for s in stretches)
    assert "".join("".join(p.text for p in passages).split()) == "".join(text.split())


def test_a_passage_prefers_to_end_with_its_paragraph():
    text = "一二三四五。六七八九。\n甲乙丙丁。戊己庚辛。"
    assert [p.text for p in split(document(text), max_tokens=16, count_tokens=letters)] == [
        "一二三四五。六七八九。",
        "甲乙丙丁。戊己庚辛。",
    ]


def test_what_a_full_passage_cannot_hold_begins_the_next():
    text = "\n          ".join(["[Unit]", "Wants=a.", "After=b.", "[Service]", "Type=oneshot.", "{", "..."])
    assert [p.text.split() for p in split(document(text), max_tokens=60, count_tokens=with_blanks)] == [
        ["[Unit]", "Wants=a.", "After=b."],
        ["[Service]", "Type=oneshot.", "{", "..."],
    ]


def test_a_short_end_shares_the_sentences_of_the_passage_before_it():
    assert [p.text for p in split(document("天地玄黄。" * 6 + "完。"), max_tokens=30, count_tokens=letters)] == [
        "天地玄黄。天地玄黄。天地玄黄。",
        "天地玄黄。天地玄黄。天地玄黄。完。",
    ]
    paragraphs = "天地玄黄。天地玄黄。天地玄黄。天地玄黄。\n天地玄黄。天地玄黄。完。"
    assert [len(p.text) for p in split(document(paragraphs), max_tokens=30, count_tokens=letters)] == [20, 12]


def test_a_tiny_document_is_one_passage():
    assert [p.text for p in split(document("{\n..."), max_tokens=256, count_tokens=letters)] == ["{\n..."]


def test_a_sentence_too_long_is_cut_at_clauses_then_words_then_characters():
    clauses = "天地玄黄宇宙洪荒，日月盈昃辰宿列张，寒来暑往秋收冬藏。"
    assert [p.text[-1] for p in split(document(clauses), max_tokens=12, count_tokens=letters)] == ["，", "，", "。"]
    english = "one two three four five six seven eight"
    assert " ".join(p.text for p in split(document(english), max_tokens=3, count_tokens=words)) == english
    assert [p.text for p in split(document("天地玄黄宇宙洪荒"), max_tokens=4, count_tokens=letters)] == [
        "天地玄黄",
        "宇宙洪荒",
    ]


def test_a_character_and_its_marks_are_never_torn():
    text = "e\u0301" * 50
    for passage in split(document(text), max_tokens=5, count_tokens=letters):
        assert not passage.text.startswith("\u0301")


def test_a_megabyte_without_a_sentence_end_is_split():
    passages = split(document("a" * 1_000_000), max_tokens=256, count_tokens=estimate_tokens)
    assert sum(len(p.text) for p in passages) == 1_000_000


def test_an_estimate_counts_chinese_by_character_and_english_by_word():
    assert estimate_tokens(["天地玄黄", "", "the old house"]) == [4, 0, 4]


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="positive"):
        split(document("x"), max_tokens=0, count_tokens=letters)
