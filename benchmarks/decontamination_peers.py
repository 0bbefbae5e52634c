"""datatrove's and decon's decontamination on given texts, against the benchmarks of a folder.

datatrove's index is written through its own functions, since the reader of tasks that it asks for
no longer exists. decon runs through the package ``decontaminate``, which needs Python 3.12 or newer
and so an environment of its own: ``python3.12 -m venv .venv-decon`` and
``.venv-decon/bin/pip install decontaminate``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.decontaminate.benchmark import BenchmarkConfig, Sequence, read_sequences

BENCHMARKS: Mapping[str, str] = {
    "arc_challenge": "arc_challenge.jsonl.gz",
    "arc_easy": "arc_easy.jsonl.gz",
    "bbh": "bbh.jsonl.gz",
    "boolq": "boolq.jsonl.gz",
    "commonsense_qa": "commonsense_qa.jsonl.gz",
    "cruxeval": "cruxeval.jsonl.gz",
    "gsm8k": "gsm8k_test.jsonl.gz",
    "hellaswag": "hellaswag_sample.jsonl.gz",
    "humaneval": "HumanEval.jsonl.gz",
    "ifeval": "ifeval.jsonl.gz",
    "math": "math_test.jsonl.gz",
    "mbpp": "mbpp.jsonl.gz",
    "mmlu": "mmlu_test.jsonl.gz",
    "openbook_qa": "openbook_qa.jsonl.gz",
    "piqa": "piqa.jsonl.gz",
    "theoremqa": "theoremqa_test.json.gz",
    "winogrande": "winogrande.jsonl.gz",
}
"""Files of the data folder that have ready definitions."""

Flags = list[bool]


class PeerRun(NamedTuple):
    """Which texts were flagged, seconds of matching them, and seconds of building the index."""

    flags: Flags
    seconds: float
    index_seconds: float


def chosen(arguments: argparse.Namespace) -> dict[str, Path]:
    """The files of the benchmarks to use, by name."""
    folder: Path = arguments.data / "open" / "benchmarks"
    names = arguments.benchmarks or sorted(BENCHMARKS)
    return {name: folder / BENCHMARKS[name] for name in names}


def sequences_of(name: str, path: Path) -> list[Sequence]:
    """The sequences of a benchmark that has a ready definition."""
    return read_sequences(name, path, BenchmarkConfig(path=str(path)))[0]


def run_datatrove(texts: list[str], arguments: argparse.Namespace) -> PeerRun:
    """datatrove's filter; every sequence of ours is a label of its index."""
    from datatrove.pipeline.decont.n_grams import NGramsDecontIndexer

    with tempfile.TemporaryDirectory() as name:
        # Its constructor asks for an evaluation library that only reads tasks: not used here.
        indexer = object.__new__(NGramsDecontIndexer)
        indexer.__init__(name, config=datatrove_config())
        started = time.perf_counter()
        for benchmark, path in chosen(arguments).items():
            sequences = sequences_of(benchmark, path)
            hashes = {h for s in sequences for h in indexer.compute_hashes(s.text)}
            np.array(sorted(hashes), indexer.config.hash_config.np_descr).tofile(
                Path(name) / f"{benchmark}.index.hashes"
            )
        index = time.perf_counter() - started
        size = -(-len(texts) // arguments.threads)
        pieces = [texts[at : at + size] for at in range(0, len(texts), size)]
        with ProcessPoolExecutor(arguments.threads) as pool:
            list(pool.map(datatrove_flags, [[""]] * arguments.threads, [name] * arguments.threads))
            started = time.perf_counter()
            results = list(pool.map(datatrove_flags, pieces, [name] * len(pieces)))
            seconds = time.perf_counter() - started
    return PeerRun([flag for flags in results for flag in flags], seconds, index)


def datatrove_config() -> Any:
    """12-grams, with SHA-1: its default passes strings to xxhash, whose newer versions refuse."""
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig
    from datatrove.utils.hashing import HashConfig

    return NGramsDecontConfig(hash_config=HashConfig(hash_fc="sha1"))


_filters: dict[str, Any] = {}


def datatrove_flags(texts: list[str], folder: str) -> Flags:
    """Runs in a worker process, which loads the index once."""
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontFilter

    if folder not in _filters:
        _filters[folder] = NGramsDecontFilter(folder, datatrove_config())
        _filters[folder].load_index_hashes()
    keep = _filters[folder].filter
    return [keep(Document(text, str(i))) is not True for i, text in enumerate(texts)]


DECON = """
import json, sys, time, decon
settings = json.loads(sys.argv[1])
started = time.perf_counter()
decon.detect(decon.Config(**settings))
print(json.dumps(time.perf_counter() - started))
"""


def run_decon(texts: list[str], arguments: argparse.Namespace) -> PeerRun:
    """decon; its time without that of a run over one document, which is its index."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("evals", "one", "all"):
            (folder / part).mkdir()
        for benchmark, path in chosen(arguments).items():
            sequences = sequences_of(benchmark, path)
            with (folder / "evals" / f"{benchmark}.jsonl").open("w") as out:
                for number, s in enumerate(
                    s for s in sequences if s.name in ("question", "prompt")
                ):
                    record = {
                        "eval_key": benchmark,
                        "eval_instance_index": number,
                        "split": "test",
                        "question": s.text,
                        "answer": "",
                        "passage": "",
                        "doc_id": number,
                        "fingerprint": f"{benchmark}-{number}",
                    }
                    out.write(json.dumps(record) + "\n")
        for part, content in (("one", texts[:1]), ("all", texts)):
            with (folder / part / "documents.jsonl").open("w") as out:
                for text in content:
                    out.write(json.dumps({"text": text}) + "\n")
        seconds = {}
        for part in ("one", "all"):
            settings = {
                "training_dir": str(folder / part),
                "evals_dir": str(folder / "evals"),
                "report_output_dir": str(folder / f"report-{part}"),
                "worker_threads": arguments.threads,
            }
            done = subprocess.run(
                [arguments.decon, "-c", DECON, json.dumps(settings)],
                capture_output=True,
                text=True,
                check=True,
            )
            seconds[part] = json.loads(done.stdout.splitlines()[-1])
        flags = [False] * len(texts)
        for report in (folder / "report-all").rglob("*.jsonl"):
            for line in report.read_text().splitlines():
                flags[json.loads(line)["training_line"]] = True
    return PeerRun(flags, seconds["all"] - seconds["one"], seconds["one"])
