"""Numbers as headings write them: Chinese and Arabic digits, Roman numerals, English words."""

from __future__ import annotations

import re
import unicodedata

HAN_DIGITS = "〇○零一二三四五六七八九十百千两兩廿卅壹贰叁肆伍陆柒捌玖拾佰"
DIGITS = f"0-9０-９①-⑳{HAN_DIGITS}"
"""The characters of a Chinese number, as a class of a regular expression has them."""

WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|first|second|third|last"
)
"""The words of an English number, as alternatives of a regular expression."""

_VALUES = {
    char: value
    for value, chars in enumerate(("〇○零", "一壹", "二贰两兩", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for char in chars
}
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000}


def chinese_number(text: str | None) -> int | None:
    """The value of Chinese or Arabic digits: 十二, 一百零三, 一二三, 012 and ③; None where it is none."""
    if not text:
        return None
    plain = unicodedata.normalize("NFKC", text)
    if plain.isdecimal():
        return int(plain)
    if plain in {"上", "中", "下"}:
        return {"上": 1, "中": 2, "下": 3}[plain]
    plain = plain.replace("廿", "二十").replace("卅", "三十")
    if all(char in _VALUES for char in plain):
        return int("".join(str(_VALUES[char]) for char in plain))
    total, digit = 0, 0
    for char in plain:
        if char in _TENS:
            total, digit = total + max(1, digit) * _TENS[char] if digit or not total else total + _TENS[char], 0
        elif char in _VALUES:
            digit = _VALUES[char]
        else:
            return None
    return total + digit


_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_NAMES = {name: value for value, name in enumerate(WORDS.split("|")[:20], 1)}
_NAMES |= {name: 10 * value for value, name in enumerate(WORDS.split("|")[19:27], 2)}
_NAMES |= {"first": 1, "second": 2, "third": 3}


def english_number(text: str) -> int | None:
    """The value of digits, a Roman numeral or number words up to the hundreds."""
    lower = text.lower()
    if lower.isdecimal():
        return int(lower)
    if all(char in _ROMAN for char in lower):
        values = [_ROMAN[char] for char in lower]
        return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
    total = 0
    for word in re.split(r"[\s-]+", lower):
        total = max(1, total) * 100 if word == "hundred" else total + _NAMES.get(word, 0)
    return total or None
