"""The quality scores measured: ``python -m benchmarks.judge MODEL [--engine vllm] …``.

Prints the report card on the anchors, tokens per second of the judge, and documents per second of
prior and student. MODEL is a GGUF file or a Hugging Face folder. With ``--rival`` the same model
runs in a second engine too, and the largest difference of grades is printed. TAMIS_VLLM_PYTHON
names the Python of an environment with vLLM, when this one has none.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.peers import timed
from classifiers.judge.engine import ENGINES, EngineSettings, open_engine
from classifiers.judge.judge import Anchor, Judge, load_anchors
from classifiers.report_card import GOOD_FROM, chance_of_beating, grade_scores
from classifiers.smollm2 import convert_gguf
from classifiers.student import StudentSettings, student_scores, train_student
from stages.quality.report import prior_scores


def graded(settings: EngineSettings, folder: Path, max_tokens: int) -> np.ndarray:
    """Grades of all anchors; prints how long loading and judging took."""
    started = time.perf_counter()
    engine = open_engine(settings, folder, os.environ.get("TAMIS_VLLM_PYTHON"))
    judge = Judge(engine, folder, max_tokens)
    texts = [anchor.text for anchor in load_anchors()]
    tokens = sum(len(judge.prompt(text)) for text in texts)
    loaded = time.perf_counter()
    grades = judge.grades(texts)
    seconds = time.perf_counter() - loaded
    engine.close()
    print(
        f"{settings.name} {settings.dtype} {settings.threads} threads: loaded in"
        f" {loaded - started:.1f} s; {len(texts)} anchors, {tokens} prompt tokens in"
        f" {seconds:.1f} s = {tokens / seconds:.0f} tokens/s"
    )
    return grades


def time_prior(texts: pa.ChunkedArray, languages: list[str]) -> None:
    """Prints how fast the prior scores documents."""
    spent, _ = timed(lambda: prior_scores(texts, languages))
    rate, size = len(texts) / spent.wall, texts.nbytes / spent.wall / 1e6
    print(f"prior: {rate:.0f} documents/s, {size:.0f} MB/s")


def time_student(texts: list[str], good: list[bool], copies: int, folder: Path) -> None:
    """Trains a student on all passages and prints how fast it scores them."""
    model = folder / "student.bin"
    model.write_bytes(train_student(texts, good, StudentSettings()))
    many = pl.Series(texts * copies)
    spent, _ = timed(lambda: student_scores(model, many))
    print(f"student: {len(many) / spent.wall:.0f} documents/s")


def model_folder(model: Path, temporary: Path) -> Path:
    """The model as a Hugging Face folder: a GGUF file is converted into ``temporary``."""
    if model.is_dir():
        return model
    folder = temporary / "model"
    spent, _ = timed(lambda: convert_gguf(model, folder))
    print(f"GGUF converted in {spent.wall:.1f} s")
    return folder


def print_cards(
    anchors: Sequence[Anchor], scores: dict[str, np.ndarray], judge: np.ndarray
) -> None:
    """Prints the report card of every score, and how surely the judge beats prior and length."""
    grades = np.array([anchor.grade for anchor in anchors])
    for name, card in grade_scores(grades, scores, scores["length"]).items():
        print(f"{name:22s} {card}")
    labels = (grades >= GOOD_FROM).astype(int)
    for rival in ("prior", "length"):
        chance = chance_of_beating(labels, judge, scores[rival])
        print(f"the judge beats {rival} in {chance:.1%} of resamples")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engine", choices=ENGINES, default="transformers")
    parser.add_argument("--rival", choices=ENGINES)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--copies", type=int, default=100, help="anchors repeated, for speed")
    options = parser.parse_args()
    anchors = load_anchors()
    texts = pa.chunked_array([pa.array([a.text for a in anchors], pa.large_string())])
    languages = [anchor.language for anchor in anchors]
    lengths = np.array([len(anchor.text) for anchor in anchors], np.float64)
    scores = {"length": lengths, "prior": prior_scores(texts, languages)}
    many = pa.chunked_array([pa.concat_arrays(texts.chunks * options.copies)])
    time_prior(many, languages * options.copies)

    with tempfile.TemporaryDirectory() as temporary:
        folder = model_folder(options.model, Path(temporary))
        for name in [options.engine, *([options.rival] if options.rival else [])]:
            settings = EngineSettings(
                name, options.dtype, 2048, 4096, options.threads, options.gpus
            )
            scores[f"judge ({name})"] = graded(settings, folder, options.max_tokens)
        judge = scores[f"judge ({options.engine})"]
        if options.rival:
            difference = np.abs(judge - scores[f"judge ({options.rival})"])
            print(f"largest difference of grades: {difference.max():.3f}")
        good = [bool(grade) for grade in judge > np.median(judge)]
        time_student(texts.to_pylist(), good, options.copies, Path(temporary))
    print_cards(anchors, scores, judge)


if __name__ == "__main__":
    main()
