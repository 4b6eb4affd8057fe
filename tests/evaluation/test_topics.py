import pytest

from schemas.errors import UsageError
from search.topics import count_features, lda_topics

HOTEL, TALE = ["room", "pool", "shuttle", "breakfast"], ["monk", "demon", "monkey", "mountain"]
TEXTS = [[word for word in words for _ in range(5)] + ["the"] for words in [HOTEL, TALE] * 15]


def test_lda_tells_two_kinds_of_text_apart():
    report = lda_topics(count_features(iter(TEXTS)), topics=2, words=4)
    found = [{word for word, _ in topic.words} for topic in report.topics]
    assert set(HOTEL) in found
    assert set(TALE) in found
    assert sum(topic.share for topic in report.topics) == pytest.approx(1)
    assert report.documents == 30
    assert report == lda_topics(count_features(iter(TEXTS)), topics=2, words=4)


def test_words_of_every_document_or_of_one_are_left_out_unless_nothing_else_is_there():
    assert "the" not in count_features(TEXTS).features
    assert count_features([["only"]]).features == ["only"]
    assert len(count_features(TEXTS, max_features=3).features) == 3


def test_a_corpus_without_words_is_refused():
    with pytest.raises(UsageError, match="no words"):
        lda_topics(count_features([[], []]))


def test_words_that_stand_everywhere_do_not_lead_a_topic():
    texts = [[*words, "often", "often"] for words in TEXTS]
    report = lda_topics(count_features(iter(texts), max_df=1.0), topics=2, words=4)
    assert all("often" not in dict(topic.words) for topic in report.topics)
