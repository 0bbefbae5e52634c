"""The mixture as it is shown: targets, plans, what is reached, and why they differ."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

import tamis
from manifests.manifest import Manifest
from tamis.mixture_tables import GROUPS, mixture_sections
from tamis.tables import Section, as_markdown, show_sections

MIXTURE: dict[str, Any] = {
    "by": ["source"],
    "targets": {"rare": 0.5, "common": 0.3, "nowhere": 0.1},
    "phases": [
        {"name": "pretraining", "tokens": 4000, "sequence_length": 256},
        {"name": "annealing", "tokens": 1000, "weights": {"common": 0.0}},
    ],
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of short texts, one ten times the other, and a tokenizer trained on them."""
    folder = tmp_path_factory.mktemp("mixture")
    for source, documents in (("rare", 6), ("common", 60)):
        lines = [
            {"text": f"The {number}th of {source} words, " + f"told {number} times. " * 8}
            for number in range(documents)
        ]
        (folder / f"{source}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / "r.yaml"
    sources = [{"name": name, "path": f"{name}.jsonl"} for name in ("rare", "common")]
    stages = {"tokenize": {"vocabulary_size": 300, "train_bytes": 20_000}, "balance": MIXTURE}
    path.write_text(yaml.safe_dump({"sources": sources, "stages": stages}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def manifest(recipe: Path) -> Manifest:
    return tamis.build(recipe, workspace=recipe.parent / "w", workers=1).manifest


def rows(section: Section) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(section.headers, row, strict=True)) for row in section.rows}


def test_targets_plans_and_reached_stand_side_by_side(manifest: Manifest) -> None:
    whole, first, second = mixture_sections(manifest, 132)
    record = manifest.stage("balance")["record"]
    shown = rows(whole)
    assert list(shown) == [*sorted(record["groups"], key=lambda g: g == "rare"), "all"]
    for name, group in record["groups"].items():
        assert shown[name]["tokens"] == f"{group['reached_tokens']:,}"
        assert shown[name]["effective"] == f"{group['effective_tokens']:,}"
        assert shown[name]["epochs"] == f"{group['epochs']:.2f}"
        for column in ("natural", "target", "planned"):
            assert shown[name][column] == f"{100 * group[f'{column}_share']:.1f} %"
        assert shown[name]["share"] == f"{100 * group['reached_share']:.1f} %"
    assert "capped at 4 epochs" in shown["rare"]["why not the target"]
    assert shown["all"]["tokens"] == f"{record['reached_tokens']:,}"
    assert whole.notes[-1] == "Named, but not in the corpus: nowhere."
    assert first.title == (
        "phase pretraining, random order, sequences of 256, 4,000 tokens asked for"
    )
    assert rows(second)["common"]["target"] == "0.0 %"


def test_a_narrow_terminal_does_without_some_columns(manifest: Manifest) -> None:
    whole, *_ = mixture_sections(manifest, 80)
    assert whole.headers == (
        "source",
        "tokens",
        "epochs",
        "target",
        "share",
        "why not the target",
    )
    console = Console(width=80, record=True, file=io.StringIO())
    show_sections(console, iter([whole]))
    assert "capped at 4 epochs" in console.export_text()
    assert "| :-- | --: | --: | --: | --: | :-- |" in as_markdown(iter([whole]))


def test_a_balance_of_the_table_s_groups_stands_alone(recipe: Path) -> None:
    given = ["stages.balance={by: [source], weights: {rare: 2}}"]
    built = tamis.build(recipe, workspace=recipe.parent / "w", workers=1, settings=given)
    (alone,) = mixture_sections(built.manifest, 132)
    assert alone.title == "The mixture, stated as weights"


def test_of_many_groups_those_read_most_are_shown(recipe: Path) -> None:
    given = ["stages.balance={by: [locator]}"]
    built = tamis.build(recipe, workspace=recipe.parent / "w", workers=1, settings=given)
    kept, balance = mixture_sections(built.manifest, 132)
    assert list(rows(kept)) == ["common", "rare", "all"]
    assert len(balance.rows) == GROUPS + 1
    groups = built.manifest.stage("balance")["record"]["groups"].values()
    left = sorted(group["reached_share"] for group in groups)[:-GROUPS]
    assert balance.notes[0] == f"46 more groups are {100 * sum(left):.1f} % of it."
