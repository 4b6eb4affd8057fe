"""What a row's columns are called in its document's payload."""

import pytest

from ingest.readers import ReadOptions, open_sources, read


def payloads(path, content, **columns):
    path.write_text(content, encoding="utf-8")
    (source,) = open_sources([path], ReadOptions(columns=columns))
    return [document.payload for document in read(source)]


@pytest.mark.parametrize("order", ["address,location", "location,address"])
def test_a_column_called_address_beside_the_chosen_one_keeps_its_values(tmp_path, order):
    cells = {"address": "1 Mail Box", "location": "2 Lake Rd"}
    row = ",".join(cells[name] for name in order.split(","))
    content = f"name,description,{order}\nInn,Quiet.,{row}\n"
    (payload,) = payloads(tmp_path / "a.csv", content, address="location")
    assert payload == {"address": "2 Lake Rd", "address_2": "1 Mail Box"}


def test_the_other_address_is_called_the_same_in_every_row_and_takes_no_column_s_name(tmp_path):
    content = (
        "name,description,address,address_2,location\nInn,Quiet.,x,,2 Lake Rd\nInn B,Loud.,x,y,\nInn C,Big.,x,y,z\n"
    )
    assert payloads(tmp_path / "a.csv", content, address="location") == [
        {"address_3": "x", "address": "2 Lake Rd"},
        {"address_3": "x", "address_2": "y"},
        {"address_3": "x", "address_2": "y", "address": "z"},
    ]


def test_names_that_differ_in_a_control_character_only_keep_both_values(tmp_path):
    content = '{"text": "Quiet.", "a b": 1, "a\\u0001b": 2}\n'
    assert payloads(tmp_path / "a.jsonl", content) == [{"a b": 1, "a b_2": 2}]
