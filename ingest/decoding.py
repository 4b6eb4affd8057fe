"""Finds a file's encoding, and decodes it strictly in a stream.

A byte-order mark decides; then valid UTF-8; then the candidates that decode the sample strictly
are compared by how plausible their text is. A good UTF-8 decode is never overruled.
"""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ingest.byte_samples import (
    ESCAPE,
    ESCAPED,
    FAMILIES,
    decode,
    few_broken_lines,
    fit,
    nearly_chinese,
    nearly_utf8,
)
from ingest.plausibility import plausibility
from ingest.unreadable import unreadable
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


def find_encoding(
    path: str | os.PathLike[str], named: str | None = None, *, by_row: bool = False, replace: bool = False
) -> str:
    """The name of the file's encoding; ``open(path, encoding=name)`` reads the same text as :func:`read_text`.

    A ``named`` encoding is taken at its word, only a byte-order mark is allowed for. ``by_row``: whoever reads the
    file sets rows aside that are no text, so that UTF-8 with a few broken bytes is UTF-8 and no error. With ``replace``
    a few are none in any encoding.

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
        raise unreadable(path, error) from error
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" not in sample and decode(sample, "utf-8", complete) is not None:
        return "utf-8"
    if (by_row or replace) and nearly_utf8(sample):
        return "utf-8"
    try:
        return _most_plausible(path, sample, complete, replace)
    except DecodeError:
        if by_row and few_broken_lines(sample):
            return "utf-8"
        raise


def read_text(
    path: str | os.PathLike[str], encoding: str, *, escape: bool = False, replace: bool = False
) -> Iterator[str]:
    r"""The decoded text in chunks, newlines as ``\n``; strict, in bounded memory.

    With ``escape`` bytes that are no UTF-8 come as lone surrogates, for :func:`broken_bytes`. In other encodings
    they stay an error: there a broken byte may be read together with its neighbours, be they quotes or commas.
    With ``replace`` each byte that is no text, in any encoding, comes as U+FFFD.

    Raises:
        DecodeError: bytes that are no text in ``encoding``, with their offset and line.
        InputError: the file cannot be read.
    """
    errors = ESCAPE if replace else "surrogateescape" if escape and encoding in _ESCAPED else "strict"
    for text in _decoded(Path(path), encoding, errors):
        yield ESCAPED.sub("\ufffd", text) if replace and not text.isascii() else text


def replaced_bytes(path: str | os.PathLike[str], encoding: str) -> int:
    """For how many bytes of the file :func:`read_text` gives U+FFFD with ``replace``."""
    return sum(len(ESCAPED.findall(text)) for text in _decoded(Path(path), encoding, ESCAPE))


def _decoded(path: Path, encoding: str, errors: str) -> Iterator[str]:
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
        raise unreadable(path, error) from error


def read_lines(
    path: str | os.PathLike[str],
    encoding: str,
    max_chars: int | None = None,
    *,
    escape: bool = False,
    replace: bool = False,
) -> Iterator[str]:
    r"""The decoded lines, each with its ``\n`` (the last perhaps without).

    Of a line longer than ``max_chars`` only the first ``max_chars + 1`` characters come, so that memory
    stays bounded; its line feed is kept. ``escape`` and ``replace`` as for :func:`read_text`.
    """
    pieces: list[str] = []
    size = 0
    for chunk in read_text(path, encoding, escape=escape, replace=replace):
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


def _refusal(path: Path, encoding: str, error: UnicodeDecodeError, consumed: int, line: int) -> DecodeError:
    # The codec sees what it kept from the last chunk and this chunk; both end where we have read to.
    at = consumed - len(error.object) + error.start
    before = error.object[: error.start].decode(encoding, "ignore").replace("\r\n", "\n")
    line += before.count("\n") + before.count("\r")
    bad = error.object[error.start : error.end][:4].hex(" ") or "nothing"
    return DecodeError(
        f"{path}, line {line}, byte {at}: the bytes {bad} are no text in {encoding}; "
        "name another encoding with --encoding, or have U+FFFD in their place with --encoding-errors replace."
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
            if (text := decode(sample, name, complete)) is not None
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


def _most_plausible(path: Path, sample: bytes, complete: bool, replace: bool) -> str:
    if nearly_utf8(sample):
        # One broken byte must not turn a UTF-8 file into another encoding's noise: say where it is.
        for _ in read_text(path, "utf-8"):
            pass
    controls = sum(1 for byte in sample if byte < 9 or 13 < byte < 32)
    has_nul = b"\0" in sample
    if has_nul and controls <= len(sample) / 50 and decode(sample, "utf-8", complete) is not None:
        # A stray NUL in text; what reads rows and chapters makes a blank of it, as of other control characters.
        return "utf-8"
    ranked = [found for family in FAMILIES if (found := fit(family, sample, complete, has_nul)) is not None]
    best = max(ranked, key=lambda found: found[0], default=(-1.0, ()))
    if best[0] < 0:
        if has_nul or controls > len(sample) / 50:
            raise InputError(f"{path} is binary, not text; give a text, CSV, JSONL, Parquet or EPUB file.")
        return _nearly(path, sample, complete, replace)
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


def _nearly(path: Path, sample: bytes, complete: bool, replace: bool) -> str:
    """The encoding that the file is in but for bytes that are no text, which are replaced or else refused."""
    found = nearly_chinese(sample, complete)
    if found is None:
        raise DecodeError(
            f"{path}: its bytes are no plausible text in UTF-8, UTF-16, GB18030, Big5 or cp1252; "
            "name its encoding with --encoding."
        )
    for _ in read_text(path, found, replace=replace):
        pass  # says where
    return found
