"""What the service counts and times, as Prometheus text."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from schemas.search import SearchResponse

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histograms' buckets: a search is a matter of milliseconds, a first one loads a model."""


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are counted by their names; of invented ones there is no end."""


class Metrics:
    """One service's own registry; ``open_corpora`` is asked when the text is made."""

    def __init__(self, open_corpora: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "xunyi_requests",
            "Requests by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "xunyi_request_seconds", "Seconds a request took.", ["route"], buckets=SECONDS, registry=self.registry
        )
        self._stages = Histogram(
            "xunyi_stage_seconds",
            "Seconds a query spent in a stage: encode, search.",
            ["corpus", "stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._queries = Counter("xunyi_queries", "Queries answered.", ["corpus"], registry=self.registry)
        self._empty = Counter("xunyi_empty_answers", "Queries without a hit.", ["corpus"], registry=self.registry)
        self._errors = Counter("xunyi_errors", "Errors by kind.", ["kind"], registry=self.registry)
        Gauge("xunyi_open_corpora", "Corpora that are open now.", registry=self.registry).set_function(open_corpora)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request by its route's pattern, never by its path, of which there is no end."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answer(self, response: SearchResponse) -> None:
        """Count one answered query."""
        self._queries.labels(response.corpus).inc()
        if not response.hits:
            self._empty.labels(response.corpus).inc()
        self._stages.labels(response.corpus, "encode").observe(response.took_ms.encode / 1e3)
        self._stages.labels(response.corpus, "search").observe(response.took_ms.search / 1e3)

    def error(self, kind: str) -> None:
        """Count one error by its class's name."""
        self._errors.labels(kind).inc()

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
