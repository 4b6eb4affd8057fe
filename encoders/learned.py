"""All encoders that fill one corpus's learned spaces, as one: each is loaded when its spaces are first wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import Any

from encoders.base import Encoder
from encoders.identity import describe, same_encoder
from encoders.registry import encoder_from_identity
from schemas.errors import EncoderMismatch
from schemas.manifest import CorpusManifest, EncoderIdentity
from schemas.spaces import Space, VectorBatch


class _Member:
    """One encoder of the corpus, and under which names the corpus holds its spaces."""

    def __init__(self, identity: EncoderIdentity) -> None:
        self.identity = identity
        self.names: dict[str, str] = {}
        self.encoder: Encoder | None = None
        self._loading = Lock()

    def load(self, options: Mapping[str, Any]) -> Encoder:
        # Threads that want it at once wait for one to load it: a model may take gigabytes.
        with self._loading:
            if self.encoder is None:
                heads = {"heads": list(self.names)} if "heads" in self.identity.options else {}
                self.encoder = encoder_from_identity(self.identity, **{**heads, **options})
            return self.encoder


class LearnedEncoders:
    """The encoders that a manifest records; offers what one ``encoders.base.Encoder`` does.

    Parameters
    ----------
    manifest : CorpusManifest
        Its ``encoders`` must not be empty. ``encoder_spaces`` says where a space has another name in
        the corpus than its encoder gives it, which is how two dense models live in one.
    given : Encoder, optional
        Loaded already, and used for the spaces that it made.
    options : mapping, optional
        Where and how fast the others run: ``device``, ``precision``, ``token_budget``.

    Raises
    ------
    EncoderMismatch
        ``given`` made none of the spaces.

    """

    def __init__(
        self, manifest: CorpusManifest, *, given: Encoder | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        self._manifest = manifest
        self._options = dict(options or {})
        self._members: list[_Member] = []
        for space, identity in manifest.encoders.items():
            member = next((m for m in self._members if same_encoder(m.identity, identity)), None)
            if member is None:
                member = _Member(identity)
                self._members.append(member)
            member.names[manifest.encoder_spaces.get(space, space)] = space
        if given is not None:
            self._take(given)

    def _take(self, given: Encoder) -> None:
        for member in self._members:
            if same_encoder(member.identity, given.identity):
                member.encoder = given
                return
        recorded = " and ".join(describe(member.identity) for member in self._members)
        raise EncoderMismatch(
            f"The corpus {self._manifest.corpus!r} was made with {recorded}, not with {describe(given.identity)}; "
            f"leave out --encoder, ingest into a new corpus, or add spaces with: "
            f"xunyi spaces add {self._manifest.corpus} {given.identity.name}"
        )

    @property
    def identity(self) -> EncoderIdentity:
        """That of the first, which the corpus was made with; as it is here, where it is loaded."""
        first = self._members[0]
        return first.identity if first.encoder is None else first.encoder.identity

    @property
    def spaces(self) -> Mapping[str, Space]:
        """The corpus's learned spaces, by the corpus's names; loads nothing."""
        return {space: self._manifest.spaces[space] for space in self._manifest.encoders}

    @property
    def max_tokens(self) -> int:
        """The least that any of them reads of one text."""
        return min(member.load(self._options).max_tokens for member in self._members)

    @property
    def tokens_sent(self) -> int:
        """The tokens that their APIs counted."""
        return sum(int(getattr(member.encoder, "tokens_sent", 0)) for member in self._members)

    def load(self) -> None:
        """Load all of them now, so that one that is missing or another is met before anything is written."""
        for member in self._members:
            member.load(self._options)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the first, whose tokens the corpus was split by."""
        return self._members[0].load(self._options).count_tokens(texts)

    def encode_passages(self, texts: Sequence[str]) -> dict[str, VectorBatch]:
        """One vector a text for every learned space."""
        found: dict[str, VectorBatch] = {}
        for member in self._members:
            batch = member.load(self._options).encode_passages(texts)
            found.update({space: batch[own] for own, space in member.names.items()})
        return found

    def encode_queries(self, texts: Sequence[str], spaces: Collection[str] | None = None) -> dict[str, VectorBatch]:
        """One vector a text for each of ``spaces`` (default: all); only their encoders are loaded."""
        found: dict[str, VectorBatch] = {}
        for member in self._members:
            wanted = {own: name for own, name in member.names.items() if spaces is None or name in spaces}
            if wanted:
                batch = member.load(self._options).encode_queries(texts)
                found.update({space: batch[own] for own, space in wanted.items()})
        return found
