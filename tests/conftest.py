"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real measuring data; tests that need it skip where it is missing."""
    place = Path(os.environ.get("TAMIS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no measuring data at {place} (set TAMIS_SHARED_DATA to its folder)")
    return place
