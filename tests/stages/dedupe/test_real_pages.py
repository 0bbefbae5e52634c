"""One page by up to nine extractors: real near-duplicates, against brute-force Jaccard."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from stages.dedupe.shingles import jaccard, shingle_sets
from tests.stages.dedupe.driver import Result, Text, run_stage


@dataclass(frozen=True)
class Pages:
    """Extractions, the page of each, and the Jaccard index of every pair (lower triangle)."""

    texts: list[Text]
    page: list[str]
    similarity: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    def dedupe(self, root: Path, **config: object) -> Result:
        stage = NearDedupe(NearDedupeConfig.model_validate(config))
        return run_stage(stage, [self.texts[0::3], self.texts[1::3], self.texts[2::3]], root)

    def removals(self, result: Result) -> list[tuple[int, int]]:
        """Removed document and witness, by number."""
        number = {text.id: index for index, text in enumerate(self.texts)}
        return [(number[k], number[result.annotations[k]["survivor"]]) for k in result.reasons]


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> Pages:
    path = shared_data / "open" / "neardup" / "extractor_clusters.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no file {path}")
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    texts = [Text(f"{number}", row["text"]) for number, row in enumerate(rows)]
    sets, bounds = shingle_sets(pa.array([t.text for t in texts], pa.large_string()), 5, 8)
    each = [sets[bounds[n] : bounds[n + 1]] for n in range(len(texts))]
    similarity = np.zeros((len(texts), len(texts)))
    for a in range(len(texts)):
        for b in range(a):
            similarity[a, b] = similarity[b, a] = jaccard(each[a], each[b])
    return Pages(texts, [row["cluster"] for row in rows], similarity)


def test_every_removal_has_a_witness_as_similar_as_asked(pages: Pages, tmp_path: Path) -> None:
    removals = pages.removals(pages.dedupe(tmp_path))
    assert len(removals) > 480
    assert all(pages.similarity[pair] >= NearDedupeConfig().min_jaccard for pair in removals)
    assert all(pages.page[a] == pages.page[b] for a, b in removals)


def test_hardly_a_pair_above_the_threshold_is_kept(pages: Pages, tmp_path: Path) -> None:
    # unweighed: else extractions that differ in dates, counts and captions are kept
    result = pages.dedupe(tmp_path, min_jaccard=0.8, number_weight=1, name_weight=1)
    kept = np.array([text.id in result.kept for text in pages.texts])
    alike = np.tril(pages.similarity >= 0.8)
    both = alike & kept[:, None] & kept[None, :]
    assert both.sum() <= 0.01 * alike.sum()
    # the pages are 88: what is kept beyond one each are extractions that truly differ
    assert len({page for page, here in zip(pages.page, kept, strict=True) if here}) == 88


def test_chains_remove_what_is_not_similar_to_the_survivor(pages: Pages, tmp_path: Path) -> None:
    config = {"linkage": "single", "min_jaccard": 0.7, "number_weight": 1}
    removals = pages.removals(pages.dedupe(tmp_path, **config))
    true = np.mean([pages.similarity[pair] >= 0.7 for pair in removals])
    assert 0.8 < true < 0.97
