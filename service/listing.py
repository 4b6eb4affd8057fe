"""Routes that tell what there is: the corpora, one of them, and how the service itself does."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import PureWindowsPath
from typing import Any, TypeVar

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from encoders.model_files import looks_like_path
from schemas.manifest import CorpusManifest, CorpusSettings, Counts, EncoderIdentity
from schemas.spaces import Space
from search.catalog import CorpusSize, corpus_info, list_corpora
from service import failures
from service.described import OF_CORPUS, OF_SERVICE, OF_STORE, refusals
from service.metrics import Metrics
from service.turns import Turn, WholeStore

Made = TypeVar("Made", bound=CorpusSettings)


class CorpusSummary(BaseModel):
    """A corpus and how much it holds."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    counts: Counts
    spaces: dict[str, Space]
    payload_fields: dict[str, str]
    complete: bool
    created: str
    updated: str


class DamagedCorpus(BaseModel):
    """A corpus of which nothing else can be said."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    error: str


class Corpora(BaseModel):
    """The corpora of a store, by name."""

    model_config = ConfigDict(frozen=True)

    corpora: list[CorpusSummary | DamagedCorpus]


def health_route() -> APIRouter:
    """Whether the service runs: the one answer that waits for nothing, not even for a thread."""
    router = APIRouter(tags=["care"], responses=refusals(OF_SERVICE))

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Whether the service runs."""
        return {"status": "ok", "version": version("xunyi")}

    return router


def care_routes(metrics: Metrics) -> APIRouter:
    """For whoever runs the service."""
    router = APIRouter(tags=["care"])

    @router.get("/ready", responses=refusals(OF_STORE))
    def ready(whole: WholeStore) -> dict[str, Any]:
        """Whether the store answers."""
        with whole as store:
            return {"status": "ok", "corpora": len(store.list_corpora())}

    @router.get("/metrics", response_class=Response, responses={**refusals(OF_SERVICE), **_PROMETHEUS})
    async def prometheus() -> Response:
        """Counters and timings, for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def corpus_routes(metrics: Metrics) -> APIRouter:
    """What corpora there are."""
    router = APIRouter(prefix="/v1/corpora", tags=["corpora"])

    @router.get("", responses=refusals(OF_STORE))
    def corpora(whole: WholeStore) -> Corpora:
        """The corpora of the store, with how much each holds; of a damaged one what is wrong."""
        listed: list[CorpusSummary | DamagedCorpus] = []

        def damaged(name: str, error: Exception) -> None:
            metrics.error(type(error).__name__)
            listed.append(DamagedCorpus(corpus=name, error=failures.told(error)))

        with whole as store:
            listed += [_summary(manifest) for manifest in list_corpora(store, damaged)]
        return Corpora(corpora=sorted(listed, key=lambda one: one.corpus))

    @router.get("/{corpus}", responses=refusals(OF_CORPUS))
    def info(corpus: str, turn: Turn) -> CorpusSize:
        """What made a corpus, and what it holds."""
        with turn as opened:
            found = corpus_info(corpus, opened.store)
        # Where the store is tells of the machine.
        told = found.model_dump(include={"bytes_on_disk", "bytes_per_passage", "kept_bytes"})
        return CorpusSize(manifest=_without_folders(found.manifest), **told)

    return router


_PROMETHEUS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


def _summary(manifest: CorpusManifest) -> CorpusSummary:
    return CorpusSummary(**{field: getattr(manifest, field) for field in CorpusSummary.model_fields})


def _without_folders(manifest: CorpusManifest) -> CorpusManifest:
    rebuild = None if manifest.rebuild is None else _placeless(manifest.rebuild)
    kept = [_placeless(earlier) for earlier in manifest.kept]
    return _placeless(manifest).model_copy(update={"rebuild": rebuild, "kept": kept})


def _placeless(made: Made) -> Made:
    """The same without the folders of models, which tell of the machine."""

    def shown(identity: EncoderIdentity) -> EncoderIdentity:
        options = {key: _folder(value) if key == "model" else value for key, value in identity.options.items()}
        return identity.model_copy(update={"name": _folder(identity.name), "options": options})

    return made.model_copy(update={"encoders": {space: shown(one) for space, one in made.encoders.items()}})


def _folder(name: Any) -> Any:
    # Both systems' paths: a store may have been written on another.
    return PureWindowsPath(name).name if isinstance(name, str) and looks_like_path(name) else name
