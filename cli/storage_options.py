"""``xunyi ingest``'s options of how the engine lays a new corpus out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from schemas.storage import StorageSettings

_OPTIONS = {
    "on_disk": click.option("--on-disk", is_flag=True, default=None, help="Read vectors and graphs from disk."),
    "datatype": click.option(
        "--datatype", type=click.Choice(["float32", "float16"]), help="Of dense vectors [default: float32]."
    ),
    "quantization": click.option(
        "--quantization",
        type=click.Choice(["scalar", "binary", "product", "none"]),
        help="Compress dense vectors: to a quarter, a thirty-second, a sixteenth, not [default: the store's].",
    ),
    "rescore": click.option(
        "--rescore/--no-rescore", default=None, help="Score the best again with the whole vectors [default: yes]."
    ),
    "oversampling": click.option(
        "--oversampling", type=float, metavar="X", help="How many times the limit are scored again."
    ),
    "hnsw_m": click.option("--hnsw-m", type=int, metavar="N", help="Edges a node of the graph; 0 builds none."),
    "hnsw_ef_construct": click.option(
        "--hnsw-ef-construct", type=int, metavar="N", help="Candidates while the graph is built."
    ),
    "max_segment_mb": click.option(
        "--segment-mb", "max_segment_mb", type=int, metavar="N", help="Most MB of vectors in a segment."
    ),
    "indexing_threshold_kb": click.option(
        "--indexing-threshold-kb", type=int, metavar="N", help="Fewest KB of vectors that get an index."
    ),
    "shard_number": click.option(
        "--shards", "shard_number", type=int, metavar="N", help="Shards of each collection (server)."
    ),
    "replication_factor": click.option(
        "--replicas", "replication_factor", type=int, metavar="N", help="Copies of each shard (server)."
    ),
    "write_consistency_factor": click.option(
        "--write-consistency",
        "write_consistency_factor",
        type=int,
        metavar="N",
        help="Copies that must have a write before it counts (server).",
    ),
    "ordering": click.option(
        "--ordering", type=click.Choice(["weak", "medium", "strong"]), help="Order of writes between copies (server)."
    ),
}


def storage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets ``storage``: settings, or None where no option was given."""

    @wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        given = {name: value for name in _OPTIONS if (value := values.pop(name)) is not None}
        return command(*args, storage=_settings(given) if given else None, **values)

    found: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS.values()):
        found = option(found)
    return found


def _settings(given: dict[str, Any]) -> StorageSettings:
    from pydantic import ValidationError

    from schemas.errors import UsageError
    from schemas.storage import StorageSettings

    try:
        return StorageSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        option = {"max_segment_mb": "segment_mb", "shard_number": "shards", "replication_factor": "replicas"}.get(
            name, name.removesuffix("_factor")
        )
        raise UsageError(f"--{option.replace('_', '-')} {first['input']}: {first['msg']}.") from None
