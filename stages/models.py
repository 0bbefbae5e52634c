"""Models of recipes made ready: a GGUF file is converted once a workspace, whoever asks for it."""

from __future__ import annotations

from pathlib import Path

from pipeline.corpus import External
from pipeline.libraries import library_versions
from pipeline.task import Json, Resources, Task, TaskRun

_VERSION = 1
_LIBRARIES = ("torch", "transformers")


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
