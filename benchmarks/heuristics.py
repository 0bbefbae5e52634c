"""Heuristics beside datatrove's filters on the same documents: speed and agreement.

    python -m benchmarks.heuristics [FILE.jsonl.gz ...] [--documents 1000]

Without files it reads what it finds in the folder of measuring data (``TAMIS_SHARED_DATA``, or
``../shared/data``). Both sides run in one process on one core, are warmed up on the first
documents, and are timed in CPU seconds. datatrove needs ``pip install datatrove spacy``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peers import read_texts, shared_data, timed
from pipeline.stage import Batch
from stages.heuristics.stage import Heuristics, HeuristicsConfig
from stages.kind import KINDS, Kind, KindConfig

Flags = np.ndarray[Any, np.dtype[np.bool_]]

DEFAULT_FILES = (
    "open/web/dolma_cc_en_head.jsonl.gz",
    "open/web/datajuicer_domain_mix.jsonl.gz",
    "open/quality/dclm_human_majority_only.jsonl.gz",
    "research_only/web/weborganizer_pages.jsonl.gz",
)


def kappa(one: Flags, other: Flags) -> float:
    """Cohen's kappa of two boolean arrays."""
    agree = float(np.mean(one == other))
    chance = float(one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean()))
    return 1.0 if chance == 1 else (agree - chance) / (1 - chance)


def peers(filters: Any) -> dict[str, Any]:
    """datatrove's filters by the name of our set of rules."""
    return {
        "gopher_repetition": filters.GopherRepetitionFilter(),
        "gopher_quality": filters.GopherQualityFilter(),
        "c4": filters.C4QualityFilter(filter_no_terminal_punct=False),
        "fineweb": filters.FineWebQualityFilter(),
    }


def answer_all(asked: dict[str, Any], texts: list[str], document: Any) -> dict[str, Flags]:
    """Which documents each filter drops. Document by document, as a datatrove pipeline goes, so
    that its cache of split texts serves all four."""
    dropped: dict[str, list[bool]] = {name: [] for name in asked}
    for text in texts:
        for name, peer in asked.items():
            dropped[name].append(peer.filter(document(text=text, id="")) is not True)
    return {name: np.array(answers) for name, answers in dropped.items()}


def time_kinds(batch: Batch, size: int) -> list[str]:
    """The kinds of the documents; prints how fast they are told apart."""
    stage = Kind(KindConfig())
    stage.annotate(batch)
    spent, told = timed(lambda: stage.annotate(batch))
    kinds: list[str] = told["kind"].to_pylist()
    rate = len(batch.rows) / spent.cpu
    print(f"kind: {rate:,.0f} documents/s, {size / spent.cpu / 1e6:,.0f} MB/s")
    print(f"  { {name: kinds.count(name) for name in KINDS} }")
    return kinds


def time_heuristics(batch: Batch) -> tuple[float, pa.Table]:
    """CPU seconds of measuring and deciding, and the annotations."""
    stage = Heuristics(HeuristicsConfig())
    stage.annotate(batch)
    measuring, annotations = timed(lambda: stage.annotate(batch))
    deciding, _ = timed(lambda: stage.decide(annotations))
    return measuring.cpu + deciding.cpu, annotations


def time_datatrove(texts: list[str]) -> tuple[float, dict[str, Flags]]:
    """CPU seconds of datatrove's filters, and which documents each drops."""
    from datatrove.data import Document
    from datatrove.pipeline import filters

    asked = peers(filters)
    answer_all(asked, texts[:1], Document)
    spent, answers = timed(lambda: answer_all(asked, texts, Document))
    return spent.cpu, answers


def print_agreement(annotations: pa.Table, answers: dict[str, Flags], prose: Flags) -> None:
    """Prints for each set of rules kappa and the shares of prose that both sides drop."""
    print(f"{'rules':<20}{'kappa':>8}{'dropped':>9}{'by datatrove':>14}   ({prose.sum()} of prose)")
    for name, answer in answers.items():
        alone = Heuristics(HeuristicsConfig(rules={"prose": (name,)}, marks_are_words=True))
        ours = np.array(alone.decide(annotations).verdict.to_pylist()) != "keep"
        one, other = ours[prose], answer[prose]
        print(f"{name:<20}{kappa(one, other):>8.3f}{one.mean():>9.3f}{other.mean():>14.3f}")


def main() -> None:
    """Prints a table of agreement, documents a second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a field `text`")
    parser.add_argument("--documents", type=int, default=1000, help="how many, 1000 by default")
    arguments = parser.parse_args()
    files = arguments.files or [shared_data() / name for name in DEFAULT_FILES]
    files = [path for path in files if path.is_file()]
    if not files:
        raise SystemExit("No documents: name JSON-lines files, or set TAMIS_SHARED_DATA.")
    texts = read_texts(files, arguments.documents)
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB, {size / len(texts):.0f} bytes each")

    table = pa.table(
        {
            "text": pa.array(texts, pa.large_string()),
            "locator": pa.array([""] * len(texts), pa.string()),
        }
    )
    batch = Batch(table, np.arange(len(texts)), {})
    kinds = time_kinds(batch, size)
    ours, annotations = time_heuristics(batch)
    theirs, answers = time_datatrove(texts)
    print_agreement(annotations, answers, np.array(kinds) == "prose")
    print(f"heuristics: {len(texts) / ours:,.0f} documents/s, {size / ours / 1e6:.1f} MB/s")
    print(f"datatrove:  {len(texts) / theirs:,.0f} documents/s, all four filters on each")
    print(f"ratio:      {theirs / ours:.0f}")


if __name__ == "__main__":
    main()
