"""What of a text reaches a terminal."""

import pytest

from cli.output import printable


@pytest.mark.parametrize("text", ["👩‍👩‍👧 family", "می‌خواهم", "क्‍ष", "a\tb\nc", "全　角"])
def test_joiners_that_spell_words_and_emoji_are_shown(text):
    assert printable(text) == text


@pytest.mark.parametrize("control", ["\x1b", "\u202e", "\u2066", "\u200b", "\x07", "\u200f"])
def test_what_a_terminal_would_obey_is_not(control):
    assert printable(f"a{control}b") == "a�b"
