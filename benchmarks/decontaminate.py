"""Decontamination beside its peers: the same documents, the same benchmarks, the same cores.

    python benchmarks/decontaminate.py --data ../shared/data [--documents FILE.jsonl.gz]
        [--benchmarks gsm8k humaneval] [--decon PYTHON] [--threads 2] [--megabytes 60]

Peers: datatrove's 12-gram filter (its index is written through its own functions, since the
reader of tasks that it asks for no longer exists), and decon through ``decontaminate``, which
needs Python 3.12 or newer: give the interpreter of an environment that has it with ``--decon``.
Without ``--documents`` (JSON lines with a field ``text``) the web pages of the data folder are
repeated up to ``--megabytes``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.stage import Batch
from pipeline.store import Store
from pipeline.task import TaskRun
from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig, build_index_files

BENCHMARKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "arc_challenge": ("arc_challenge.jsonl.gz", {}),
    "arc_easy": ("arc_easy.jsonl.gz", {}),
    "bbh": ("bbh.jsonl.gz", {}),
    "boolq": ("boolq.jsonl.gz", {"question": "query"}),
    "commonsense_qa": ("commonsense_qa.jsonl.gz", {"question": "query"}),
    "cruxeval": ("cruxeval.jsonl.gz", {"question": "code", "id": "id", "code": True}),
    "gsm8k": ("gsm8k_test.jsonl.gz", {}),
    "hellaswag": ("hellaswag_sample.jsonl.gz", {}),
    "humaneval": ("HumanEval.jsonl.gz", {}),
    "ifeval": ("ifeval.jsonl.gz", {"question": "prompt", "id": "key"}),
    "math": ("math_test.jsonl.gz", {}),
    "mbpp": ("mbpp.jsonl.gz", {}),
    "mmlu": ("mmlu_test.jsonl.gz", {}),
    "openbook_qa": (
        "openbook_qa.jsonl.gz",
        {"question": "query", "choices": "choices", "answer": "gold"},
    ),
    "piqa": ("piqa.jsonl.gz", {"question": "query", "choices": "choices", "answer": "gold"}),
    "theoremqa": ("theoremqa_test.json.gz", {"question": "Question", "answer": "Answer"}),
    "winogrande": ("winogrande.jsonl.gz", {"question": "continuation"}),
}
"""Files of the data folder, and the fields of those without a ready definition."""

PAGES = "research_only/web/weborganizer_pages.jsonl.gz"
BATCH_BYTES = 8 << 20

Flags = list[bool]


def load_documents(arguments: argparse.Namespace) -> list[str]:
    """The documents to measure on: read once, repeated when asked for."""
    path = arguments.documents or arguments.data / PAGES
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts: list[str] = [json.loads(line)["text"] for line in lines]
    size = sum(len(text.encode()) for text in texts)
    return texts * max(1, int(arguments.megabytes * 1e6 / size + 0.5))


def chosen(arguments: argparse.Namespace) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """The benchmarks to use."""
    names = arguments.benchmarks or sorted(BENCHMARKS)
    return {name: BENCHMARKS[name] for name in names}


def megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def batches(texts: list[str]) -> Iterator[pa.Table]:
    """Tables of about ``BATCH_BYTES``, as the pipeline gives them to the stage."""
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= BATCH_BYTES or index == len(texts) - 1:
            yield pa.table({"text": pa.array(texts[start : index + 1], pa.large_string())})
            start, size = index + 1, 0


def run_tamis(texts: list[str], arguments: argparse.Namespace, mode: str) -> tuple[Flags, float]:
    """Flags and seconds of matching; prints what building the index took."""
    folder = arguments.data / "open" / "benchmarks"
    config = DecontaminateConfig.model_validate(
        {
            "mode": mode,
            "benchmarks": {
                name: {"path": str(folder / file), **fields}
                for name, (file, fields) in chosen(arguments).items()
            },
        }
    )
    stage = Decontaminate(config)
    with tempfile.TemporaryDirectory() as name:
        index = Path(name)
        run = TaskRun(
            {
                "config": stage.measured_config(),
                "benchmarks": dict.fromkeys(sorted(chosen(arguments)), ""),
            },
            {benchmark: str(folder / file) for benchmark, (file, _) in chosen(arguments).items()},
            Store(index),
            index,
        )
        record, seconds = timed(lambda: build_index_files(run))
        print(f"tamis {mode}: index of {record['n_grams']:,} n-grams in {seconds:.1f} s")

        def flags_of(table: pa.Table) -> Flags:
            rows = np.arange(table.num_rows)
            verdicts = stage.decide(stage.annotate(Batch(table, rows, {"index": index})))
            return [verdict != "keep" for verdict in verdicts.verdict.to_pylist()]

        tables = list(batches(texts))
        flags_of(tables[0])  # compiles
        with ThreadPoolExecutor(arguments.threads) as pool:
            results, seconds = timed(lambda: list(pool.map(flags_of, tables)))
    return [flag for flags in results for flag in flags], seconds


def run_datatrove(texts: list[str], arguments: argparse.Namespace) -> tuple[Flags, float]:
    """datatrove's filter; every sequence of ours is a label of its index."""
    from datatrove.pipeline.decont.n_grams import NGramsDecontIndexer

    with tempfile.TemporaryDirectory() as name:
        # Its constructor asks for an evaluation library that only reads tasks: not used here.
        indexer = object.__new__(NGramsDecontIndexer)
        indexer.__init__(name, config=datatrove_config())
        started = time.perf_counter()
        for benchmark, (file, fields) in chosen(arguments).items():
            path = arguments.data / "open" / "benchmarks" / file
            sequences, _ = read_sequences(
                benchmark, path, BenchmarkConfig(path=str(path), **fields)
            )
            hashes = {h for s in sequences for h in indexer.compute_hashes(s.text)}
            np.array(sorted(hashes), indexer.config.hash_config.np_descr).tofile(
                Path(name) / f"{benchmark}.index.hashes"
            )
        print(f"datatrove: index in {time.perf_counter() - started:.1f} s")
        size = -(-len(texts) // arguments.threads)
        pieces = [texts[at : at + size] for at in range(0, len(texts), size)]
        with ProcessPoolExecutor(arguments.threads) as pool:
            list(pool.map(datatrove_flags, [[""]] * arguments.threads, [name] * arguments.threads))
            results, seconds = timed(
                lambda: list(pool.map(datatrove_flags, pieces, [name] * len(pieces)))
            )
    return [flag for flags in results for flag in flags], seconds


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


def run_decon(texts: list[str], arguments: argparse.Namespace) -> tuple[Flags, float]:
    """decon; its time without that of a run over one document, which is its index."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("evals", "one", "all"):
            (folder / part).mkdir()
        for benchmark, (file, fields) in chosen(arguments).items():
            path = arguments.data / "open" / "benchmarks" / file
            sequences, _ = read_sequences(
                benchmark, path, BenchmarkConfig(path=str(path), **fields)
            )
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
        print(f"decon: index in {seconds['one']:.1f} s")
        flags = [False] * len(texts)
        for report in (folder / "report-all").rglob("*.jsonl"):
            for line in report.read_text().splitlines():
                flags[json.loads(line)["training_line"]] = True
    return flags, seconds["all"] - seconds["one"]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--benchmarks", nargs="+", choices=sorted(BENCHMARKS), help="default: all")
    parser.add_argument("--decon", help="a Python with the package decontaminate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=60)
    arguments = parser.parse_args()
    if not (arguments.data / "open" / "benchmarks").is_dir():
        sys.exit(f"no benchmarks at {arguments.data}: name the data folder with --data")
    texts = load_documents(arguments)
    size = megabytes(texts)
    print(f"{len(texts):,} documents, {size:.0f} MB, {arguments.threads} threads or processes")
    table = {f"tamis {m}": run_tamis(texts, arguments, m) for m in ("paper", "hardened")}
    try:
        table["datatrove"] = run_datatrove(texts, arguments)
    except ImportError as error:
        print(f"datatrove is left out: {error}. Its word tokenizer needs spacy.")
    if arguments.decon:
        table["decon"] = run_decon(texts, arguments)
    ours = table["tamis paper"][0]
    print(f"{'':16}{'MB/s':>8}{'flagged':>9}{'both':>7}{'only it':>9}{'only tamis':>12}")
    for name, (flags, seconds) in table.items():
        pairs = Counter(zip(flags, ours, strict=True))
        print(
            f"{name:16}{size / seconds:8.1f}{sum(flags):9,}{pairs[True, True]:7,}"
            f"{pairs[True, False]:9,}{pairs[False, True]:12,}"
        )


if __name__ == "__main__":
    main()
