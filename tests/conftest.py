"""What tests of several rooms share: real folders, real stores, small real corpora."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "samples"


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} does not name a folder")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"{variable} names {path}, which is no folder")
    return path


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of public corpora that are not part of the project."""
    return _folder("XUNYI_TEST_CORPORA")


@pytest.fixture(scope="session")
def judged() -> Path:
    """The folder of judged queries that are not part of the project."""
    return _folder("XUNYI_TEST_EVAL")
