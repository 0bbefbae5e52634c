"""Models of recipes: a GGUF file is converted once a workspace, whoever asks for it; and where a
task that asks a model finds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pipeline.corpus import Corpus, External
from pipeline.libraries import library_versions
from pipeline.stage import StageConfig, file_setting, setting
from pipeline.task import Json, Resources, Task, TaskRun

INTERPRETER_VARIABLE = "TAMIS_VLLM_PYTHON"
"""Names the Python of an environment that has vLLM. A fact of the machine, so it is not in the
recipe."""

_VERSION = 1
_LIBRARIES = ("torch", "transformers")
_WORK_BYTES = 1_000_000_000
"""Memory of a process that asks a model, beside the weights: libraries, activations, the cache."""


def conversion_tasks(model: External, asker: str) -> list[Task]:
    """The task that converts a GGUF file to a Hugging Face folder, ``model/`` of its output; none
    for what is a folder already. ``asker`` is the stage or source that needs it first."""
    if Path(model.location).is_dir():
        return []
    return [
        Task(
            function="stages.models:convert_model",
            folder="store/models/converted",
            version=[_VERSION, library_versions(_LIBRARIES)],
            arguments={"model_sha256": model.sha256},
            label=f"{asker}: conversion of the model",
            locations={"model": model.location},
            resources=Resources(memory_bytes=4 * Path(model.location).stat().st_size),
        )
    ]


def convert_model(run: TaskRun) -> Json:
    """Converts a GGUF file (location ``model``) to a Hugging Face folder ``model/``."""
    from classifiers.smollm2 import convert_gguf

    convert_gguf(Path(run.locations["model"]), run.output / "model")
    return {}


class AskedModelConfig(StageConfig):
    """The settings of a model that a stage or a maker asks, in the order in which all have them."""

    model: str | None = file_setting(
        None, about="The model's files; null where it is made in the workspace"
    )
    answers: str | None = file_setting(
        None, about="Answers given before, from another workspace, used as they are"
    )
    engine: Literal["transformers", "vllm"] = setting(
        "transformers",
        about="What runs the model; vllm runs in process, or in the Python that"
        f" {INTERPRETER_VARIABLE} names",
    )
    dtype: Literal["bfloat16", "float32"] = setting(
        "float32", about="Arithmetic of the model; in float32 engines agree best"
    )
    gpus: int = setting(0, about="GPUs for the model; 0 runs it on the CPU", ge=0)
    threads: int = setting(1, about="CPU threads of the model; sums change with it", ge=1)


def asked_locations(corpus: Corpus, asked: AskedModelConfig) -> tuple[dict[str, str], str | None]:
    """Where a task that asks the model finds things outside of the workspace (``model``,
    ``answers``, and ``interpreter``, the Python that has vLLM), and the checksum of the answers,
    which belongs into its arguments."""
    locations, checksum = {}, None
    if asked.model is not None:
        locations["model"] = corpus.externals[asked.model].location
    if asked.answers is not None:
        given = corpus.externals[asked.answers]
        locations["answers"], checksum = given.location, given.sha256
    interpreter = os.environ.get(INTERPRETER_VARIABLE)
    if asked.engine == "vllm" and interpreter:
        locations["interpreter"] = interpreter
    return locations, checksum


def asked_resources(corpus: Corpus, asked: AskedModelConfig, pool: str) -> Resources:
    """What a task that asks the model needs: a process of ``pool``, the model's threads or GPUs,
    and on the CPU memory for weights and work, so that no more processes hold it than fit."""
    memory = 0
    if not asked.gpus:
        memory = _WORK_BYTES
        if asked.model is not None:
            place = Path(corpus.externals[asked.model].location)
            files = place.rglob("*.safetensors") if place.is_dir() else [place]
            weights = sum(path.stat().st_size for path in files)
            wider = 1 if place.is_dir() else 4  # a GGUF file of 4 bits becomes 16
            memory += weights * wider * (2 if asked.dtype == "float32" else 1)
    return Resources(cpus=asked.threads, gpus=asked.gpus, memory_bytes=memory, pool=pool)


def asked_folder(run: TaskRun) -> Path:
    """The Hugging Face folder that a task asks: what its argument ``model`` names in the workspace
    or, where that is None, the location ``model``."""
    converted = run.arguments["model"]
    return run.path(converted) if converted else Path(run.locations["model"])
