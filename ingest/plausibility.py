"""How plausible a text is that an encoding makes of bytes: Chinese, Western, or noise."""

from __future__ import annotations

_FREQUENT = frozenset(
    "的一是不了在人有我他这这個个上们來来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学"
    "么之都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给"
    "名法间斯知世什两次使身者被高已亲其进此话常与活正感見见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工"
    "物气每并别真打太新比才便夫再书部水像眼等体却加电主界门利海受听表德少克代员许先口由死安写性马光白或住难望教命花结乐色"
    "這們來時為說國會後過對學麼沒還樣種開總從無現頭經長兒愛給間兩親進話與見問點幾將實聲車機氣別書體電門聽員許難寫樂東"
    "酒店址描述简介館馆街路市區区号號歡迎欢迎客房提供服务服務早餐免费免費，。！？：；、“”‘’《》「」（）…—　"
)


def plausibility(text: str, encoding: str) -> float:
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
