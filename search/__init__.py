"""Questions to hits: hybrid search over the shelves of a corpus."""

from search.corpus import Corpus, search

__all__ = ["Corpus", "search"]
