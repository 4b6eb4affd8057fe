"""Finds a file's encoding, and decodes it strictly in a stream.

A byte-order mark decides; then valid UTF-8; then the candidates that decode the sample strictly
are compared by how plausible their text is. A good UTF-8 decode is never overruled.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.errors import DecodeError, InputError, UsageError

SAMPLE_BYTES = 1 << 20
"""How much of a file decides its encoding, counted from its start or its first byte beyond ASCII."""

_CHUNK_BYTES = 1 << 17

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_FAMILIES = (("utf-16-le",), ("utf-16-be",), ("gb18030",), ("big5", "cp950", "big5hkscs"), ("cp1252", "latin-1"))
"""Candidates by family, narrow before wide: the first of a family that decodes the whole file is taken."""

_FREQUENT = frozenset(
    "的一是不了在人有我他这这個个上们來来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学"
    "么之都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给"
    "名法间斯知世什两次使身者被高已亲其进此话常与活正感見见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工"
    "物气每并别真打太新比才便夫再书部水像眼等体却加电主界门利海受听表德少克代员许先口由死安写性马光白或住难望教命花结乐色"
    "這們來時為說國會後過對學麼沒還樣種開總從無現頭經長兒愛給間兩親進話與見問點幾將實聲車機氣別書體電門聽員許難寫樂東"
    "酒店址描述简介館馆街路市區区号號歡迎欢迎客房提供服务服務早餐免费免費，。！？：；、“”‘’《》「」（）…—　"
)


def find_encoding(path: str | os.PathLike[str], named: str | None = None) -> str:
    """The name of the file's encoding; ``open(path, encoding=name)`` reads the same text as :func:`read_text`.

    A ``named`` encoding is taken at its word, only a byte-order mark is allowed for.

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
    return _most_plausible(path, sample, complete)


def read_text(path: str | os.PathLike[str], encoding: str) -> Iterator[str]:
    r"""The decoded text in chunks, newlines as ``\n``; strict, in bounded memory.

    Raises:
        DecodeError: bytes that are no text in ``encoding``, with their offset and line.
        InputError: the file cannot be read.
    """
    path = Path(path)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
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


def read_lines(path: str | os.PathLike[str], encoding: str, max_chars: int | None = None) -> Iterator[str]:
    r"""The decoded lines, each with its ``\n`` (the last perhaps without).

    Of a line longer than ``max_chars`` only the first ``max_chars + 1`` characters come, so that memory
    stays bounded; its line feed is kept.
    """
    pieces: list[str] = []
    size = 0
    for chunk in read_text(path, encoding):
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
            (_plausibility(text, name), name)
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


def _fit(family: Sequence[str], sample: bytes, complete: bool, has_nul: bool) -> tuple[float, Sequence[str]] | None:
    """How plausible the family's first member that decodes the sample is, with the members from it on."""
    wide = family[0].startswith("utf-16")
    if has_nul and not wide:
        return None
    for at, name in enumerate(family):
        text = _decode(sample, name, complete)
        if text is not None:
            score = _plausibility(text, name)
            if wide:
                # Any even run of bytes is some UTF-16: without a mark it must be clearly better.
                score = -1.0 if score < 0.6 else score if has_nul else score - 0.3
            return score, family[at:]
    return None


def _plausibility(text: str, encoding: str) -> float:
    """Mean over the telling characters, from -2 (noise) to 1.5 (the language's most frequent ones)."""
    wide = encoding.startswith("utf-16")
    western = encoding in {"cp1252", "latin-1"}
    total, count = 0.0, 0
    # Some hundred thousand characters settle it.
    text = text[:200_000] if wide else _beyond_ascii(text)
    for at, char in enumerate(text):
        if char < "\x80":
            if char < " " and char not in "\t\n\r\f":
                total, count = total - 2, count + 1
            elif wide:
                total, count = total + 1, count + 1
            continue
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        total += _western(char, before, after) if western else _chinese(char, before, after)
        count += 1
    return total / count if count else 0.0


def _beyond_ascii(text: str) -> str:
    """Characters beyond ASCII with their neighbours, so that long English does not drown them."""
    if len(text) <= 200_000:
        return text
    first = next((at for at, char in enumerate(text) if char > "\x7f"), 0)
    return text[max(0, first - 1) : first + 200_000]


def _western(char: str, before: str, after: str) -> float:
    if "\x80" <= char < "\xa0":
        return -2.0
    crowd = (before > "\x7f") + (after > "\x7f")
    if crowd == 2:
        return -1.0
    letters = (before.isalpha() and before.isascii()) or (after.isalpha() and after.isascii())
    if char.isalpha() and char not in "ªºƒ":
        # A capital inside a word (``hÂtel``) is what other encodings look like in this one.
        odd = char.isupper() and before.islower()
        value = (1.0 if letters else 0.2) - (1.0 if odd else 0.0)
    else:
        value = 1.0 if char in "\xa0‘’“”–—…•®™©°£€§·«»½¼¾´¿¡×²³" else 0.0
    return value - 0.5 * crowd


def _chinese(char: str, before: str, after: str) -> float:
    code = ord(char)
    value = _han(char) if 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or code >= 0x20000 else _other(code)
    if char in _FREQUENT:
        value = 1.5
    alone = (before < "\x80" or not before) and (after < "\x80" or not after)
    # Chinese comes in runs; one character between Latin letters is an accented letter misread.
    if alone and (before.isalpha() or after.isalpha() or code >= 0x2E80):
        value -= 1.5 if before.isalpha() and after.isalpha() else 1.0
    return value


def _other(code: int) -> float:
    if code < 0xA0 or 0xE000 <= code <= 0xF8FF:
        return -2.0
    if 0xFF61 <= code <= 0xFFDC or 0xAC00 <= code <= 0xD7AF:
        return -1.0
    if 0x3000 <= code <= 0x303F or 0xFF00 <= code <= 0xFF60:
        return 1.0
    return 0.8 if 0x2010 <= code <= 0x2027 or code == 0xB7 else -0.3


def _han(char: str) -> float:
    """1 for the everyday levels of GB 2312 and Big5, less for their second levels and beyond.

    Both standards order their first level (3,755 and 5,401 characters) by how much it is used.
    """
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6)):
        try:
            if first <= char.encode(encoding)[0] <= last:
                return 1.0
        except UnicodeEncodeError:
            continue
    for encoding in ("gb2312", "big5"):
        try:
            char.encode(encoding)
        except UnicodeEncodeError:
            continue
        return 0.0
    return -1.0
