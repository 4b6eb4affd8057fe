from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    folder = os.environ.get("XUNYI_TEST_CORPORA")
    if not folder:
        pytest.skip("XUNYI_TEST_CORPORA does not name the folder of the test corpora")
    return Path(folder)
