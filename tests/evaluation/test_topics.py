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


def test_no_more_topics_are_found_than_documents_have_words_for():
    for texts in (TEXTS[:4], [*TEXTS[:4], []], [["word", "other"]] * 5):
        report = lda_topics(count_features(texts), topics=500)
        assert 1 <= len(report.topics) <= 4 + (texts[0] == ["word", "other"])
        assert sum(topic.share for topic in report.topics) == pytest.approx(1)


def test_a_topic_names_the_documents_that_have_most_of_it():
    named = [(f"d{row}", "") for row in range(30)]
    report = lda_topics(count_features(TEXTS), topics=2, words=4, documents=30, named=named)
    for topic in report.topics:
        of_hotels = {word for word, _ in topic.words} == set(HOTEL)
        assert {int(found.document_id[1:]) % 2 for found in topic.documents} == {0 if of_hotels else 1}
        assert len(topic.documents) == 15
        assert min(found.share for found in topic.documents) > 0.5
    assert lda_topics(count_features(TEXTS), topics=2).topics[0].documents == []


def test_another_seed_is_another_beginning():
    texts = [[*words[:7], *TEXTS[at - 1][: at % 5]] for at, words in enumerate(TEXTS)]
    assert lda_topics(count_features(texts), topics=6, seed=1) != lda_topics(count_features(texts), topics=6, seed=2)
