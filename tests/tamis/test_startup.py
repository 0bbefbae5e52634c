"""What a command loads: no more than it needs, so that its answer is there at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tamis
from tests.small_corpus import write_small_corpus

ROOT = Path(__file__).resolve().parents[2]
RUNNER = """
import atexit, json, sys
from tamis.cli import main

def tell():
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)

atexit.register(tell)
sys.argv = ["tamis", *sys.argv[1:]]
main()
"""
MODELS = {"fasttext", "ray", "tokenizers", "torch", "transformers", "vllm"}
COMPILERS = {"llvmlite", "numba"}
PAGES = {"jinja2", "plotly"}
TABLES = {"numpy", "pandas", "polars", "pyarrow"}


def loaded(*arguments: object) -> set[str]:
    """The top-level modules that a command has loaded when it ends."""
    command = [sys.executable, "-c", RUNNER, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    recipe = write_small_corpus(tmp_path_factory.mktemp("startup") / "small", language_model)
    tamis.build(recipe, workspace=recipe.parent / "w", workers=1)
    return recipe.parent / "w"


def test_help_loads_no_stage_and_no_table() -> None:
    found = loaded("--help")
    assert "stages" in found  # their names
    assert not found & (MODELS | COMPILERS | PAGES | TABLES | {"manifests", "pydantic", "yaml"})


@pytest.mark.parametrize("command", ["build", "diff", "run", "what-if"])
def test_help_of_a_command_loads_no_table(command: str) -> None:
    assert not loaded(command, "--help") & (MODELS | COMPILERS | PAGES | TABLES)


@pytest.mark.parametrize(
    "command",
    [
        ("show",),
        ("verify",),
        ("manifest",),
        ("explain", "--reason", "near_duplicate", "--sample", "1"),
        ("clusters",),
    ],
)
def test_questions_load_no_stage(workspace: Path, command: tuple[str, ...]) -> None:
    found = loaded(command[0], workspace, *command[1:])
    assert not found & (MODELS | COMPILERS | PAGES | {"classifiers", "pandas", "trainer"})


def test_what_if_compiles_nothing(workspace: Path) -> None:
    found = loaded("what-if", workspace, "--set", "stages.quality.min_prior=0.3")
    assert "classifiers" in found  # every stage is there
    assert not found & (COMPILERS | PAGES | {"pandas", "ray", "torch", "transformers", "vllm"})


def test_diff_compiles_nothing(workspace: Path) -> None:
    assert not loaded("diff", workspace, workspace) & (MODELS | COMPILERS | PAGES | {"pandas"})
