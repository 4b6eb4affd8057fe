"""Words that a corpus does not know are taken as ones that it knows, and nothing else of a question changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.analysis import make_analyzer
from encoders.spelling import LONGEST, MOST, Speller, edits
from encoders.vocabulary import VocabularyBuilder
from schemas.manifest import AnalyzerSettings, TfidfSettings

TEXTS = (
    "The airport terminal has a health club.",
    "The airport shuttle is free.",
    "Airports are dimensional.",
    "open a url or a file path",
    "机场 terminal 很近, valve XK-2041-B",
)
WORDS = st.text(alphabet="abc", min_size=1, max_size=6)


def speller(*texts, preset="default", **options):
    """A speller over the vocabulary of some texts."""
    cut = make_analyzer(AnalyzerSettings(preset=preset, options=options))
    builder = VocabularyBuilder()
    builder.add(map(cut.features, texts or TEXTS))
    return Speller(cut, builder.build(TfidfSettings()))


def taken(question, *texts, **options):
    return dict(speller(*texts, **options).spelled([question])[0].taken)


def distance(left, right):
    """Letters more, less, other, or two neighbours exchanged (optimal string alignment)."""
    rows = [[max(i, j) if not i * j else 0 for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            same = left[i - 1] == right[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(WORDS, WORDS)
def test_edits_are_the_words_one_edit_away_with_the_same_first_letter(word, other):
    assert (other in edits(word)) == (distance(word, other) == 1 and word[0] == other[0])


@given(WORDS, st.integers(1, 6))
def test_edits_may_be_those_with_more_first_letters_in_common(word, first):
    assert edits(word, first) <= edits(word)
    assert all(other[:first] == word[:first] for other in edits(word, first))


@pytest.mark.parametrize(
    ("written", "meant"),
    # Where only stems are known, one of them may be what is shown.
    [("temrinal", "terminal"), ("terminl", "termin"), ("terminnal", "terminal"), ("terminxl", "termin")],
)
def test_a_slip_of_one_letter_is_the_word_that_was_meant(written, meant):
    assert taken(f"near the {written}") == {written: meant}
    assert make_analyzer(AnalyzerSettings()).features(meant) == ["termin"]


def test_the_commonest_of_several_words_is_taken():
    assert taken("hoter", "hotel", "hotel", "hover") == {"hoter": "hotel"}


def test_a_stem_keeps_the_ending_that_was_written():
    assert taken("dimensoinal") == {"dimensoinal": "dimensional"}


def test_a_word_that_is_made_of_known_ones_is_taken_as_those():
    assert taken("urlopen filepath") == {"urlopen": "url open", "filepath": "file path"}
    assert taken("urlfilepath") == {"urlfilepath": "url file path"}
    assert taken("urlopen-1.2") == {"urlopen": "url open"}
    # Two words before three.
    assert taken("filepathurl", *TEXTS, "filepath") == {"filepathurl": "filepath url"}
    assert taken("urlfilepathopen") == {}


def test_of_a_word_and_the_words_that_another_may_be_made_of_the_commoner_is_taken():
    texts = ["open a url", "a url to open", "urlopek"]
    assert taken("urlopen", *texts) == {"urlopen": "url open"}
    assert taken("urlopen", *texts, "urlopek", "urlopek") == {"urlopen": "urlopek"}


def test_a_text_is_respelled_in_its_place_and_the_rest_stays():
    assert speller().spelled(["Ａirprot（Temrinal 2）的机场, XK-2041-B"])[0].text == (
        "airport（terminal 2）的机场, XK-2041-B"
    )


@pytest.mark.parametrize(
    "question",
    [
        "the airport terminals",  # known
        "the zebra",  # near to nothing
        "clab clob",  # too short to tell
        "temrinal-2041-b temrinal9",  # pieces of codes
        "帮我找一个机常",  # Chinese
        "",
    ],
)
def test_what_is_known_or_near_to_nothing_or_no_word_stays(question):
    assert speller().spelled([question])[0] == (question, {})


def test_stop_words_are_nobodys_meaning():
    assert taken("therre", "there are there", "thermal") == {}


def test_nothing_is_taken_for_another_where_terms_are_those_of_the_article():
    assert taken("temrinal", preset="article") == {}


def test_only_the_first_unknown_words_of_a_long_question_are_looked_at():
    question = " ".join(["airprot", *("q" * length for length in range(5, 5 + MOST)), "temrinal"])
    assert taken(question) == {"airprot": "airport"}
    assert taken("t" * (LONGEST + 1)) == {}


def test_a_word_is_guessed_once_and_the_guesses_are_not_kept_by_the_vocabulary():
    class Lookup:
        def __init__(self):
            self.looks, self.glances = [], []

        def __call__(self, terms):
            self.looks.append(set(terms))
            return {}

        def glance(self, terms):
            self.glances.append(set(terms))
            return {}

    lookup = Lookup()
    unknown, first = Speller(make_analyzer(AnalyzerSettings()), lookup), 0
    for _ in range(3):
        assert unknown.spelled(["temrinal temrinal", "temrinal"])[1].taken == {}
        first = first or len(lookup.glances)
    assert lookup.looks == [{"temrinal", "temrin"}] * 3
    assert 0 < len(lookup.glances) == first
    assert any("terminal" in glance for glance in lookup.glances)


KNOWN = ["airport", "terminal", "health", "shuttle", "机场", "xk-2041-b", "the"]


@given(st.lists(st.one_of(st.sampled_from(KNOWN), st.text(alphabet="aei r机,-1.", max_size=7)), max_size=8))
def test_what_is_not_a_word_of_letters_is_never_touched(parts):
    text = " ".join(parts)
    spelled = SPELLER.spelled([text])[0]
    for word in spelled.taken:
        assert word not in KNOWN
        assert word.isascii()
        assert word.isalpha()
    if not spelled.taken:
        assert spelled.text == text
    # What was taken is known: spelling it again changes nothing.
    assert SPELLER.spelled([spelled.text])[0] == (spelled.text, {})


SPELLER = speller()
