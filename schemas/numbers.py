"""Numbers as people and files write them: 1,000, ¥3,999, 599元, １９９."""

from __future__ import annotations

import re

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("￥"): "¥", ord("￡"): "£"}
_LONGEST = 60
_SIGN = "[¥$€£元]"
_WRITTEN = re.compile(
    rf"(?P<minus>-?)(?P<before>{_SIGN}?)\s*(?P<inner>-?)"
    rf"(?P<whole>[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+)(?P<part>\.[0-9]+)?\s*(?P<after>{_SIGN}?)"
)


def unadorned(text: str) -> tuple[str, str]:
    """A number without thousands separators, currency sign and full width, and its currency sign.

    Text that is no such number comes back as it is, without a sign. Leading zeros stay, by which a
    caller can tell names from numbers.
    """
    if len(text) > _LONGEST:
        return text, ""
    match = _WRITTEN.fullmatch(text.strip().translate(_HALF_WIDTH))
    if match is None or (match["minus"] and match["inner"]) or (match["before"] and match["after"]):
        return text, ""
    plain = f"{match['minus'] or match['inner']}{match['whole'].replace(',', '')}{match['part'] or ''}"
    return plain, (match["before"] or match["after"]).replace("元", "¥")
