"""The sample corpora are what their README promises."""

import csv
import datetime
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HAN = re.compile(r"[\u4e00-\u9fff]")
COLUMNS = ["name", "address", "desc", "city", "stars", "price", "has_pool", "opened"]


@pytest.fixture(scope="module")
def hotels() -> list[dict[str, str]]:
    with (ROOT / "samples/hotels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tale() -> str:
    return (ROOT / "samples/tale.txt").read_text(encoding="utf-8")


def test_half_of_at_least_forty_hotels_are_described_in_each_language(hotels: list[dict[str, str]]) -> None:
    chinese = [row for row in hotels if HAN.search(row["desc"])]
    assert len(hotels) >= 40
    assert len(chinese) * 2 == len(hotels)


def test_every_hotel_has_typed_columns_and_a_description_of_fair_length(hotels: list[dict[str, str]]) -> None:
    assert len({row["name"] for row in hotels}) == len(hotels)
    for row in hotels:
        assert list(row) == COLUMNS
        assert 1 <= int(row["stars"]) <= 5
        assert int(row["price"]) > 0
        assert row["has_pool"] in {"true", "false"}
        datetime.date.fromisoformat(row["opened"])
        if HAN.search(row["desc"]):
            assert 150 <= len(row["desc"]) <= 350, row["name"]
        else:
            assert 60 <= len(row["desc"].split()) <= 150, row["name"]


def test_the_tale_repeats_its_table_of_contents_as_chapter_headings(tale: str) -> None:
    headings = re.findall(r"^第[一二三四五六七八九十]+回 .+$", tale, flags=re.M)
    assert len(headings) >= 16
    assert headings[: len(headings) // 2] == headings[len(headings) // 2 :]


def test_every_chapter_of_the_tale_is_long_enough_to_be_split(tale: str) -> None:
    chapters = re.split(r"^第[一二三四五六七八九十]+回 .+$", tale, flags=re.M)
    assert all(len(chapter) > 800 for chapter in chapters[-8:])


@pytest.mark.parametrize("name", ["沈孤灯", "灯下客", "白阿蘅", "雪雁", "鲁不空", "铁头陀", "洛青羊", "九指鹤", "铜鹤"])
def test_names_and_aliases_come_back_in_the_tale(tale: str, name: str) -> None:
    assert tale.count(name) >= 3


def test_every_make_target_that_the_readme_shows_exists() -> None:
    targets = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    assert {"demo", "test"} <= targets
    assert targets <= rules


def test_every_exit_code_is_in_the_readme() -> None:
    tree = (ROOT / "schemas/errors.py").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"\n| {code} |" in readme for code in set(re.findall(r"exit_code[^=\n]*= (\d)", tree)))


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.cluster.yml"])
def test_servers_are_pinned_keyed_limited_and_local(name: str) -> None:
    services = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert service["image"] == "qdrant/qdrant:v1.19.0"
        assert service["environment"]["QDRANT__SERVICE__API_KEY"].startswith("${XUNYI_API_KEY:?")
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["mem_limit"]
        assert service["healthcheck"]["test"]
