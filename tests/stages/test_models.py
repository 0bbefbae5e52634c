"""What tasks that ask a model need of a machine."""

from pathlib import Path

import pytest

from pipeline.corpus import Corpus, External
from pipeline.store import Store
from stages.models import AskedModelConfig, asked_resources

MB = 1_000_000


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Knows a GGUF file of 1 MB, and a folder with 3 MB of weights and a tokenizer."""
    folder = tmp_path / "folder"
    folder.mkdir()
    sizes = {"model.gguf": MB, "folder/one.safetensors": MB, "folder/two.safetensors": 2 * MB}
    for name, size in {**sizes, "folder/tokenizer.json": 7}.items():
        (tmp_path / name).write_bytes(bytes(size))
    models = {name: External(str(tmp_path / name), "0" * 64) for name in ("model.gguf", "folder")}
    return Corpus("quality", 1, [], [], [], {}, models, {}, Store(tmp_path / "w"))


def memory(corpus: Corpus, **settings: object) -> int:
    return asked_resources(corpus, AskedModelConfig(**settings), "judge").memory_bytes


def test_weights_are_counted_as_they_lie_in_memory(corpus: Corpus) -> None:
    beside = memory(corpus, model=None)
    assert beside > 0
    assert memory(corpus, model="folder", dtype="bfloat16") - beside == 3 * MB
    assert memory(corpus, model="folder", dtype="float32") - beside == 6 * MB
    # four bits a weight in the file
    assert memory(corpus, model="model.gguf", dtype="bfloat16") - beside == 4 * MB
    assert memory(corpus, model="model.gguf", dtype="float32") - beside == 8 * MB


def test_a_model_on_a_gpu_asks_for_it_and_for_no_memory(corpus: Corpus) -> None:
    needs = asked_resources(corpus, AskedModelConfig(model="folder", gpus=2, threads=3), "judge")
    assert (needs.gpus, needs.cpus, needs.memory_bytes, needs.pool) == (2, 3, 0, "judge")
