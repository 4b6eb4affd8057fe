"""The markup of an EPUB's files, decoded as they declare, or as is found where they declare nothing."""

from __future__ import annotations

import codecs
import re
import tempfile
from pathlib import Path

from ingest.decoding import find_encoding
from schemas.errors import InputError

_XML = re.compile(rb"\s*<\?xml[^>]*encoding=[\"']([\w.-]+)")
_META = re.compile(rb"<meta\b[^>]*\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_BYTES = 4096
"""How far into a page its ``meta`` element is looked for."""
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "big5": "big5hkscs", "ascii": "utf-8"}
"""What is declared by these names is often the wider one, which reads the narrower as well."""


def decoded(path: Path, name: str, data: bytes) -> str:
    r"""The markup of the book's file ``name``, newlines as ``\n``.

    Raises:
        InputError: the bytes are no text in the encoding that is declared, or in any that is found.
    """
    encoding = _encoding(path, name, data)
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(f"{path}, {name}: its text is no {encoding}; the EPUB is damaged or protected.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(path: Path, name: str, data: bytes) -> str:
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return "utf-16"
    if data[:3] == codecs.BOM_UTF8:
        return "utf-8-sig"
    declared = _XML.match(data) or _META.search(data[:_META_BYTES])
    if declared is not None:
        label = declared[1].decode("ascii", "replace")
        try:
            label = codecs.lookup(label).name
        except LookupError:
            return label
        # A declaration that could be read is in no encoding of two bytes a letter.
        return "utf-8" if label.startswith(("utf-16", "utf-32")) else _WIDER.get(label, label)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _found(path, name, data)
    return "utf-8"


def _found(path: Path, name: str, data: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page"
        page.write_bytes(data)
        try:
            return find_encoding(page)
        except InputError as error:
            raise InputError(
                f"{path}, {name}: its text is no UTF-8, and it declares no encoding; the EPUB is damaged or protected."
            ) from error
