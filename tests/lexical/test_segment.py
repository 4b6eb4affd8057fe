"""jieba-rs cuts as jieba does."""

import logging
import re
from pathlib import Path

import jieba
import pytest

from encoders.segment import Segmenter

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def runs():
    text = "".join((SAMPLES / name).read_text(encoding="utf-8") for name in ("tale.txt", "hotels.csv"))
    return re.findall(r"[\u4e00-\u9fff]+", text)


@pytest.mark.parametrize("hmm", [False, True])
def test_words_are_jiebas_own(runs, hmm):
    jieba.setLogLevel(logging.WARNING)
    segmenter = Segmenter(hmm=hmm)
    assert len(runs) > 1000
    assert [segmenter.cut(run) for run in runs] == [jieba.lcut(run, HMM=hmm) for run in runs]


def test_a_name_that_was_given_stays_whole(runs):
    name = "九指鹤易名"
    assert name in Segmenter([name]).cut("第四回九指鹤易名设宴")
    assert name not in Segmenter().cut("第四回九指鹤易名设宴")
