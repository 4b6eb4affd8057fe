"""What must agree within the manifest of an exported file, which may have been written by hand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from encoders.analyzer_options import options_of
from schemas.errors import UsageError
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest
from schemas.payload_paths import DATED, MIXED
from schemas.spaces import Shelf, SpaceKind
from stores.base import PayloadIndexType

FIELD_TYPES = {*get_args(PayloadIndexType), MIXED, DATED}

FUSIONS = {"zscore", "convex", "rrf", "dbsf"}
"""The methods of ``search.fusion``, which lies beside this layer."""

OWN_NAMES = {"dense": SpaceKind.DENSE, "sparse": SpaceKind.SPARSE, "colbert": SpaceKind.MULTI}
"""What encoders call the spaces that they fill."""

_STEP = r"""(?:[\w-]+|"[^"]+")"""
_PATH = re.compile(rf"{_STEP}(?:(?:\[\])?\.{_STEP})*")


def check_manifest(manifest: CorpusManifest, counts: Mapping[str, int]) -> None:
    """Raise ``ValueError`` that names the first setting with which a corpus could not be made, searched or refitted.

    ``counts`` are how many points of each shelf the file holds.
    """
    described = manifest.alone.model_dump()
    for place, number in _numbers(described, ""):
        if not math.isfinite(number):
            raise _wrong(place, number)
    for check in (_spaces, _encoders, _analysis, _fields, _search, _fit):
        check(manifest)
    if manifest.fit.features > counts.get(str(Shelf.TERMS), manifest.fit.features):
        raise _wrong("fit.features", manifest.fit.features)


def _wrong(place: str, value: Any) -> ValueError:
    return ValueError(f"its manifest has {place} {json.dumps(value, default=str, ensure_ascii=False)[:60]}")


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, place)
    elif isinstance(value, float):
        yield place, value


def _spaces(manifest: CorpusManifest) -> None:
    kinds = {"tfidf": SpaceKind.SPARSE, "word2vec": SpaceKind.DENSE, "lsa": SpaceKind.DENSE}
    for name, kind in kinds.items():
        if name in manifest.spaces and manifest.spaces[name].kind is not kind:
            raise _wrong(f"spaces.{name}.kind", manifest.spaces[name].kind)
    if "lsa" in manifest.spaces and "tfidf" not in manifest.spaces:
        raise ValueError("its manifest has the space lsa without tfidf, of which it is made")
    if "word2vec" in manifest.spaces and manifest.spaces["word2vec"].dim != manifest.word2vec.dim:
        raise _wrong("word2vec.dim", manifest.word2vec.dim)


def _encoders(manifest: CorpusManifest) -> None:
    learned = manifest.spaces.keys() - set(LEXICAL_SPACES)
    if learned != manifest.encoders.keys():
        odd = sorted(learned ^ manifest.encoders.keys())[0]
        raise ValueError(f"its manifest has the space {odd!r} without an encoder, or an encoder without the space")
    filled: list[tuple[str, str]] = []
    for name, identity in manifest.encoders.items():
        own = manifest.encoder_spaces.get(name, name)
        if name in manifest.encoder_spaces and OWN_NAMES.get(own) is not manifest.spaces[name].kind:
            raise _wrong(f"encoder_spaces.{name}", own)
        filled.append((identity.model_dump_json(), own))
    if manifest.encoder_spaces.keys() - manifest.encoders.keys() or len(set(filled)) < len(filled):
        raise _wrong("encoder_spaces", manifest.encoder_spaces)


def _analysis(manifest: CorpusManifest) -> None:
    try:
        options_of(manifest.analyzer)
    except UsageError as error:
        raise ValueError(f"its manifest has an analyser that cannot be: {error}") from error
    if manifest.splitter.max_tokens < 1:
        raise _wrong("splitter.max_tokens", manifest.splitter.max_tokens)
    if manifest.heading is not None:
        try:
            re.compile(manifest.heading)
        except (re.error, OverflowError, RecursionError) as error:
            raise _wrong("heading", manifest.heading) from error


def _fields(manifest: CorpusManifest) -> None:
    for path, kind in manifest.payload_fields.items():
        if kind not in FIELD_TYPES or _PATH.fullmatch(path) is None:
            raise _wrong("payload_fields", {path: kind})


def _search(manifest: CorpusManifest) -> None:
    weights = manifest.search.get("weights", {})
    if not isinstance(weights, Mapping) or not all(_is_number(weight) for weight in weights.values()):
        raise _wrong("search.weights", weights)
    fusion = manifest.search.get("fusion", "zscore")
    if not isinstance(fusion, str) or fusion not in FUSIONS:
        raise _wrong("search.fusion", fusion)


def _fit(manifest: CorpusManifest) -> None:
    fit, extra = manifest.fit, manifest.fit.extra
    if fit.average_length < 0:
        raise _wrong("fit.average_length", fit.average_length)
    component, since = extra.get("component") or [], extra.get("since") or {}
    whole = _is_list(component, _is_float) and len(component) % max(manifest.word2vec.dim, 1) == 0
    if not whole:
        raise _wrong("fit.extra.component", component)
    if not isinstance(since, Mapping) or not all(_is_number(count) for count in since.values()):
        raise _wrong("fit.extra.since", since)
    if not _is_number(extra.get("word_tokens") or 0):
        raise _wrong("fit.extra.word_tokens", extra["word_tokens"])


def _is_list(value: Any, item: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(item, value))


def _is_float(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_float(value) and value >= 0
