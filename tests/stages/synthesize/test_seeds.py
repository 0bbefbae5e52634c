"""Documents that may be seeds: by kind, and prose by what it is about."""

from __future__ import annotations

import json
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest

from pipeline.store import Store
from pipeline.task import Task, execute
from stages.synthesize.seeds import SEEDS_FILE, CorpusSeedsConfig
from tests.stages.small_corpus import write_parts

TOPICS = [topics[name] for name in sorted(topics) if 1500 < len(topics[name]) < 9000][:20]
PROOF = (
    "Theorem. Let $p$ be a polynomial of degree $n$ over $F$. Then $p$ has at most $n$ roots."
    " Proof. If $\\alpha$ is a root, $p(x) = (x - \\alpha) q(x)$ with $\\deg q = n - 1$. "
)
CELLS = (
    "The enzyme binds to DNA, and the protein folds only when the molecule loses a proton. Inside"
    " the cell nucleus, genes code for each protein that the species needs. "
)
BEACH = (
    "The hotel is close to the beach, and tourists book guided tours of the island. Every visitor"
    " who travels there by ferry gets a map of the hiking trails and the old harbour. "
)
LICENCE = (Path(__file__).parents[3] / "LICENSE").read_text()


def seeds_among(folder: Path, texts: list[str], **settings: Any) -> list[dict[str, Any]]:
    store = Store(folder / "workspace")
    (part,) = write_parts(store, [[{"text": text} for text in texts]])
    view = {"documents": part.documents, "verdicts": [], "reads": [], "annotations": {}}
    seeds = {"min_characters": 100, **settings}
    arguments = {"view": view, "source": "test", "seeds": seeds, "terms_sha256": "0"}
    task = Task(
        "stages.synthesize.seeds:candidates_of_part", "store/candidates", 1, arguments, "candidates"
    )
    receipt = execute(task, store)[0]
    lines = store.path(receipt.path(SEEDS_FILE)).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_mathematics_and_prose_of_stem_are_taken_by_default(tmp_path: Path) -> None:
    wanted = [*TOPICS, PROOF * 3, CELLS * 2]
    taken = seeds_among(tmp_path, [*wanted, BEACH * 2, LICENCE, "Short. A theorem."])
    rows = sorted(int(seed["locator"].split(":")[1]) for seed in taken)
    # two topics of Python's documentation may be lists more than prose
    assert set(rows) <= set(range(len(wanted)))
    assert len(rows) >= len(wanted) - 2
    why = {seed["locator"]: (seed["document_kind"], seed.get("document_domain")) for seed in taken}
    assert why[f"0:{len(TOPICS)}"] == ("math", None)
    assert why[f"0:{len(TOPICS) + 1}"] == ("prose", "science")
    assert {why[f"0:{row}"] for row in rows[:-2]} == {("prose", "technology")}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"domains": []}, {PROOF}),
        ({"kinds": [], "domains": ["travel"]}, {BEACH}),
        ({"kinds": [], "domains": ["science", "mathematics"]}, {CELLS}),
        ({"kinds": ["prose"], "domains": []}, {CELLS, BEACH}),
        ({"kinds": ["prose"]}, {CELLS, BEACH}),
        ({"min_characters": 5000}, set()),
    ],
)
def test_kinds_and_domains_are_settings(
    tmp_path: Path, settings: dict[str, Any], expected: set[str]
) -> None:
    texts = [PROOF, CELLS, BEACH]
    taken = seeds_among(tmp_path, [text * 3 for text in texts], **settings)
    rows = {int(seed["locator"].split(":")[1]) for seed in taken}
    assert {texts[row] for row in rows} == expected


def test_unknown_domains_are_told() -> None:
    with pytest.raises(ValueError, match=r"no domain `maths`\. There are academic, "):
        CorpusSeedsConfig(domains=("maths",))
    with pytest.raises(ValueError, match="give `kinds` or `domains`"):
        CorpusSeedsConfig(kinds=(), domains=())
