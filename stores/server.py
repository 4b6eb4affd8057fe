"""The server store: a Qdrant server or cluster through ``qdrant_client``, or its in-memory emulation.

Manifests are points of one small collection, ``xunyi.manifests``: written by one upsert, so a
reader sees the old or the new one, on every version of the server and in the emulation.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from pydantic import ValidationError
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from schemas.errors import StoreDamaged, StoreError, StoreUnavailable, UsageError
from schemas.ids import corpus_namespace
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.spaces import PointBatch, Space, SpaceKind
from stores.base import PayloadIndexType, rows_without
from stores.checks import check_batch, check_filter, check_id, check_payload, check_request
from stores.ties import MARGIN, by_score, cut

MANIFESTS = "xunyi.manifests"
REQUEST_BYTES = 16_000_000
"""Bytes of one upsert at the most, by estimate; a server refuses requests over 32 MB."""

REQUEST_POINTS = 1000
TRIES = 5
FIRST_PAUSE = 0.2
"""Seconds before the second try; each further pause is twice as long, with jitter."""

T = TypeVar("T")

_SCHEMAS = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
    "datetime": models.PayloadSchemaType.DATETIME,
}


class ServerStore:
    """Corpora on a server. ``url`` may be ``:memory:`` for the client's own emulation."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 60.0, prefer_grpc: bool = False
    ) -> None:
        self._memory = url == ":memory:"
        self._timeout = timeout
        self._spaces: dict[str, dict[str, Space]] = {}
        if self._memory:
            self._location = url
            self._client = QdrantClient(":memory:")
            return
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "grpc") or not parts.hostname:
            raise UsageError(f"--store {_shown(url)}: write http://HOST:PORT, https://HOST, or a folder.")
        self._location = _shown(url)
        grpc = False
        if parts.scheme == "grpc":
            prefer_grpc, parts = True, parts._replace(scheme="http")
            grpc = True
        try:
            port = parts.port or (443 if parts.scheme == "https" else 6334 if grpc else 6333)
        except ValueError:
            raise UsageError(f"--store {self._location}: the port is no number from 1 to 65535.") from None
        import warnings

        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        with warnings.catch_warnings():
            # The client warns of a key sent without TLS, which is usual on loopback and in a container's network.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            self._client = QdrantClient(
                url=f"{parts.scheme}://{host}:{6333 if grpc else port}{parts.path}".rstrip("/"),
                grpc_port=port if grpc else 6334,
                api_key=api_key,
                timeout=max(1, round(timeout)),
                prefer_grpc=prefer_grpc,
                check_compatibility=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The URL, without a user or a key."""
        return self._location

    # -- corpora ---------------------------------------------------------------------------
    def list_corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        if not self._call(lambda c: c.collection_exists(MANIFESTS)):
            return []
        return sorted(str((r.payload or {})["corpus"]) for r in self.scroll(MANIFESTS, payload=["corpus"]))

    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The corpus's current manifest, or None."""
        check_corpus_name(corpus)
        if not self._call(lambda c: c.collection_exists(MANIFESTS)):
            return None
        found = self._call(lambda c: c.retrieve(MANIFESTS, [str(corpus_namespace(corpus))], with_payload=True))
        if not found:
            return None
        try:
            return CorpusManifest.model_validate_json(str((found[0].payload or {})["manifest"]))
        except (ValidationError, KeyError) as error:
            raise StoreDamaged(f"{self._location}: the manifest of {corpus!r} cannot be read; ingest anew.") from error

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make the manifest the corpus's current one, in one upsert."""
        check_corpus_name(manifest.corpus)
        if not self._call(lambda c: c.collection_exists(MANIFESTS)):
            self._create(MANIFESTS, {}, {})
        point = models.PointStruct(
            id=str(corpus_namespace(manifest.corpus)),
            vector={},
            payload={"corpus": manifest.corpus, "manifest": manifest.model_dump_json()},
        )
        self._call(lambda c: c.upsert(MANIFESTS, [point], wait=True))

    def delete_corpus(self, corpus: str) -> None:
        """Remove the corpus: its manifest first, then its collections."""
        check_corpus_name(corpus)
        if self._call(lambda c: c.collection_exists(MANIFESTS)):
            self.delete(MANIFESTS, [str(corpus_namespace(corpus))])
        for name in self.list_collections():
            if name.rsplit(".", 2)[0] == corpus:
                self.drop_collection(name)

    # -- collections -----------------------------------------------------------------------
    def create_collection(self, name: str, spaces: Sequence[Space]) -> None:
        """Create an empty collection; nothing happens where it stands already with these spaces."""
        check_corpus_name(name.rsplit(".", 2)[0])
        wanted = {space.name: space for space in spaces}
        if self.collection_exists(name):
            standing = self._spaces_of(name)
            if standing != wanted:
                raise StoreError(
                    f"The collection {name} stands with the spaces {', '.join(standing) or 'none'}, not "
                    f"{', '.join(wanted) or 'none'}; drop it first."
                )
            return
        dense = {s.name: _dense_params(s) for s in spaces if s.kind is not SpaceKind.SPARSE}
        sparse = {s.name: models.SparseVectorParams() for s in spaces if s.kind is SpaceKind.SPARSE}
        self._create(name, dense, sparse)

    def _create(self, name: str, dense: Any, sparse: Any) -> None:
        self._call(lambda c: c.create_collection(name, vectors_config=dense, sparse_vectors_config=sparse))

    def collection_exists(self, name: str) -> bool:
        """Whether the collection stands."""
        return bool(self._call(lambda c: c.collection_exists(name)))

    def list_collections(self) -> list[str]:
        """All collections of corpora, sorted."""
        found = self._call(lambda c: c.get_collections()).collections
        return sorted(item.name for item in found if item.name != MANIFESTS and item.name.count(".") >= 2)

    def drop_collection(self, name: str) -> None:
        """Remove the collection if it stands."""
        self._spaces.pop(name, None)
        if self.collection_exists(name):
            self._call(lambda c: c.delete_collection(name))

    def create_payload_index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; the server passes over one that stands. The emulation has none."""
        if self._memory:
            return
        schema: Any = _SCHEMAS.get(kind) or models.TextIndexParams(
            type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.MULTILINGUAL, lowercase=True
        )
        self._call(lambda c: c.create_payload_index(name, field, schema, wait=True))

    # -- points ----------------------------------------------------------------------------
    def upsert(self, name: str, batch: PointBatch) -> None:
        """Write points whole, in requests cut by count and by bytes."""
        check_batch(batch, self._spaces_of(name))
        for rows in _requests(batch):
            points = [
                models.PointStruct(id=batch.ids[row], vector=_vectors(batch, row), payload=dict(batch.payloads[row]))
                for row in rows
            ]
            self._upsert(name, points)

    def update_vectors(self, name: str, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        check_batch(batch, self._spaces_of(name), payloads=False)
        present = {record.id for record in self.retrieve(name, batch.ids, payload=False)}
        rows = [row for row in range(len(batch)) if batch.ids[row] in present]
        for start in range(0, len(rows), REQUEST_POINTS):
            points = [
                models.PointVectors(id=batch.ids[row], vector=found)
                for row in rows[start : start + REQUEST_POINTS]
                if (found := _vectors(batch, row))
            ]
            if points:
                self._update_vectors(name, points)
        for space, left_out in rows_without(batch).items():
            if gone := [batch.ids[row] for row in left_out if batch.ids[row] in present]:
                self._delete_vectors(name, gone, [space])

    def set_payload(self, name: str, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        check_payload(payload, "the update")
        for point in ids:
            check_id(point)
        if not ids:
            return
        self._call(lambda c: c.set_payload(name, dict(payload), points=list(ids), wait=True))

    def delete(self, name: str, points: Sequence[str] | models.Filter) -> None:
        """Remove points by id or by filter."""
        if isinstance(points, models.Filter):
            check_filter(points)
            selector: Any = models.FilterSelector(filter=points)
        else:
            for point in points:
                check_id(point)
            if not points:
                return
            selector = models.PointIdsList(points=list(points))
        self._call(lambda c: c.delete(name, selector, wait=True))

    def retrieve(
        self,
        name: str,
        ids: Sequence[str],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        for point in ids:
            check_id(point)
        found: dict[str, models.Record] = {}
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), REQUEST_POINTS):
            part = unique[start : start + REQUEST_POINTS]
            records = self._retrieve(name, part, _which(payload), _which(vectors))
            found.update((str(record.id), record) for record in records)
        return [found[point] for point in ids if point in found]

    def scroll(
        self,
        name: str,
        *,
        query_filter: models.Filter | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
        batch_size: int = 256,
    ) -> Iterator[models.Record]:
        """Every point, in the order of ids."""
        check_filter(query_filter)
        if batch_size < 1:
            raise StoreError(f"Pages of {batch_size} points were asked for; give 1 or more.")
        offset: Any = None
        while True:
            page = partial(self._scroll, name, query_filter, batch_size, _which(payload), _which(vectors))
            records, offset = page(offset)
            yield from records
            if offset is None:
                return

    def count(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        check_filter(query_filter)
        return int(self._call(lambda c: c.count(name, count_filter=query_filter, exact=True)).count)

    def facet(
        self, name: str, field: str, query_filter: models.Filter | None = None, limit: int = 10
    ) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        check_filter(query_filter)
        found = self._call(lambda c: c.facet(name, field, facet_filter=query_filter, limit=limit, exact=True))
        return {str(hit.value): int(hit.count) for hit in found.hits}

    # -- questions -------------------------------------------------------------------------
    def query(self, name: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        spaces = self._spaces_of(name)
        for request in requests:
            check_request(request, spaces)
        if not requests:
            return []
        asked = [(request.offset or 0) + (request.limit or 10) + MARGIN for request in requests]
        deeper = [_deeper(request, depth) for request, depth in zip(requests, asked, strict=True)]
        answers = self._call(lambda c: c.query_batch_points(name, deeper))
        results = []
        for request, depth, answer in zip(requests, asked, answers, strict=True):

            def ask(more: int, request: models.QueryRequest = request) -> list[models.ScoredPoint]:
                found = self._call(lambda c: c.query_batch_points(name, [_deeper(request, more)]))
                return list(found[0].points)

            offset, limit = request.offset or 0, request.limit or 10
            points = list(answer.points)
            ranked = by_score(request.query)
            results.append(cut(ask, points, depth, offset, limit) if ranked else points[offset : offset + limit])
        return results

    # -- care ------------------------------------------------------------------------------
    def optimize(self, name: str) -> None:
        """Nothing: a server does it by itself."""

    def disk_bytes(self, name: str) -> int | None:
        """None: a server does not say."""
        return None

    def close(self) -> None:
        """Let go of the connection; closing twice is harmless."""
        with suppress(Exception):
            self._client.close()

    # -- inside ----------------------------------------------------------------------------
    def _upsert(self, name: str, points: list[models.PointStruct]) -> None:
        self._call(lambda c: c.upsert(name, points, wait=True))

    def _update_vectors(self, name: str, points: list[models.PointVectors]) -> None:
        self._call(lambda c: c.update_vectors(name, points, wait=True))

    def _delete_vectors(self, name: str, ids: list[str], spaces: list[str]) -> None:
        points: Any = ids
        self._call(lambda c: c.delete_vectors(name, spaces, points, wait=True))

    def _retrieve(self, name: str, ids: list[str], payload: Any, vectors: Any) -> list[models.Record]:
        return self._call(lambda c: c.retrieve(name, ids, with_payload=payload, with_vectors=vectors))

    def _scroll(self, name: str, query_filter: Any, limit: int, payload: Any, vectors: Any, offset: Any) -> Any:
        return self._call(
            lambda c: c.scroll(
                name,
                scroll_filter=query_filter,
                limit=limit,
                offset=offset,
                with_payload=payload,
                with_vectors=vectors,
            )
        )

    def _spaces_of(self, name: str) -> dict[str, Space]:
        if name not in self._spaces:
            if not self.collection_exists(name):
                raise StoreError(f"{self._location} has no collection {name}; ingest the corpus first.")
            parameters = self._call(lambda c: c.get_collection(name)).config.params
            found: dict[str, Space] = {}
            vectors = parameters.vectors if isinstance(parameters.vectors, dict) else {}
            for space, config in vectors.items():
                kind = SpaceKind.MULTI if config.multivector_config is not None else SpaceKind.DENSE
                found[space] = Space(name=space, kind=kind, dim=config.size)
            for space in parameters.sparse_vectors or {}:
                found[space] = Space(name=space, kind=SpaceKind.SPARSE)
            self._spaces[name] = found
        return self._spaces[name]

    def _call(self, ask: Callable[[QdrantClient], T]) -> T:
        """One request, tried again with growing pauses while the server cannot be reached or is overloaded."""
        pause = FIRST_PAUSE
        give_up = time.monotonic() + self._timeout
        for attempt in range(1, TRIES + 1):
            try:
                return ask(self._client)
            except Exception as error:
                why, fatal = self._judged(error)
                if fatal is not None:
                    raise fatal from None
                # A server that hangs has used up the time of all tries with the first.
                if attempt == TRIES or time.monotonic() >= give_up:
                    raise self._unavailable(why) from None
                wait = max(pause * random.uniform(0.5, 1.0), _retry_after(error))
            time.sleep(wait)
            pause *= 2
        raise AssertionError("unreachable")

    def _judged(self, error: Exception) -> tuple[str, Exception | None]:
        """What happened in few words, and what to raise at once; None where another try may help."""
        if isinstance(error, UnexpectedResponse):
            code = error.status_code or 0
            if code in (401, 403):
                return "", self._refused_key()
            if code == 429 or code >= 500:
                return f"it answers {code}", None
            return "", StoreError(f"{self._location} refuses the request: {_reason(error)}.")
        if isinstance(error, ResourceExhaustedResponse):
            return "it answers 429", None
        if isinstance(error, ResponseHandlingException | ApiException | ConnectionError | TimeoutError):
            return " ".join(str(error).split())[:200] or type(error).__name__, None
        if isinstance(error, ValueError):
            # The emulation's way to refuse a request.
            return "", StoreError(f"{self._location} refuses the request: {' '.join(str(error).split())[:300]}.")
        code_of = getattr(error, "code", None)
        if type(error).__module__.startswith("grpc") and callable(code_of):
            name = str(code_of()).rpartition(".")[2]
            if name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                return "", self._refused_key()
            if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                return name, None
            return "", StoreError(f"{self._location} refuses the request: {name}.")
        return "", StoreError(f"{self._location} failed: {' '.join(str(error).split())[:300]}.")

    def _refused_key(self) -> StoreError:
        return StoreError(f"{self._location} refuses the key; set XUNYI_API_KEY to the right one.")

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self._location} does not answer ({why}); start the server or mend --store. What was written stays, "
            "and the same command goes on from there."
        )


def _retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait, at most 30; 0 where it does not say."""
    if isinstance(error, ResourceExhaustedResponse):
        return min(float(error.retry_after_s), 30.0)
    if isinstance(error, UnexpectedResponse) and error.headers is not None:
        asked = str(dict(error.headers).get("retry-after", ""))
        return min(float(asked), 30.0) if asked.isdigit() else 0.0
    return 0.0


def _reason(error: UnexpectedResponse) -> str:
    text = (error.content or b"").decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["status"]["error"])
    return " ".join(text.split())[:300]


def _shown(url: str) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _which(selection: bool | Sequence[str]) -> Any:
    return selection if isinstance(selection, bool) else list(selection)


def _deeper(request: models.QueryRequest, depth: int) -> models.QueryRequest:
    return request.model_copy(update={"limit": depth, "offset": 0})


def _dense_params(space: Space) -> models.VectorParams:
    multi = space.kind is SpaceKind.MULTI
    return models.VectorParams(
        size=space.dim or 1,
        distance=models.Distance.DOT,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM) if multi else None,
        # Token vectors are compared one with one, never through a graph of documents.
        hnsw_config=models.HnswConfigDiff(m=0) if multi else None,
    )


def _vectors(batch: PointBatch, row: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, vectors in batch.vectors.items():
        if isinstance(vectors, np.ndarray):
            if vectors[row].any():
                found[name] = vectors[row].tolist()
        elif isinstance(vectors, list):
            if len(vectors[row]):
                found[name] = vectors[row].tolist()
        else:
            start, end = vectors.indptr[row], vectors.indptr[row + 1]
            if end > start:
                found[name] = models.SparseVector(
                    indices=vectors.indices[start:end].tolist(), values=vectors.data[start:end].tolist()
                )
    return found


def _requests(batch: PointBatch) -> Iterator[list[int]]:
    rows: list[int] = []
    size = 0
    for row in range(len(batch)):
        bytes_here = _estimate(batch, row)
        if rows and (size + bytes_here > REQUEST_BYTES or len(rows) == REQUEST_POINTS):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += bytes_here
    if rows:
        yield rows


def _estimate(batch: PointBatch, row: int) -> int:
    # A float32 takes up to 22 characters as JSON, with its comma.
    floats = 0
    for vectors in batch.vectors.values():
        if isinstance(vectors, np.ndarray):
            floats += vectors.shape[1]
        elif isinstance(vectors, list):
            floats += vectors[row].size
        else:
            floats += 2 * int(vectors.indptr[row + 1] - vectors.indptr[row])
    return 22 * floats + len(json.dumps(batch.payloads[row], ensure_ascii=True)) + 100
