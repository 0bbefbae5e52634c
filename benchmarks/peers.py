"""What several benchmarks share: where files lie, a stopwatch, datatrove's language filter.

This module imports little, since datatrove's worker processes import it too.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
WEIGHTS = SAMPLE / "models" / "lid.176.ftz"

T = TypeVar("T")


class Spent(NamedTuple):
    """Wall and CPU seconds, those of ended child processes included."""

    wall: float
    cpu: float


def timed(call: Callable[[], T]) -> tuple[Spent, T]:
    """What a call took, and what it returned."""
    before, started = _cpu_seconds(), time.perf_counter()
    result = call()
    return Spent(time.perf_counter() - started, _cpu_seconds() - before), result


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def best_of(runs: int, call: Callable[[], T]) -> tuple[Spent, T]:
    """The run of the least CPU time; the first run also pays for imports and compilation."""
    return min((timed(call) for _ in range(runs)), key=lambda run: run[0].cpu)


def shared_data() -> Path:
    """The folder of measuring data: TAMIS_SHARED_DATA, else ``../shared/data``."""
    return Path(os.environ.get("TAMIS_SHARED_DATA", ROOT.parent / "shared" / "data"))


def existing(paths: Iterable[Path]) -> list[Path]:
    """The paths, if all are there. Ends the program otherwise."""
    checked = list(paths)
    for path in checked:
        if not path.is_file():
            raise SystemExit(f"{path}: there is no such file. `make sample` gathers the sample.")
    return checked


def open_plain(path: Path) -> io.BufferedIOBase:
    """The file's content, decompressed where its name ends in .gz or .zst."""
    if path.suffix == ".gz":
        return gzip.open(path)
    if path.suffix == ".zst":
        import zstandard

        return io.BufferedReader(zstandard.open(path, "rb"))
    return path.open("rb")


def read_records(path: Path) -> Iterator[Any]:
    """The records of a JSON lines file, which may be packed."""
    with open_plain(path) as lines:
        yield from map(json.loads, lines)


def read_texts(paths: Iterable[Path], documents: int | None = None) -> list[str]:
    """The ``text`` of JSON lines files, in order, at most so many; empty ones are left out."""
    texts = (record["text"] for path in paths for record in read_records(path))
    return list(islice(filter(None, texts), documents))


def silence_datatrove() -> None:
    """Keeps datatrove's progress and its libraries' warnings off the screen, in this process."""
    from datatrove.utils.logging import logger  # importing it sets the logger up

    logger.remove()
    logging.disable(logging.WARNING)


class LocalLanguageFilter:
    """datatrove's ``LanguageFilter`` on weights that lie on this machine, as a pipeline step.

    Filter and prediction are datatrove's own functions. What is left out is the download of
    lid.176.bin, and the check that the module ``fasttext`` comes from one certain distribution,
    which an environment with another one cannot pass.
    """

    backend = "ft176"
    label_only = False
    keep_top_pairs_threshold = -1
    languages = None

    def __init__(self, weights: Path, language_threshold: float = 0.65) -> None:
        self.model = _LocalModel(weights)
        self.language_threshold = language_threshold

    def filter(self, document: Any) -> bool:
        """Whether it is kept; ``metadata`` is given ``language`` and ``language_score``."""
        from datatrove.pipeline.filters import LanguageFilter

        return bool(LanguageFilter.filter(self, document))

    def __call__(self, data: Iterable[Any], rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """The documents that are kept."""
        return (document for document in data if self.filter(document))


class _LocalModel:
    """What datatrove's ``FastTextLID.predict`` asks of an object: ``model``, ``k``, ``languages``.

    ``k`` of -1 is its default: the probabilities of all languages.
    """

    languages = None
    k = -1

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    @cached_property
    def model(self) -> Any:
        import fasttext

        return fasttext.load_model(str(self.weights))

    def predict(self, document: Any) -> Any:
        from datatrove.utils.lid import FastTextLID

        return FastTextLID.predict(self, document)
