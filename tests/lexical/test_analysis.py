from __future__ import annotations

import csv
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.analysis import make_analyzer
from encoders.analyzer_options import PRESETS, recommended_tfidf
from encoders.normalize import normalize, normalize_characters
from encoders.tfidf import encode_features
from encoders.variants import DECIDED_BY_WORDS
from encoders.vocabulary import VocabularyBuilder
from schemas.errors import UsageError
from schemas.manifest import AnalyzerSettings


def analyzer(preset: str = "default", **options: object):
    return make_analyzer(AnalyzerSettings(preset=preset, options=options))


@given(st.text(st.characters(exclude_categories=())))
def test_normalising_keeps_every_character_in_its_place(text: str):
    normal = normalize(text)
    assert len(normal) == len(text)
    by_character = normalize_characters(text)
    assert by_character == "".join(normalize_characters(char) for char in text)
    assert all(a == b or b in DECIDED_BY_WORDS for a, b in zip(normal, by_character, strict=True))
    # A long text goes another way than a short one.
    assert normalize(f"{text}\n" * 100) == f"{normal}\n" * 100


@given(st.text(st.sampled_from(f"{DECIDED_BY_WORDS}解口机项名作看随 \n")))
def test_words_are_simplified_alike_in_short_and_long_texts_and_once_for_all(text: str):
    normal = normalize(text)
    assert len(normal) == len(text)
    assert normalize(f"{text}\n" * 100) == f"{normal}\n" * 100


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("我們想瞭解這個計畫", "我们想了解这个计划"),
        ("他看著窗外，隨著時間過去", "他看着窗外，随着时间过去"),
        ("他藉口有事", "他借口有事"),
        ("彷彿沈默的項鍊，反覆牴觸", "仿佛沉默的项链，反复抵触"),
        ("著名的原著顯著，著作權", "著名的原著显著，著作权"),
        ("狼藉、覆蓋、提煉、沈陽、佛教", "狼藉、覆盖、提炼、沈阳、佛教"),
    ],
)
@pytest.mark.parametrize("preset", ["default", "jieba", "words"])
def test_what_is_simplified_by_the_word_is_found_by_either_script(preset: str, traditional: str, simplified: str):
    assert normalize(traditional) == normalize(simplified)
    cut = analyzer(preset)
    assert cut.features(traditional) == cut.features(simplified)
    assert cut.words(traditional) == cut.words(simplified)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("oﬃcial ﬁle", "official file"),
        ("Straße", "Strasse"),
        ("encyclopædia œuvre", "encyclopaedia oeuvre"),
        ("Ⅷ", "VIII"),
    ],
)
def test_ligatures_are_written_out_and_marked_where_they_stand(written: str, plain: str):
    cut = analyzer()
    assert cut.features(written) == cut.features(plain)
    assert cut.words(written) == cut.words(plain)
    assert cut.feature_bags([written]).terms == cut.feature_bags([plain]).terms
    found = cut.finder(cut.features(plain))(f"x {written}")
    assert [f"x {written}"[start:end] for start, end, _ in found] == written.split()


def test_traditional_simplified_full_and_half_width_give_the_same_terms():
    cut = analyzer()
    assert cut.features("孫悟空住ＨＯＴＥＬ") == cut.features("孙悟空住hotel")
    assert cut.features("Café") == cut.features("cafe\u0301") == cut.features("CAFE")


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet="悟空西遊記ＡbcЯé ,.-'9を한\u0301don't", max_size=60))
def test_spans_name_the_places_of_the_features(preset: str, text: str):
    cut = analyzer(preset)
    spans = cut.spans(text)
    singles = [f for f in cut.features(text) if " " not in f]
    assert sorted(feature for _, _, feature in spans) == sorted(singles)
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert spans == sorted(spans, key=lambda span: span[0])


def test_analyze_gives_features_and_words_as_the_single_methods_do():
    text = "孙悟空三打白骨精, hotels near the Airport"
    for preset in PRESETS:
        cut = analyzer(preset)
        assert cut.analyze(text) == (cut.features(text), cut.words(text))


def test_words_are_neither_stemmed_nor_stopped_and_both_scripts_stand_in_order():
    assert analyzer().words("我爱北京 the Hotels 上海") == ["我", "爱", "北京", "the", "hotels", "上海"]


def test_english_features_are_stems_without_stop_words():
    assert analyzer().features("The hotels don't have parking") == ["hotel", "park"]


def test_a_user_dictionary_keeps_names_whole():
    assert "乌鸡国王子殿" in analyzer(user_dict=["乌鸡国王子殿"]).words("见那乌鸡国王子殿下")
    assert "乌鸡国王子殿" not in analyzer().words("见那乌鸡国王子殿下")


def test_a_match_is_found_in_the_original_text_whatever_its_script_and_form():
    text = "話說孫悟空的HOTELS"
    found = analyzer().finder({"孙悟", "悟空", "hotel"})(text)
    assert [text[a:b] for a, b, _ in found] == ["孫悟", "悟空", "HOTELS"]


def test_an_analyser_travels_to_another_process():
    cut = analyzer("jieba-search")
    assert pickle.loads(pickle.dumps(cut)).features("北京大学生前来应聘") == cut.features("北京大学生前来应聘")


def test_a_long_run_without_any_break_is_cut_in_time():
    features, words = analyzer().analyze("龘" * 50_000 + "a" * 500_000)
    assert len(features) == 99_999
    assert "".join(words) == "龘" * 50_000


@pytest.mark.parametrize(
    "settings",
    [
        AnalyzerSettings(preset="nonsense"),
        AnalyzerSettings(options={"typo": 1}),
        AnalyzerSettings(options={"char_ngrams": [0]}),
        AnalyzerSettings(options={"stem": "perhaps"}),
    ],
)
def test_an_unknown_preset_or_option_is_one_sentence(settings: AnalyzerSettings):
    with pytest.raises(UsageError) as caught:
        make_analyzer(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.corpora
def test_the_article_preset_gives_the_articles_features_and_similarities(corpora: Path):
    with (corpora / "seattle_hotels.csv").open(encoding="latin-1", newline="") as file:
        hotels = list(csv.DictReader(file))
    cut, settings = analyzer("article"), recommended_tfidf("article")
    features = [cut.features(hotel["desc"]) for hotel in hotels]
    builder = VocabularyBuilder()
    builder.add(features)
    vocabulary = builder.build(settings)
    assert vocabulary.stats.features == 3347
    matrix = encode_features(features, vocabulary.lookup, settings, vocabulary.stats, query=False)
    names = [hotel["name"] for hotel in hotels]
    asked = names.index("Hilton Seattle Airport & Conference Center")
    scores = (matrix @ matrix[[asked]].T).toarray().ravel()
    best = sorted(((round(float(s), 4), n) for s, n in zip(scores, names, strict=True)), reverse=True)[1:11]
    assert [n for _, n in best] == [
        "Embassy Suites by Hilton Seattle Tacoma International Airport",
        "DoubleTree by Hilton Hotel Seattle Airport",
        "Seattle Airport Marriott",
        "Four Points by Sheraton Downtown Seattle Center",
        "Motel 6 Seattle Sea-Tac Airport South",
        "Hampton Inn Seattle/Southcenter",
        "Radisson Hotel Seattle Airport",
        "Knights Inn Tukwila",
        "Hotel Hotel",
        "Home2 Suites by Hilton Seattle Airport",
    ]
    expected = [0.2266, 0.1551, 0.1503, 0.1297, 0.1225, 0.1100, 0.1084, 0.1076, 0.0996, 0.0995]
    assert [score for score, _ in best] == pytest.approx(expected, abs=1e-4)


MIXED = st.text(alphabet="孫孙悟空三打白骨精，。 hotelsHÔ-'ab12Ａ\u0301", max_size=60)


@given(text=MIXED, query=MIXED, preset=st.sampled_from(PRESETS))
@settings(max_examples=150, deadline=None)
def test_matches_are_the_spans_whose_feature_was_asked_for(text, query, preset):
    made = analyzer(preset)
    features = set(made.features(query))
    assert sorted(made.finder(features)(text)) == sorted(s for s in made.spans(text) if s[2] in features)


def test_words_cut_by_hand_are_the_terms_of_jiebas_presets_and_bound_the_ngrams_of_the_others():
    cut = ["我", "不爱", "Hotels"]
    assert analyzer("jieba").cut_features(cut) == ["我", "不爱", "hotel"]
    assert analyzer("jieba-search").cut_features(["旧金山机场"])[0] == "旧金山机场"
    assert sorted(analyzer("default").cut_features(cut)) == sorted(["我", "不", "爱", "不爱", "hotel"])
    assert analyzer("article").cut_features(["quiet", "room"]) == ["quiet", "room", "quiet room"]
    assert analyzer("default").cut_words(["不愛", "Hotels", "T恤"])[:2] == ["不爱", "hotels"]
    assert analyzer("article").cut_words(["Quiet", "the", "Room"]) == ["quiet", "room"]
