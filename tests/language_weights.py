"""Fixture: lid.176.ftz, downloaded once with pip and kept in a folder for later runs."""

import os
import tempfile
from pathlib import Path

import pytest

from tamis.sample.catalog import SampleError, load_catalog
from tamis.sample.weights import gather_models, is_there

TARGET = "lid.176.ftz"


@pytest.fixture(scope="session")
def language_weights() -> Path:
    """The weights' path; the tests that need them skip when they cannot be downloaded."""
    place = Path(os.environ.get("TAMIS_TEST_CACHE", Path(tempfile.gettempdir()) / "tamis-tests"))
    models = [model for model in load_catalog().models if model.target == TARGET]
    if not all(is_there(place, model) for model in models):
        # Parallel workers download apart; the last rename wins, and both files are the same.
        with tempfile.TemporaryDirectory() as scratch:
            try:
                gather_models(Path(scratch), models, progress=lambda _: None)
            except SampleError as error:
                pytest.skip(f"no language model, and it cannot be downloaded: {error}")
            (place / "models").mkdir(parents=True, exist_ok=True)
            fresh = place / "models" / f"{TARGET}.{os.getpid()}"
            fresh.write_bytes((Path(scratch) / "models" / TARGET).read_bytes())
            fresh.replace(place / "models" / TARGET)
    return place / "models" / TARGET
