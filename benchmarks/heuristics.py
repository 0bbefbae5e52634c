"""Heuristics beside datatrove's filters on the same documents: speed and agreement.

    python benchmarks/heuristics.py [FILE.jsonl.gz ...] [--documents 1000]

Without files it reads what it finds in the folder of measuring data (``TAMIS_SHARED_DATA``, or
``../shared/data``). Both sides run in one process on one core, are warmed up on the first
documents, and are timed in CPU seconds. datatrove needs ``pip install datatrove spacy``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.stage import Batch
from stages.heuristics.stage import Heuristics, HeuristicsConfig
from stages.kind import KINDS, Kind, KindConfig

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_FILES = (
    "open/web/dolma_cc_en_head.jsonl.gz",
    "open/web/datajuicer_domain_mix.jsonl.gz",
    "open/quality/dclm_human_majority_only.jsonl.gz",
    "research_only/web/weborganizer_pages.jsonl.gz",
)


def read_texts(paths: list[Path], documents: int) -> list[str]:
    """Texts of JSON-lines files, in order, at most so many."""
    texts: list[str] = []
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            texts += [text for line in lines if (text := json.loads(line)["text"])]
    return texts[:documents]


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returned."""
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def kappa(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
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


def answer_all(asked: dict[str, Any], texts: list[str], document: Any) -> dict[str, Any]:
    """Which documents each filter drops. Document by document, as a datatrove pipeline goes, so
    that its cache of split texts serves all four."""
    dropped: dict[str, list[bool]] = {name: [] for name in asked}
    for text in texts:
        for name, peer in asked.items():
            dropped[name].append(peer.filter(document(text=text, id="")) is not True)
    return {name: np.array(answers) for name, answers in dropped.items()}


def main() -> None:
    """Prints a table of agreement, documents a second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a field `text`")
    parser.add_argument("--documents", type=int, default=1000, help="how many, 1000 by default")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("TAMIS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    files = arguments.files or [shared / name for name in DEFAULT_FILES]
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
    kind = Kind(KindConfig())
    kind.annotate(batch)
    kind_seconds, kinds = seconds(lambda: kind.annotate(batch))
    shares = {name: kinds["kind"].to_pylist().count(name) for name in KINDS}
    print(
        f"kind: {len(texts) / kind_seconds:,.0f} documents/s, {size / kind_seconds / 1e6:,.0f} MB/s"
    )
    print(f"  {shares}")

    stage = Heuristics(HeuristicsConfig())
    stage.annotate(batch)
    ours_seconds, annotations = seconds(lambda: stage.annotate(batch))
    decide_seconds, _ = seconds(lambda: stage.decide(annotations))
    ours_seconds += decide_seconds

    from datatrove.data import Document
    from datatrove.pipeline import filters

    asked = peers(filters)
    answer_all(asked, texts[:1], Document)
    theirs_seconds, answers = seconds(lambda: answer_all(asked, texts, Document))
    prose = np.array(kinds["kind"].to_pylist()) == "prose"
    print(f"{'rules':<20}{'kappa':>8}{'dropped':>9}{'by datatrove':>14}   ({prose.sum()} of prose)")
    for name in asked:
        alone = Heuristics(HeuristicsConfig(rules={"prose": (name,)}, marks_are_words=True))
        ours = np.array(alone.decide(annotations).verdict.to_pylist()) != "keep"
        one, other = ours[prose], answers[name][prose]
        print(f"{name:<20}{kappa(one, other):>8.3f}{one.mean():>9.3f}{other.mean():>14.3f}")
    ours_rate = len(texts) / ours_seconds
    theirs_rate = len(texts) / theirs_seconds
    print(f"heuristics: {ours_rate:,.0f} documents/s, {size / ours_seconds / 1e6:.1f} MB/s")
    print(f"datatrove:  {theirs_rate:,.0f} documents/s, all four filters on each")
    print(f"ratio:      {ours_rate / theirs_rate:.0f}")


if __name__ == "__main__":
    main()
