"""What holds of every corpus, whatever its recipe: nothing is lost, caps hold, parts do not matter,
and what-if foretells the build. (Equal bytes of equal runs: test_end_to_end.)"""

import json
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tamis
from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files, part_paths
from tests.tamis.duplicates import NAMES, write_duplicates
from trainer.shards import read_shards

FOOTER = "All of these pages were gathered with the greatest care by a careful hand."
SOURCES = ("pages", "mirror", "footers")
WEIGHTS = st.sampled_from([0.0, 0.3, 1.0, 2.5, 7.0])
BY_SOURCE = st.dictionaries(st.sampled_from(SOURCES), WEIGHTS, max_size=3)


def few(examples: int) -> settings:
    """The same few examples each time: every one of them is a build."""
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Duplicates, a leaked benchmark item, and pages that end alike."""
    folder = tmp_path_factory.mktemp("random") / "raw"
    write_duplicates(folder)
    pieces = [topics[name][1000:1700].strip() for name in NAMES[:9]]
    lines = [json.dumps({"text": f"{piece}\n{FOOTER}\n{FOOTER}"}) for piece in pieces]
    (folder / "footers.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, Any]:
    """A balance by source: weights, targets, a temperature or phases."""
    config: dict[str, Any] = {"by": ["source"], "max_epochs": draw(st.sampled_from([1, 2.5, 4]))}
    tokens = draw(st.sampled_from(["all", 700, 4000, 40_000]))
    way = draw(st.sampled_from(["weights", "targets", "temperature", "phases"]))
    weights = draw(BY_SOURCE)
    weights["pages"] = max(0.3, weights.get("pages", 1.0))  # something is left
    if way == "weights":
        return {**config, "weights": weights, "tokens": tokens}
    if way == "targets":
        targets = {name: round(weight / 25, 3) for name, weight in weights.items()}
        return {**config, "targets": targets, "tokens": tokens}
    if way == "temperature":
        return {**config, "temperature": draw(st.sampled_from([1, 5])), "tokens": tokens}
    first = {"name": "first", "tokens": 3000, "weights": weights}
    second = {"name": "second", "tokens": draw(st.sampled_from([200, 9000])), "unimax": True}
    return {**config, "phases": [first, second]}


@st.composite
def stages(draw: st.DrawFn) -> dict[str, Any]:
    """Stages in their order, some of them, with some of their settings."""
    chosen: dict[str, Any] = {"kind": None}
    if draw(st.booleans()):
        chosen["exact_dedupe"] = None
    if draw(st.booleans()):
        chosen["near_dedupe"] = {"min_jaccard": draw(st.sampled_from([0.7, 0.9]))}
    if draw(st.booleans()):
        most = draw(st.sampled_from([None, 0.1]))
        chosen["boilerplate_lines"] = {"scope": "global", "min_documents": 5, "max_share": most}
    if draw(st.booleans()):
        action = draw(st.sampled_from(["drop", "mask"]))
        benchmark = {"humaneval": {"path": "HumanEval.jsonl"}}
        chosen["decontaminate"] = {"action": action, "benchmarks": benchmark}
    chosen["tokenize"] = {"tokenizer": "qwen"}
    chosen["balance"] = draw(mixtures())
    chosen["shard"] = {"shard_tokens": 4000}
    return chosen


EVERYTHING: dict[str, Any] = {
    "kind": None,
    "exact_dedupe": None,
    "near_dedupe": {"min_jaccard": 0.7},
    "boilerplate_lines": {"scope": "global", "min_documents": 5, "max_share": None},
    "decontaminate": {
        "action": "mask",
        "benchmarks": {"humaneval": {"path": "HumanEval.jsonl"}},
    },
    "tokenize": {"tokenizer": "qwen"},
    "balance": {
        "by": ["source"],
        "max_epochs": 2.5,
        "phases": [
            {"name": "first", "tokens": 3000, "weights": {"pages": 2.5, "mirror": 0.0}},
            {"name": "second", "tokens": 9000, "unimax": True},
        ],
    },
    "shard": {"shard_tokens": 4000},
}
"""A recipe with all that `stages` may draw: few others meet so much at once."""


def build(folder: Path, stages: dict[str, Any], workspace: str, part_bytes: int) -> Manifest:
    """A build in a workspace where what stays the same is there already."""
    content = {
        "ingest": {"part_bytes": part_bytes, "task_bytes": part_bytes},
        "sources": [{"name": name, "path": f"{name}.jsonl"} for name in SOURCES],
        "stages": stages,
    }
    recipe = folder / "random.yaml"
    recipe.write_text(yaml.safe_dump(content, sort_keys=False))
    return tamis.build(recipe, workspace=folder.parent / workspace, workers=1).manifest


def ledger(manifest: Manifest) -> pl.DataFrame:
    """Every document: id, bytes of its text, the stage that dropped it, group, tokens, repeats."""
    found = []
    for _, files in part_files(manifest):
        paths = part_paths(manifest, files)
        part = pl.read_parquet(documents_path(manifest, files)).select(
            "id", pl.col("text").str.len_bytes().cast(pl.Int64).alias("bytes")
        )
        fate = pl.lit(None, pl.String)
        for stage in manifest.stage_names:
            if (stage, "verdicts") in paths:
                verdict = pl.read_parquet(paths[stage, "verdicts"])["verdict"].cast(pl.String)
                falls = verdict.is_not_null() & (verdict != "keep")
                fate = pl.when(falls).then(pl.lit(stage)).otherwise(fate)
        balance = pl.read_parquet(paths["balance", "annotations"])
        tokens = pl.read_parquet(paths["tokenize", "annotations"])["n_tokens"]
        found.append(
            part.with_columns(fate.alias("fate"), balance["group"], balance["repeats"], tokens)
        )
    return pl.concat(found)


def check_conservation(manifest: Manifest, documents: pl.DataFrame) -> None:
    """`in = kept + dropped` at every stage, in documents and bytes, up to the shards."""
    living = documents
    came = manifest.content["ingest"]["sources"].values()
    assert sum(source["documents"] for source in came) == len(living)
    assert sum(source["bytes"] for source in came) == living["bytes"].sum()
    for stage in manifest.content["stages"]:
        falls = living.filter(pl.col("fate") == stage["name"])
        kept = living.filter(pl.col("fate").ne_missing(pl.lit(stage["name"])))
        dropped = stage["dropped"].values()
        for counts, rows in ((stage["in"], living), (stage["kept"], kept)):
            assert counts == {"documents": len(rows), "bytes": rows["bytes"].sum()}
        assert sum(counts["documents"] for counts in dropped) == len(falls)
        assert sum(counts["bytes"] for counts in dropped) == falls["bytes"].sum()
        living = kept
    shards = read_shards(manifest.workspace / "shards") if len(living) else []
    assert sum(len(shard) for shard in shards) == len(living)
    left = sum(int(shard.numbers("n_bytes").sum()) for shard in shards)
    assert left == living["bytes"].sum() - manifest.content.get("cut", {"bytes": 0})["bytes"]
    assert tamis.verify(manifest.workspace).passed


def check_caps(balance: dict[str, Any], manifest: Manifest, documents: pl.DataFrame) -> None:
    """No group passes its cap, or its plan; weight 0 removes one; shares sum to 1."""
    record = manifest.stage("balance")["record"]
    groups = record["groups"]
    read = (
        documents.drop_nulls("repeats")
        .group_by("group")
        .agg(
            pl.col("n_tokens").sum().alias("tokens"),
            (pl.col("n_tokens") * pl.col("repeats")).sum().alias("read"),
            pl.col("repeats").max(),
        )
    )
    for group, tokens, reached, repeats in read.rows():
        assert reached == groups[group]["reached_tokens"] <= groups[group]["planned_tokens"]
        assert reached <= balance["max_epochs"] * tokens
        assert repeats <= -(-balance["max_epochs"] // 1)
        if balance.get("weights", {}).get(group) == 0:
            assert reached == 0
    shares = ["target_share", "planned_share"]
    shares += ["reached_share"] * bool(record["reached_tokens"])  # a budget may fit no document
    for share in shares:
        assert sum(group[share] for group in groups.values()) == pytest.approx(1, abs=1e-6)


@few(1)
@given(stages())
@example(EVERYTHING)
def test_nothing_is_lost_caps_hold_and_parts_do_not_matter(
    folder: Path, stages: dict[str, Any]
) -> None:
    many = build(folder, stages, "w", 8_000)
    documents = ledger(many)
    check_conservation(many, documents)
    check_caps(stages["balance"], many, documents)
    one = build(folder, stages, "one", 10**7)
    assert len(list(part_files(many))) > len(list(part_files(one)))
    assert documents.sort("id").equals(ledger(one).sort("id"))


@few(2)
@given(BY_SOURCE, st.sampled_from([0.0, 0.3, 0.6]), st.sampled_from([1, 4]))
def test_what_if_foretells_weights_and_thresholds(
    folder: Path, weights: dict[str, float], share: float, epochs: int
) -> None:
    weights["pages"] = max(0.3, weights.get("pages", 1.0))
    lines = {"scope": "global", "min_documents": 5, "max_share": 0.1}
    benchmarks = {"humaneval": {"path": "HumanEval.jsonl"}}
    now: dict[str, Any] = {
        "kind": None,
        "exact_dedupe": None,
        "near_dedupe": None,
        "decontaminate": {"benchmarks": benchmarks, "min_lcs": 13},
        "boilerplate_lines": lines,
        "tokenize": {"tokenizer": "qwen"},
        "balance": {"by": ["source"]},
    }
    before = build(folder, now, "if", 8_000)
    asked = {
        "stages.boilerplate_lines.max_share": share,
        "stages.balance.weights": weights,
        "stages.balance.max_epochs": epochs,
    }
    answer = tamis.what_if(before.workspace, [f"{k}={json.dumps(v)}" for k, v in asked.items()])
    now["boilerplate_lines"] = {**lines, "max_share": share}
    now["balance"] = {"by": ["source"], "weights": weights, "max_epochs": epochs}
    then = build(folder, now, "then", 8_000)
    kept = then.content["stages"][-1]["kept"]["documents"]
    assert answer.documents.at_least <= kept <= answer.documents.at_most
    if answer.exact and answer.tokens_exact:
        record = then.stage("balance")["record"]
        assert answer.documents.known == kept
        assert (answer.tokens, answer.effective_tokens) == (
            record["reached_tokens"],
            record["effective_tokens"],
        )
    assert (answer.exact and answer.tokens_exact) or share > 0.1
