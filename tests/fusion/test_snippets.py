import re
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from search.snippets import Snippets


def snippet(text, features, finder=None, **options):
    return Snippets(features, finder(features) if finder else partial(matches, features), **options).of(text)


def matches(features, text):
    found = [(m.start(), m.end(), m[0].lower()) for m in re.finditer(r"[A-Za-z]+", text)]
    found += [
        (m.start() + i, m.start() + i + 2, m[0][i : i + 2])
        for m in re.finditer(r"[\u4e00-\u9fff]+", text)
        for i in range(len(m[0]) - 1)
    ]
    return sorted(match for match in found if match[2] in features)


def marked(found):
    return [found.text[start:end] for start, end in found.highlights]


def test_the_sentence_with_most_of_the_query_is_chosen_and_its_words_marked():
    text = "The lobby is large. A free shuttle goes to the airport every hour. Breakfast is served. " * 3
    found = snippet(text, {"shuttle", "airport"}, max_chars=50)
    assert found.text == "A free shuttle goes to the airport every hour."
    assert marked(found) == ["shuttle", "airport"]


def test_chinese_matches_that_touch_become_one_mark():
    text = "师徒四人走了一日。孙悟空三打白骨精，唐僧不信。八戒说风凉话。"
    found = snippet(text, {"白骨", "骨精"}, max_chars=16)
    assert found.text == "孙悟空三打白骨精，唐僧不信。"
    assert marked(found) == ["白骨精"]


def test_without_a_match_the_text_begins():
    assert snippet("One here. Two here.", {"zebra"}, max_chars=12).text == "One here."


def test_a_long_sentence_is_cut_at_words_around_its_matches():
    text = "word " * 80 + "needle haystack " + "word " * 80
    found = snippet(text, {"needle", "haystack"}, max_chars=60)
    assert marked(found) == ["needle", "haystack"]
    assert len(found.text) <= 60
    assert set(found.text.split()) == {"word", "needle", "haystack"}


def test_rare_words_outweigh_frequent_ones():
    text = "The hotel is a hotel of hotels. A quokka lives nearby."
    assert "quokka" in snippet(text, {"hotel": 0.1, "quokka": 5.0}, max_chars=40).text


@given(st.text(alphabet="ab白骨精孙。.!\n ，C", max_size=200), st.integers(1, 60))
def test_a_snippet_is_a_piece_of_its_text_within_the_length(text, limit):
    found = snippet(text, {"白骨", "ab", "c"}, max_chars=limit)
    assert text[found.start : found.start + len(found.text)] == found.text
    assert len(found.text) <= limit
    assert all(0 <= start < end <= len(found.text) for start, end in found.highlights)
    if text.strip():
        assert found.text.strip()


def test_single_characters_of_a_longer_query_are_not_marked_on_their_own():
    from encoders.analysis import make_analyzer

    analyzer = make_analyzer()
    text = "行者打了三下，那白骨夫人现了本相。"
    assert marked(snippet(text, set(analyzer.features("三打白骨精")), analyzer.finder)) == ["白骨"]
    # Where nothing longer matches they are all there is, and a query of one character is the whole query.
    assert marked(snippet("打了三下。", set(analyzer.features("三打白骨精")), analyzer.finder)) == ["打", "三"]
    assert marked(snippet(text, set(analyzer.features("打")), analyzer.finder)) == ["打"]
