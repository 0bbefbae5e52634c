"""`tamis run`: a stage over a few files decides as a build with the same recipe would."""

import argparse
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import tamis
from pipeline.build import Built, StepTime
from pipeline.recipe import Recipe, RecipeError
from tamis.api import run_stage
from tamis.cli import app
from tamis.options import SAMPLE_RECIPE
from tamis.sampling import sample_recipe
from tamis.summary import show_build, show_places

ROOT = Path(__file__).resolve().parents[2]
BASE = """\
sources: [{name: notes, path: notes}]
ingest: {part_bytes: 100000}
stages:
  kind:
  heuristics:
  exact_dedupe:
  quality: {judge: null}
  domain:
  tokenize: {vocabulary_size: 400, train_bytes: 20000}
  balance:
  shard: {shard_tokens: 10000}
  train: {steps: 3, sequence_length: 32, batch_size: 2, width: 16, layers: 1, heads: 2, kv_heads: 1,
    mlp_width: 32, held_out_min_tokens: 200, held_out_max_tokens: 2000, threads: 1}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of Python, two of the same name."""
    found = []
    for number, name in enumerate(("pipeline/build.py", "pipeline/plan.py", "stages/train.py")):
        path = tmp_path / f"folder{number % 2}" / ("a.py" if number < 2 else "b.py")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
        found.append(path)
    return found


def sample(stage: str, files: list[Path], base: Path, *settings: str) -> Recipe:
    return sample_recipe(stage, files, base, base.parent / "w", settings)


def test_where_the_text_of_the_files_is_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "What is this?"}\n' * 2)
    asked = ["run", "exact_dedupe", str(path)]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 2
    assert "sample: missing_text 2. The first, questions.jsonl#1: there is no text" in told.output
    assert "the record has: question" in told.output
    again = CliRunner().invoke(app, [*asked, "--set", "sources.sample.text_field=question"])
    assert "exact_duplicate 1" in again.output


def stages(recipe: Recipe) -> list[str]:
    return [entry.name for entry in recipe.entries]


@pytest.mark.parametrize(
    ("stage", "run"),
    [
        ("kind", "kind"),
        ("heuristics", "kind heuristics"),
        ("quality", "kind quality"),
        ("exact_dedupe", "exact_dedupe"),
        ("near_dedupe", "near_dedupe"),
        ("domain", "kind domain"),
        ("balance", "kind domain tokenize balance"),
        ("shard", "kind domain tokenize balance shard"),
        ("train", "kind domain tokenize balance shard train"),
    ],
)
def test_a_stage_is_run_after_what_it_reads(
    stage: str, run: str, files: list[Path], base: Path
) -> None:
    assert stages(sample(stage, files, base)) == run.split()


def test_what_a_recipe_lacks_is_run_only_where_it_is_needed(files: list[Path], base: Path) -> None:
    base.write_text("sources: [{name: notes, path: notes}]\nstages: {heuristics: }\n")
    assert stages(sample("heuristics", files, base)) == ["heuristics"]
    assert stages(sample("shard", files, base)) == ["tokenize", "shard"]
    assert stages(sample("domain", files, base)) == ["kind", "domain"]
    base.write_text("sources: [{name: n, path: n}]\nstages: {heuristics: , kind: }\n")
    assert stages(sample("heuristics", files, base)) == ["heuristics"]


def test_settings_change_what_is_needed(files: list[Path], base: Path) -> None:
    base.write_text("sources: [{name: n, path: n}]\nstages: {tokenize: {vocabulary_size: 400}}\n")
    recipe = sample("balance", files, base, "by=[kind]", "stages.tokenize.seed=3")
    assert stages(recipe) == ["kind", "tokenize", "balance"]
    assert recipe.entries[1].stage.config.seed == 3
    with pytest.raises(RecipeError, match=r"--set: stages\.domain\.x: `kind` is run with no other"):
        sample("kind", files, base, "stages.domain.x=1")


def test_files_of_one_name_are_all_read(files: list[Path], base: Path) -> None:
    recipe = sample("kind", [*files, files[0]], base)
    assert [source.name for source in recipe.sources] == ["sample", "sample-2"]
    built = run_stage("kind", files, recipe=base, workspace=base.parent / "w")
    assert built.manifest.stage("kind")["in"]["documents"] == 3
    assert set(built.manifest.cube["kind"]) == {"code"}


def test_rules_for_code_judge_code_as_in_a_build(files: list[Path], tmp_path: Path) -> None:
    base = tmp_path / "build.yaml"
    base.write_text("sources: [{name: n, path: 'folder*/*.py'}]\nstages: {kind: , heuristics: }\n")
    built = tamis.build(base, workspace=tmp_path / "b", workers=1).manifest
    run = run_stage("heuristics", files, recipe=base, workspace=tmp_path / "r").manifest
    assert run.stage("heuristics")["dropped"] == built.stage("heuristics")["dropped"]
    assert set(run.cube["kind"]) == {"code"}


def test_the_last_stages_run(tmp_path: Path, base: Path) -> None:
    lines = Path(argparse.__file__).read_text().splitlines()  # long, and not ours to change
    texts = ["\n".join(lines[start : start + 20]) for start in range(0, 160, 2)]
    pieces = tmp_path / "pieces.jsonl"
    pieces.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    built = run_stage("train", [pieces], recipe=base, workspace=tmp_path / "w")
    assert any(name.startswith("shards/") for name in built.manifest.content["published"])
    assert built.manifest.stage("balance")["in"]["documents"] == len(texts)
    assert "held-out loss" in shown(built, built.steps)


def test_faults(files: list[Path], base: Path) -> None:
    with pytest.raises(RecipeError, match="Did you mean `quality`"):
        sample("qualitie", files, base)
    with pytest.raises(RecipeError, match="no-such: there is no such file"):
        sample("kind", [Path("no-such")], base)
    with pytest.raises(RecipeError, match="there is no such recipe"):
        sample("kind", files, base.parent / "none.yaml")
    base.write_text("stages: {language: {model: x.ftz}}")
    with pytest.raises(RecipeError, match=r"base\.yaml:1: stages\.language\.model: there is no"):
        sample("language", files, base)


def test_the_sample_recipe_comes_along(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = sample_recipe("exact_dedupe", files, SAMPLE_RECIPE, tmp_path / "w", ())
    assert recipe.ingest.config.part_bytes == 4_000_000
    with pytest.raises(RecipeError, match="`tamis sample` gathers") as caught:
        sample_recipe("heuristics", files, SAMPLE_RECIPE, tmp_path / "w", ())
    assert f"looked at {tmp_path / 'data/sample/models/lid.176.ftz'}" in str(caught.value)
    result = CliRunner().invoke(app, ["run", "kind", *map(str, files)])
    assert result.exit_code == 0, result.output
    assert "kind code" in result.output


def shown(built: Built, steps: list[StepTime]) -> str:
    console = Console(width=132, record=True, file=io.StringIO())
    show_build(console, built.manifest, steps, 1.0)
    show_places(console, built.manifest)
    return console.export_text()


def test_a_pass_of_several_stages_shows_its_seconds_once(files: list[Path], base: Path) -> None:
    built = run_stage("domain", files, recipe=base, workspace=base.parent / "w")
    steps = [
        StepTime("ingest", ["ingest"], 1, 0, 0.2),
        StepTime("domain: terms", ["domain"], 1, 0, 1.3),
        StepTime("kind + domain", ["kind", "domain"], 2, 0, 31.7),
    ]
    lines = shown(built, steps).splitlines()
    assert any(
        line.strip().startswith("kind ") and line.rstrip().endswith(" 31.7") for line in lines
    )
    assert any(line.startswith("  ingest ") and line.rstrip().endswith(" 0.2") for line in lines)
    assert any("1.3 + ″ with kind" in line for line in lines)
    cached = [StepTime("kind + domain", ["kind", "domain"], 0, 2, 0.1)]
    assert shown(built, cached).count("cached") == 2


def test_places_are_those_of_the_manifest(files: list[Path], base: Path) -> None:
    workspace = base.parent / "w"
    built = run_stage("kind", files, recipe=base, workspace=workspace)
    (workspace / "shards").mkdir()
    assert "shards" not in shown(built, built.steps)
    assert "store/" in shown(built, built.steps)
    built = run_stage("shard", files, recipe=base, workspace=workspace)
    assert "w/shards/" in shown(built, built.steps)
    assert "w/mixture.json" in shown(built, built.steps)
