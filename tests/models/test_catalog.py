"""What is told of models without loading them, and where they are looked for."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cli.main import main
from encoders.catalog import show_model
from encoders.presets import PRESETS
from encoders.registry import encoder_from_identity, get_encoder
from schemas.errors import EncoderError, EncoderMismatch, UsageError

pytest.importorskip("torch")
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def xunyi(tmp_path, monkeypatch, capsys):
    """Runs a command; gives exit code, output and errors."""
    monkeypatch.setenv("XUNYI_STORE", str(tmp_path / "store"))

    def run(*args):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in args])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def with_own_code(qwen_folder, copied, tmp_path):
    """A model folder whose code leaves a mark where it runs, and that mark's path."""
    folder, mark = copied(qwen_folder), tmp_path / "it-ran"
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config["model_type"] = "own"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    return folder, mark


@pytest.mark.parametrize("which", ["qwen_folder", "bge_folder", "bare_folder", "minilm_folder"])
def test_a_folders_own_files_tell_what_the_loaded_model_has(which, request):
    folder = request.getfixturevalue(which)
    told, options = show_model(str(folder)), {"pooling": "mean"} if which == "bare_folder" else {}
    loaded = get_encoder(str(folder), precision="float32", device="cpu", **options)
    assert told.dim == loaded.spaces["dense"].dim
    assert set(told.spaces) >= set(loaded.spaces)
    assert told.max_length == (loaded._max_length if "sparse" in told.spaces else loaded._length)
    if prompts := loaded.identity.prompts:
        assert (told.query_prompt, told.passage_prompt) == (prompts.get("query", ""), prompts.get("passage", ""))
    assert told.disk_mb == max(1, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) // 1_000_000)
    assert told.memory_mb > told.disk_mb


def test_the_preset_of_minilm_says_what_its_real_files_say(minilm_folder):
    told, preset = show_model(str(minilm_folder)), PRESETS["all-minilm-l6-v2"]
    assert (told.dim, told.max_length, told.pooling) == (preset.dim, preset.max_length, preset.pooling)
    assert told.licence == preset.licence.lower()
    assert told.disk_mb == pytest.approx(preset.parameters * preset.stored, rel=0.05)


def test_a_resaved_model_with_a_dense_layer_tells_the_wider_dimension(qwen_folder, copied):
    folder = copied(qwen_folder)
    (folder / "1_Pooling" / "config.json").write_text('{"embedding_dimension": 48, "pooling_mode": "lasttoken"}')
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "3_Dense").mkdir()
    (folder / "3_Dense" / "config.json").write_text('{"in_features": 48, "out_features": 96}')
    told = show_model(str(folder))
    assert (told.dim, told.pooling) == (96, "lasttoken")


def test_show_tells_a_folder_in_words_and_refuses_one_without_a_model(xunyi, qwen_folder, tmp_path):
    code, out, _ = xunyi("models", "show", qwen_folder)
    assert code == 0
    for part in ("48", "64", "lasttoken", r"'Instruct: find the passage\nQuery: '"):
        assert part in out
    code, out, err = xunyi("models", "show", tmp_path, "--json")
    assert (code, out) == (EncoderError.exit_code, "")
    assert "no config.json" in err


def test_show_ends_as_an_option_that_cannot_be_meant_for_a_name_that_is_none(xunyi):
    for command in ("show", "download"):
        code, out, err = xunyi("models", command, "nosuch")
        assert (code, out) == (UsageError.exit_code, "")
        assert "There is no encoder 'nosuch'" in err


def test_own_code_is_refused_before_anything_loads_and_the_message_says_what_it_means(xunyi, with_own_code, tmp_path):
    folder, mark = with_own_code
    with pytest.raises(EncoderError, match=r"run here with all your rights.*keys.*--trust-remote-code"):
        get_encoder(str(folder))
    rows = tmp_path / "r.csv"
    rows.write_text("id,text\n1,a quiet hotel\n", encoding="utf-8")
    code, _, err = xunyi("ingest", rows, "--corpus", "c", "--encoder", folder, "--spaces", "dense")
    assert code == EncoderError.exit_code
    assert "with all your rights" in err
    assert "Traceback" not in err
    code, out, _ = xunyi("models", "show", folder, "--json")
    assert code == 0
    assert json.loads(out)["remote_code"] is True
    assert not mark.exists()


def test_a_foreign_module_of_the_sentence_transformers_layout_is_own_code_too(qwen_folder, copied):
    folder = copied(qwen_folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match="code of its own"):
        get_encoder(str(folder))


def test_a_model_is_found_below_the_folder_of_models(qwen_folder, tmp_path, monkeypatch):
    import shutil

    old = Path(shutil.copytree(qwen_folder, tmp_path / "old" / "tiny"))
    identity = get_encoder(str(old)).identity
    shutil.copytree(old, tmp_path / "models" / "org" / "named")
    new = Path(shutil.move(old, tmp_path / "models" / "tiny"))
    with pytest.raises(EncoderError, match="XUNYI_MODELS"):
        encoder_from_identity(identity)
    monkeypatch.setenv("XUNYI_MODELS", str(tmp_path / "models"))
    assert encoder_from_identity(identity).identity.revision == identity.revision
    assert get_encoder("st:org/named").identity.revision == identity.revision
    assert show_model("org/named").here
    (new / "tokenizer_config.json").write_text("{}")
    with pytest.raises(EncoderMismatch, match="revision"):
        encoder_from_identity(identity)


def test_sizes_are_free_where_the_card_says_so_and_fixed_elsewhere():
    free, fixed = PRESETS["qwen3-embedding-0.6b"], PRESETS["jina-embeddings-v3"]
    assert free.gives(300)
    assert free.gives(1024)
    assert not free.gives(16)
    assert not free.gives(2048)
    assert fixed.gives(256)
    assert not fixed.gives(300)
    assert not PRESETS["m3e-base"].gives(256)


@pytest.mark.skipif(find_spec("modelscope") is None, reason="needs the package modelscope")
def test_a_model_in_modelscopes_cache_is_seen(tmp_path):
    folder = tmp_path / "models" / "moka-ai--m3e-small" / "snapshots" / "master"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"0" * 2_000_000)
    environment = {**os.environ, "MODELSCOPE_CACHE": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "none")}
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "models", "list", "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {entry["name"]: entry for entry in json.loads(ran.stdout)["models"]}
    assert (found["m3e-small"]["hub"], found["m3e-small"]["disk_mb"]) == ("modelscope", 2)
    assert found["m3e-base"]["hub"] is None


def test_the_real_minilm_is_ingested_and_searched_from_its_folder(xunyi, minilm_folder, tmp_path):
    rows = tmp_path / "hotels.csv"
    rows.write_text(
        "id,text\n1,Guests can bring their dog along.\n2,The rooftop pool is heated.\n3,A shuttle meets each flight.\n",
        encoding="utf-8",
    )
    code, out, err = xunyi("ingest", rows, "--corpus", "c", "--encoder", minilm_folder, "--spaces", "dense", "--json")
    assert code == 0, err
    assert json.loads(out)["added"] == 3
    code, out, err = xunyi("search", "pets are welcome", "--corpus", "c", "--json")
    assert code == 0, err
    hits = json.loads(out)["hits"]
    assert "dog" in hits[0]["text"]
    assert hits[0]["spaces"].keys() == {"dense"}
