import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.analysis import make_analyzer
from encoders.analyzer_options import PRESETS
from encoders.codes import codes_in, spellings
from encoders.query_features import query_features
from encoders.vocabulary import VocabularyBuilder
from schemas.manifest import AnalyzerSettings, TfidfSettings

TEXTS = st.text(alphabet="ab1四5-/. _\u2010x", max_size=40)


def found(text):
    return [code for _, _, code in codes_in(text)]


@pytest.mark.parametrize("written", ["ab-4512-c", "ab4512-c", "ab.4512.c", "ab-4512/c", "ab\u20104512\u2011c"])
def test_a_part_number_is_one_term_however_it_is_joined(written):
    assert found(f"型号{written}的阀门, see {written}.") == ["ab4512c", "ab4512c"]


def test_a_point_between_digits_stays_since_it_makes_another_number():
    assert found("v1.2-b v12-b 2021-06-30 978-3-16-148410-0 1.2.3") == [
        "v1.2b",
        "v12b",
        "2021-06-30",
        "978-3-16-148410-0",
        "1.2.3",
    ]


def test_words_with_hyphens_quantities_ranges_and_names_without_a_joint_are_none():
    assert found("well-known 2.5 10-20 24/7 ab4512c snake_case-1 end. 5 -x and/or//1") == []


def test_names_of_letters_and_signs_are_not_the_letter():
    assert found("c++, c# and f#; objective-c++") == ["c++", "c#", "f#", "c++"]
    assert found("a+b c+ c+++ word# #tag 3# c##") == []
    cut = make_analyzer(AnalyzerSettings())
    assert "c++" in cut.features("Ｃ＋＋ 语言")
    assert cut.finder({"c++"})("Learn C++ now") == [(6, 9, "c++")]


@given(TEXTS)
def test_codes_lie_where_they_are_said_to(text):
    for start, end, code in codes_in(text):
        kept = iter(text[start:end])
        assert all(char in kept for char in code)
        assert any(map(str.isdigit, code))


@given(st.lists(TEXTS, max_size=3), st.sampled_from(PRESETS))
def test_many_texts_at_once_have_the_terms_that_each_has_alone(texts, preset):
    cut = make_analyzer(AnalyzerSettings(preset=preset))
    bags = cut.feature_bags(texts)
    dense = bags.counts.toarray()
    for row, text in enumerate(texts):
        alone = sorted(cut.features(text))
        assert sorted(t for column, t in enumerate(bags.terms) for _ in range(int(dense[row, column]))) == alone


def test_a_passage_holds_the_code_beside_its_pieces():
    cut = make_analyzer(AnalyzerSettings())
    assert sorted(cut.features("Valve XK-2041-B")) == ["2041", "b", "valv", "xk", "xk2041b"]
    assert (6, 15, "xk2041b") in cut.spans("Valve XK-2041-B")
    assert cut.finder({"xk2041b"})("Valve XK-2041-B") == [(6, 15, "xk2041b")]


def test_no_codes_are_made_where_they_are_not_wanted():
    assert not make_analyzer(AnalyzerSettings(options={"codes": False})).has_codes
    article = make_analyzer(AnalyzerSettings(preset="article"))
    assert not article.has_codes
    assert article.features("xk-2041-b pool") == ["xk2041b", "pool", "xk2041b pool"]


def asked(query, *texts, **options):
    """The features of a query to a corpus of these texts."""
    cut = make_analyzer(AnalyzerSettings(options=options))
    builder = VocabularyBuilder()
    builder.add(map(cut.features, texts))
    return query_features(cut, [query], builder.build(TfidfSettings()))[0]


@pytest.mark.parametrize("query", ["xk-2041-b", "XK2041B", "xk 2041 b", "XK2041-B", "xk/2041 b"])
def test_a_query_finds_a_code_with_or_without_its_joints(query):
    assert "xk2041b" in asked(query, "Valve XK-2041-B")
    assert "xk2041b" in asked(query, "Valve XK2041B")


def test_a_code_that_the_corpus_writes_apart_is_looked_for_apart():
    assert asked("iphone15 充电", "我的 iPhone 15 充电很快") == ["充", "电", "充电", "iphon", "15"]


def test_what_the_corpus_does_not_know_stays_as_it_was_asked():
    assert asked("qq 12 rr9", "Valve XK-2041-B") == ["qq", "12", "rr9"]
    assert asked("xk-2041-z", "Valve XK-2041-B") == ["xk", "2041", "z"]
    assert "25kg" not in asked("2.5 kg", "25kg 25-kg")
    assert asked("xk 2041 b", "Valve XK-2041-B", codes=False) == ["xk", "2041", "b"]


@given(TEXTS)
def test_other_spellings_hold_the_same_letters_and_numbers(text):
    for code, to in spellings(text):
        assert code in text
        assert not code or "".join(to) == code
        letters = iter(text)
        assert all(char in letters for char in "".join(to))


def test_many_questions_take_one_look_into_the_vocabulary():
    looks = []

    def lookup(terms):
        looks.append(terms)
        return {}

    found = query_features(make_analyzer(AnalyzerSettings()), ["xk 2041 b", "rr9", "pool"], lookup)
    assert found == [["xk", "2041", "b"], ["rr9"], ["pool"]]
    assert len(looks) == 1
