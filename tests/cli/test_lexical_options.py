"""``--user-dict`` and ``--word2vec`` of ``xunyi ingest``."""

import pytest

from cli.lexical_options import analyzer_settings, word2vec_settings
from encoders.analysis import make_analyzer
from schemas.errors import InputError, UsageError


def test_a_jieba_user_dictionary_keeps_its_names_whole(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeff弼马温 100 nr\n\n孙行者\n", encoding="utf-8")
    settings = analyzer_settings(None, path)
    assert settings.options == {"user_dict": ["孙行者", "弼马温"]}
    assert "弼马温" in make_analyzer(settings).words("封他做个弼马温官")
    assert "弼马温" not in make_analyzer().words("封他做个弼马温官")


def test_nothing_asked_is_nothing_set(tmp_path):
    assert analyzer_settings(None, None) is None
    assert word2vec_settings(()) is None
    assert analyzer_settings("char", None).preset == "char"


def test_a_dictionary_that_cannot_be_read_is_one_sentence(tmp_path):
    for name, content in (("none.txt", None), ("gbk.txt", "孙行者".encode("gbk")), ("empty.txt", b"\n")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            analyzer_settings(None, tmp_path / name)


def test_word2vec_takes_its_own_settings():
    settings = word2vec_settings(("epochs=20", "sample=1e-4", "skip_gram=false", "phrases=1"))
    assert (settings.epochs, settings.sample, settings.skip_gram, settings.phrases) == (20, 1e-4, False, True)


@pytest.mark.parametrize("value", ["epochs", "epoch=3", "epochs=many", "dim=0", "sample=2", "window=-1", "sif_a=0"])
def test_a_setting_that_cannot_be_is_refused(value):
    with pytest.raises(UsageError, match="word2vec"):
        word2vec_settings((value,))
