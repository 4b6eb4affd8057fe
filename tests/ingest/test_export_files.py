"""The file that an export writes: where it may be, who writes it, and what is in memory at once."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pyarrow.parquet as pq
import pytest

from ingest.corpus import create_shelves
from ingest.exchange import export_corpus, import_corpus
from ingest.exchange_rows import ROWS
from ingest.slices import MULTI_BATCH
from schemas.errors import UsageError
from schemas.ids import document_point_id, passage_point_id
from schemas.manifest import CorpusManifest, Counts, EncoderIdentity
from schemas.spaces import PointBatch, Space, SpaceKind
from stores.files import replace_alone
from stores.opening import open_store
from tests.kept import contents

TOKENS = Space(name="colbert", kind=SpaceKind.MULTI, dim=3)


def filled(store, spaces=(TOKENS,), passages=40):
    """A corpus ``c`` of one document, with vectors of its passages in one space for each token."""
    manifest = CorpusManifest(
        corpus="c",
        spaces={space.name: space for space in spaces},
        encoders={space.name: EncoderIdentity(name="made", revision="1") for space in spaces},
        complete=True,
        counts=Counts(documents=1, passages=passages),
    )
    create_shelves(store, manifest)
    own = {"document_id": "a", "title": "", "chapter": None, "text": "Lake.", "hash": "h", "meta": {}}
    numbers = np.arange(passages * 12, dtype=np.float32).reshape(passages, 4, 3)
    store.upsert(
        "c.g1.passages",
        PointBatch(
            [passage_point_id("c", "a", n) for n in range(passages)],
            [{**own, "position": n, "start": 0, "end": 5} for n in range(passages)],
            # Of other lengths each, and one without any.
            {"colbert": [numbers[n][: n % 5] for n in range(passages)]},
        ),
    )
    rest = {"kind": "records", "source": "a.jsonl", "position": 0, "stretches": [], "passages": passages}
    store.upsert("c.g1.documents", PointBatch([document_point_id("c", "a")], [{**own, **rest}], {}))
    store.write_manifest(manifest)


def test_vectors_of_single_tokens_are_written_and_read_a_few_points_at_a_time(store, tmp_path):
    filled(store)
    path = tmp_path / "c.parquet"
    export_corpus("c", path, store=store)
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [MULTI_BATCH, MULTI_BATCH, 40 - 2 * MULTI_BATCH, 1]
    # A file whose row groups are larger is read in as small parts.
    pq.write_table(pq.read_table(path), tmp_path / "large.parquet", row_group_size=ROWS)
    for file in (path, tmp_path / "large.parquet"):
        with open_store(":memory:") as second:
            written = []
            upsert = second.upsert
            second.upsert = lambda name, batch, upsert=upsert, written=written: (
                written.append(len(batch)), upsert(name, batch)
            )  # fmt: skip
            import_corpus(file, store=second)
            assert max(written) <= MULTI_BATCH
            assert contents(second) == contents(store)


@pytest.mark.parametrize("place", ["there", "file"])
def test_a_folder_that_is_not_there_is_named(tmp_path, place):
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = tmp_path / place / "c.parquet"
    with open_store(":memory:") as store:
        filled(store)
        with pytest.raises(UsageError) as error:
            export_corpus("c", path, store=store)
        why = "is no folder; name" if place == "file" else "is not there; make the folder, or name"
        assert str(error.value) == f"{path} cannot be written, since {path.parent} {why} another file."
        with pytest.raises(UsageError, match="is a folder; name a file in it"):
            export_corpus("c", tmp_path, store=store)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_written_is_called_by_its_own_name(tmp_path):
    with open_store(":memory:") as store:
        filled(store)
        path = tmp_path / f"{'x' * 250}.parquet"
        with pytest.raises(UsageError) as error:
            export_corpus("c", path, store=store)
    assert str(error.value) == f"{path} cannot be written (File name too long); name another file."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("name", ["pipe", "link"])
def test_a_pipe_is_not_replaced_by_a_file(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with open_store(":memory:") as store:
        filled(store)
        with pytest.raises(UsageError, match=f"{name} is a pipe, a device or a socket, .*; name a file"):
            export_corpus("c", tmp_path / name, store=store)
    with pytest.raises(OSError, match="Not a regular file"), replace_alone(tmp_path / name):
        pass
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize("stands", [True, False])
def test_a_link_stays_and_the_file_that_it_names_is_replaced(tmp_path, stands):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "c.parquet").symlink_to(tmp_path / "elsewhere" / "whole.parquet")
    if stands:
        (tmp_path / "elsewhere" / "whole.parquet").write_bytes(b"old")
    with open_store(":memory:") as store:
        filled(store)
        report = export_corpus("c", tmp_path / "c.parquet", store=store)
    assert report.file == str(tmp_path / "c.parquet")
    assert (tmp_path / "c.parquet").is_symlink()
    assert pq.read_metadata(tmp_path / "elsewhere" / "whole.parquet").num_rows == 41
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["whole.parquet"]


@pytest.mark.parametrize("target", ["c.parquet", "nowhere/c.parquet"])
def test_a_link_that_leads_nowhere_is_a_sentence(tmp_path, target):
    (tmp_path / "c.parquet").symlink_to(target)
    with open_store(":memory:") as store:
        filled(store)
        with pytest.raises(UsageError, match=r"c\.parquet cannot be written \(.*\); name another file"):
            export_corpus("c", tmp_path / "c.parquet", store=store)
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]
    assert (tmp_path / "c.parquet").is_symlink()


def test_a_killed_export_leaves_nothing_behind_the_next_one(tmp_path):
    path = tmp_path / "c.parquet"
    code = (
        "import os, signal; from pathlib import Path; from stores.files import replace_alone\n"
        f"with replace_alone(Path({str(path)!r})) as file:\n"
        "    file.write(b'half' * 100_000); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert [found.name for found in tmp_path.iterdir()] == [".c.parquet.part"]
    with open_store(":memory:") as store:
        filled(store)
        export_corpus("c", path, store=store)
        assert [found.name for found in tmp_path.iterdir()] == ["c.parquet"]
        import_corpus(path, name="d", store=store)


def test_two_exports_to_one_file_do_not_mix(tmp_path):
    path = tmp_path / "c.parquet"
    with open_store(":memory:") as store:
        filled(store)
        with replace_alone(path) as first:
            first.write(b"first")
            with pytest.raises(UsageError, match=r"c\.parquet is being written by another export"):
                export_corpus("c", path, store=store)
        assert path.read_bytes() == b"first"
        export_corpus("c", path, store=store)
    assert pq.read_metadata(path).num_rows == 41


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "c.parquet"
    path.write_bytes(b"old")
    with suppress(RuntimeError), replace_alone(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
