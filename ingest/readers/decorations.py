"""What stands around a heading and is no part of it: ornaments, brackets, emphasis, characters without a shape."""

from __future__ import annotations

import re

_INVISIBLE = re.compile("[\ufeff\u00ad\u200b-\u200f\u2060\u202a-\u202e\u2066-\u2069]")
_ORNAMENT = "☆★◇◆□■○●◎※▲△▼▽♥❤♠♣♦✦✧❀✿~～=＝＊§—–·•#-"
_ORNAMENTED = re.compile(rf"[{_ORNAMENT}]{{1,20}}[、.．]?\s*(?P<core>.*?)\s*[{_ORNAMENT}]*")
_EMPHASIS = re.compile(r"(?P<mark>\*{1,3}|_{1,3})(?=[^\s*_])(?P<core>.*?[^\s*_])(?P=mark)(?P<rest>.*)")
_BOXED = re.compile(
    r"[【\[〔〖](?P<core>[^【\[〔〖】\]〕〗]+)[】\]〕〗](?P<rest>.*)"
    r"|[（(《〈](?P<whole>[^（(《〈）)》〉]+)[）)》〉]"
)
_FIRST = frozenset(f"{_ORNAMENT}*_【[〔〖（(《〈")
_END = re.compile(r"完|[终終](?:了)?|完[结結]|上?完|the end|end", re.IGNORECASE)


def visible(text: str) -> str:
    """``text`` without characters that have no shape: a byte-order mark amid the text, zero-width spaces."""
    return _INVISIBLE.sub("", text)


def without_emphasis(text: str) -> str:
    """``text`` without Markdown's asterisks or low lines, where they begin it."""
    match = _EMPHASIS.fullmatch(text)
    return match["core"] + match["rest"] if match is not None else text


def undecorated(text: str) -> str:
    """What ``text`` holds within its decorations, one around the other: ☆、第一章, 【第一章】风起, **第一章 甲**."""
    if text[:1] not in _FIRST:
        return text
    for _ in range(3):
        before = text
        text = without_emphasis(text).strip()
        ornamented = _ORNAMENTED.fullmatch(text)
        if ornamented is not None:
            text = ornamented["core"]
        boxed = _BOXED.fullmatch(text)
        if boxed is not None:
            text = boxed["whole"] or f"{boxed['core']} {boxed['rest']}".strip()
        if text == before:
            break
    return text


def is_end(title: str) -> bool:
    """Whether it says that a chapter is over (第一章完), as none is called."""
    return _END.fullmatch(title.strip()) is not None
