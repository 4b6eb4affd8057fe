"""Finds a file's encoding, and decodes it strictly in a stream.

A byte-order mark decides; then valid UTF-8; then the candidates that decode the sample strictly
are compared by how plausible their text is. A good UTF-8 decode is never overruled.
"""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.plausibility import plausibility
from schemas.errors import DecodeError, InputError, UsageError

SAMPLE_BYTES = 1 << 20
"""How much of a file decides its encoding, counted from its start or its first byte beyond ASCII."""

_CHUNK_BYTES = 1 << 17
_ESCAPED = frozenset({"utf-8", "utf-8-sig"})
_BROKEN = re.compile("[\udc80-\udcff]{1,4}")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_FAMILIES = (("utf-16-le",), ("utf-16-be",), ("gb18030",), ("big5", "cp950", "big5hkscs"), ("cp1252", "latin-1"))
"""Candidates by family, narrow before wide: the first of a family that decodes the whole file is taken."""


def find_encoding(path: str | os.PathLike[str], named: str | None = None, *, by_row: bool = False) -> str:
    """The name of the file's encoding; ``open(path, encoding=name)`` reads the same text as :func:`read_text`.

    A ``named`` encoding is taken at its word, only a byte-order mark is allowed for. ``by_row``: whoever reads the
    file sets rows aside that are no text, so that UTF-8 with a few broken bytes is UTF-8 and no error.

    Raises:
        UsageError: there is no encoding of that name.
        DecodeError: nothing known fits.
        InputError: the file is binary, or cannot be opened.
    """
    path = Path(path)
    try:
        if named is not None:
            return _named(path, named)
        sample, complete = _sample(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" not in sample and _decode(sample, "utf-8", complete) is not None:
        return "utf-8"
    if by_row and _nearly_utf8(sample):
        return "utf-8"
    try:
        return _most_plausible(path, sample, complete)
    except DecodeError:
        if by_row and _few_broken_lines(sample):
            return "utf-8"
        raise


def read_text(path: str | os.PathLike[str], encoding: str, *, escape: bool = False) -> Iterator[str]:
    r"""The decoded text in chunks, newlines as ``\n``; strict, in bounded memory.

    With ``escape`` bytes that are no UTF-8 come as lone surrogates, for :func:`broken_bytes`. In other encodings
    they stay an error: there a broken byte may be read together with its neighbours, be they quotes or commas.

    Raises:
        DecodeError: bytes that are no text in ``encoding``, with their offset and line.
        InputError: the file cannot be read.
    """
    path = Path(path)
    errors = "surrogateescape" if escape and encoding in _ESCAPED else "strict"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    offset, line = 0, 1
    try:
        with open(path, "rb") as file:
            while True:
                data = file.read(_CHUNK_BYTES)
                try:
                    text = newlines.decode(decoder.decode(data, final=not data), final=not data)
                except UnicodeDecodeError as error:
                    raise _refusal(path, encoding, error, offset + len(data), line) from error
                offset += len(data)
                line += text.count("\n")
                if text:
                    yield text
                if not data:
                    return
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error


def read_lines(
    path: str | os.PathLike[str], encoding: str, max_chars: int | None = None, *, escape: bool = False
) -> Iterator[str]:
    r"""The decoded lines, each with its ``\n`` (the last perhaps without).

    Of a line longer than ``max_chars`` only the first ``max_chars + 1`` characters come, so that memory
    stays bounded; its line feed is kept. ``escape`` as for :func:`read_text`.
    """
    pieces: list[str] = []
    size = 0
    for chunk in read_text(path, encoding, escape=escape):
        start = 0
        while (end := chunk.find("\n", start)) >= 0:
            piece = chunk[start:end]
            start = end + 1
            if pieces:
                pieces.append(piece)
                piece = "".join(pieces)
                pieces, size = [], 0
            if max_chars is not None and len(piece) > max_chars:
                piece = piece[: max_chars + 1]
            yield piece + "\n"
        if start < len(chunk) and (max_chars is None or size <= max_chars):
            pieces.append(chunk[start:])
            size += len(chunk) - start
    if pieces:
        line = "".join(pieces)
        yield line if max_chars is None else line[: max_chars + 1]


def broken_bytes(line: str) -> bytes:
    """The first bytes of the line that were no UTF-8, at most four; none if all of it was."""
    found = None if line.isascii() else _BROKEN.search(line)
    return found[0].encode("utf-8", "surrogateescape") if found else b""


def with_replacements(line: str) -> str:
    """The line with U+FFFD for what was no UTF-8."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def may_be_broken(broken: int, whole: int, telling: int) -> bool:
    """Whether a table in UTF-8 may have so many rows that are not, beside ``whole`` ones, ``telling`` beyond ASCII.

    More than these few would be a file in another encoding, of which every row beyond ASCII is broken.
    """
    return broken <= whole and broken <= max(3, telling // 10)


def _refusal(path: Path, encoding: str, error: UnicodeDecodeError, consumed: int, line: int) -> DecodeError:
    # The codec sees what it kept from the last chunk and this chunk; both end where we have read to.
    at = consumed - len(error.object) + error.start
    before = error.object[: error.start].decode(encoding, "ignore").replace("\r\n", "\n")
    line += before.count("\n") + before.count("\r")
    bad = error.object[error.start : error.end][:4].hex(" ") or "nothing"
    return DecodeError(
        f"{path}, line {line}, byte {at}: the bytes {bad} are no text in {encoding}; "
        "name the file's encoding with --encoding."
    )


def _named(path: Path, named: str) -> str:
    try:
        info = codecs.lookup(named)
        is_text = info._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise UsageError(f"there is no encoding {named!r}; try utf-8, gb18030, big5, utf-16 or cp1252 with --encoding.")
    name = info.name
    with open(path, "rb") as file:
        start = file.read(4)
    if name == "utf-8" and start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if (name, start[:2]) in {("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)}:
        return "utf-16"
    if name == "utf-16" and start[:2] not in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        sample, complete = _sample(path)
        both = [
            (plausibility(text, name), name)
            for name in ("utf-16-le", "utf-16-be")
            if (text := _decode(sample, name, complete)) is not None
        ]
        return max(both)[1] if both else "utf-16-le"
    return name


def _sample(path: Path) -> tuple[bytes, bool]:
    """Bytes that decide, and whether they reach the file's end."""
    with open(path, "rb") as file:
        data = file.read(SAMPLE_BYTES)
        if len(data) < SAMPLE_BYTES or not data.isascii() or b"\0" in data:
            return data, not file.read(1)
        # ASCII so far: the first other byte decides, wherever it stands.
        while chunk := file.read(SAMPLE_BYTES):
            if not chunk.isascii():
                first = next(at for at, byte in enumerate(chunk) if byte > 0x7F)
                start = file.tell() - len(chunk) + max(0, first - 256)
                file.seek(start - start % 4)
                data = file.read(SAMPLE_BYTES)
                return data, not file.read(1)
        return data, False


def _decode(data: bytes, encoding: str, complete: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(data, final=complete)
    except UnicodeDecodeError:
        return None


def _most_plausible(path: Path, sample: bytes, complete: bool) -> str:
    if _nearly_utf8(sample):
        # One broken byte must not turn a UTF-8 file into another encoding's noise: say where it is.
        for _ in read_text(path, "utf-8"):
            pass
    controls = sum(1 for byte in sample if byte < 9 or 13 < byte < 32)
    has_nul = b"\0" in sample
    if has_nul and controls <= len(sample) / 50 and _decode(sample, "utf-8", complete) is not None:
        # A stray NUL in text; what reads rows and chapters makes a blank of it, as of other control characters.
        return "utf-8"
    ranked = [found for family in _FAMILIES if (found := _fit(family, sample, complete, has_nul)) is not None]
    best = max(ranked, key=lambda found: found[0], default=None)
    if best is None or best[0] < 0:
        if has_nul or controls > len(sample) / 50:
            raise InputError(f"{path} is binary, not text; give a text, CSV, JSONL, Parquet or EPUB file.")
        raise DecodeError(
            f"{path}: its bytes are no plausible text in UTF-8, UTF-16, GB18030, Big5 or cp1252; "
            "name its encoding with --encoding."
        )
    names = best[1]
    if complete or len(names) == 1:
        return names[0]
    # A sample cannot tell the members of a family apart; the whole file can.
    for name in names:
        try:
            for _ in read_text(path, name):
                pass
        except DecodeError:
            continue
        return name
    return names[0]


def _nearly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(1 for char in text if char > "\x7f") - bad
    return b"\0" not in sample and good >= 3 and 0 < bad <= max(3, good // 10) and good > bad


def _few_broken_lines(sample: bytes) -> bool:
    lines = [line for line in sample.splitlines() if line.strip()]
    broken = sum(_decode(line, "utf-8", True) is None for line in lines)
    return may_be_broken(broken, len(lines) - broken, sum(not line.isascii() for line in lines) - broken)


def _fit(family: Sequence[str], sample: bytes, complete: bool, has_nul: bool) -> tuple[float, Sequence[str]] | None:
    """How plausible the family's first member that decodes the sample is, with the members from it on."""
    wide = family[0].startswith("utf-16")
    if has_nul and not wide:
        return None
    for at, name in enumerate(family):
        text = _decode(sample, name, complete)
        if text is not None:
            score = plausibility(text, name)
            if wide:
                # Any even run of bytes is some UTF-16: without a mark it must be clearly better.
                score = -1.0 if score < 0.6 else score if has_nul else score - 0.3
            return score, family[at:]
    return None
