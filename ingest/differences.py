"""What differs between two ways of making a corpus's points, and what of them must therefore be made anew."""

from __future__ import annotations

from encoders.identity import describe, same_encoder
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusSettings, Rebuild


def same_rebuild(first: Rebuild, second: Rebuild) -> bool:
    """Whether one goes on with what the other began."""
    anew = (first.resplit, first.refit) == (second.resplit, second.refit)
    return anew and not differences(first, second)


def differences(old: CorpusSettings, new: CorpusSettings) -> list[str]:
    """What ``new`` has or does otherwise than ``old``, each in a few words; empty where both make the same points."""
    found = [f"without {name}" for name in old.spaces if name not in new.spaces]
    for name, space in new.spaces.items():
        if name in new.encoders and not same_space(old, new, name):
            found.append(f"{name} by {describe(new.encoders[name])}")
        elif name not in old.spaces:
            found.append(f"with {name}")
        elif space != old.spaces[name] and name not in new.encoders:
            found.append(f"{name} of {space.dim} dimensions")
    if new.analyzer != old.analyzer:
        names = new.analyzer.options.get("user_dict")
        found.append(f"analyser {new.analyzer.preset}" + (f" with {len(names)} names" if names else ""))
    for label, before, after in (
        ("TF-IDF", old.tfidf, new.tfidf),
        ("Word2Vec", old.word2vec, new.word2vec),
        ("splitting", old.splitter, new.splitter),
        ("storage", old.storage, new.storage),
    ):
        if before != after:
            settings = after.model_dump()
            found += [f"{label} {key}={settings[key]}" for key, v in before.model_dump().items() if settings[key] != v]
    if new.titles != old.titles:
        found.append("with titles" if new.titles else "without titles")
    return found


def same_space(first: CorpusSettings, second: CorpusSettings, name: str) -> bool:
    """Whether the same encoder makes the learned space ``name`` in both."""
    made, other = first.encoders.get(name), second.encoders.get(name)
    own = first.encoder_spaces.get(name, name) == second.encoder_spaces.get(name, name)
    return made is not None and other is not None and own and same_encoder(made, other)


def rounded(old: CorpusSettings, new: CorpusSettings) -> bool:
    """Whether ``new`` keeps dense vectors more exactly than ``old`` holds them."""
    return old.storage.datatype == "float16" and new.storage.datatype != "float16"


def spaces_to_encode(old: CorpusSettings, wanted: Rebuild) -> list[str]:
    """The learned spaces of ``wanted`` whose vectors ``old`` does not hold."""
    if wanted.resplit or wanted.titles != old.titles or rounded(old, wanted):
        return list(wanted.encoders)
    return [name for name in wanted.encoders if not same_space(old, wanted, name)]


def needs_fit(old: CorpusSettings, wanted: CorpusSettings, *, resplit: bool) -> bool:
    """Whether the lexical spaces of ``wanted`` cannot be copied."""
    lexical = [name for name in LEXICAL_SPACES if name in wanted.spaces]
    if not lexical:
        return False
    return (
        resplit
        or wanted.titles != old.titles
        or wanted.analyzer != old.analyzer
        or lexical != [name for name in LEXICAL_SPACES if name in old.spaces]
        or (wanted.tfidf != old.tfidf and "tfidf" in lexical)
        or (wanted.word2vec != old.word2vec and "word2vec" in lexical)
        or (rounded(old, wanted) and lexical != ["tfidf"])
    )
