"""`tamis run synthesize`: makers on a handful of seeds."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.recipe import RecipeError
from tamis.cli import app
from tamis.sampling import sample_recipe
from tamis.synthesis_run import synthesis_recipe
from tests.classifiers.tiny_model import write_tiny_model

BASE = """\
sources: [{name: notes, path: notes}]
synthesize:
  synthetic/math:
    generator: {model: generator, dtype: float32}
    sampling: {max_tokens: 4}
    writing: {max_tokens: 4}
    n: 2
    procedural: {count: 30}
  synthetic/code:
    generator: {model: generator, dtype: float32}
    sampling: {max_tokens: 4}
    seeds: {sources: [notes]}
stages:
  heuristics:
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    write_tiny_model(tmp_path / "generator")
    return path


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "three.jsonl"
    asked = ["What is 2 + 2?", "How many legs have two dogs?", "What is the half of eighteen?"]
    path.write_text("\n".join(json.dumps({"question": q, "answer": "4"}) for q in asked))
    return path


def test_files_start_the_makers_that_can_read_them(base: Path, problems: Path) -> None:
    (maker,) = synthesis_recipe([problems], base, base.parent / "w", ["n=3"]).makers
    config = maker.synthesis.config
    assert (maker.name, config.n, config.procedural) == ("synthetic/math", 3, None)
    assert config.problems.path == str(problems)
    both = synthesis_recipe([base.parent / "base.yaml"], base, base.parent / "w", [])
    assert {maker.name for maker in both.makers} == {"synthetic/math", "synthetic/code"}
    assert all(maker.synthesis.config.seeds.sources == ("sample",) for maker in both.makers)
    with pytest.raises(RecipeError, match="there is no such file"):
        synthesis_recipe([base.parent / "none"], base, base.parent / "w", [])
    with pytest.raises(RecipeError, match=r"synthesize.synthetic/math.m: there is no such key"):
        synthesis_recipe([problems], base, base.parent / "w", ["m=3"])


def test_other_stages_are_tried_without_the_makers(base: Path, problems: Path) -> None:
    assert sample_recipe("heuristics", [problems], base, base.parent / "w", []).makers == ()


def test_the_funnel_and_some_samples_are_shown(base: Path, problems: Path) -> None:
    command = ["run", "synthesize", str(problems), "--recipe", str(base)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "requested 6 → solutions 6" in shown.output
    assert "set aside by synthetic/math: " in shown.output
    assert "What is 2 + 2?" in shown.output
    assert "math-solution (sha256 " in shown.output
    told = json.loads(CliRunner().invoke(app, [*command, "--json", "--rows", "2"]).stdout)
    assert told["synthesis"][0]["records"] == 6
    assert told["documents"][0]["metadata"]["synthesis"]["seed"]["kind"] == "file"
