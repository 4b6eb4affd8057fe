"""Files to points: read, split, encode, write."""

from ingest.readers import ReadOptions
from ingest.run import ingest
from schemas.ingest import CorpusOptions, IngestReport

__all__ = ["CorpusOptions", "IngestReport", "ReadOptions", "ingest"]
