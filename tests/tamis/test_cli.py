"""The command line: what it prints, and honest exit codes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import tamis
from tamis.cli import app
from tests.tamis.test_kills import COMMAND

SHORT = """\
sources: [{name: notes, path: notes}]
stages: {exact_dedupe: , near_dedupe: }
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    notes.mkdir()
    text = "A sieve lets the fine flour through and holds the bran back, whoever turns it. " * 9
    (notes / "one.txt").write_text(text)
    (notes / "two.txt").write_text(text)
    (notes / "three.txt").write_text("Nothing in this note is said in the other two. " * 5)
    (tmp_path / "short.yaml").write_text(SHORT)
    return tmp_path


@pytest.fixture
def workspace(folder: Path) -> Path:
    built = call("build", folder / "short.yaml", "--workspace", folder / "w", "--workers", 1)
    assert built.exit_code == 0, built.output
    assert "exact_duplicate 1" in built.output
    return folder / "w"


def test_help_teaches() -> None:
    shown = call("--help").output
    for word in ("recipe", "workspace", "explain", "near_dedupe"):
        assert word in shown


def test_plan_build_explain_verify(folder: Path, workspace: Path) -> None:
    planned = call("plan", folder / "short.yaml", "--workspace", workspace)
    assert "Everything is up to date" in planned.output
    story = (
        call("explain", workspace, "notes: none").output
        + call("explain", workspace, "two.txt").output
    )
    assert "two.txt" in story
    assert call("explain", workspace, "no such words").exit_code == 2
    assert call("verify", workspace).exit_code == 0


def test_one_of_two_copies_names_the_other(workspace: Path) -> None:
    stories = [tamis.explain(workspace, name)[0] for name in ("one.txt", "two.txt")]
    dropped = [story for story in stories if story.outcome.startswith("dropped")]
    (kept,) = [story for story in stories if story.outcome.startswith("kept")]
    assert dropped[0].steps[-1].references["survivor"].startswith(kept.id)


def test_diff_names_the_cause(folder: Path, workspace: Path) -> None:
    other = folder / "other"
    settings = ("--set", "stages.near_dedupe.ngram=3")
    assert call("build", folder / "short.yaml", "--workspace", other, *settings).exit_code == 0
    shown = call("diff", workspace, other)
    assert shown.exit_code == 0
    assert "stages.near_dedupe.ngram" in shown.output
    assert "The corpora are the same" in call("diff", other, other).output


def test_verify_fails_after_a_flip(workspace: Path) -> None:
    ledger = next((workspace / "store/near_dedupe/verdicts").rglob("*.parquet"))
    content = bytearray(ledger.read_bytes())
    content[100] ^= 1
    ledger.write_bytes(content)
    result = call("verify", workspace)
    assert result.exit_code == 1
    assert "its bytes changed" in " ".join(result.output.split())


def test_run_shows_documents_of_one_stage(folder: Path) -> None:
    files = sorted((folder / "notes").iterdir())
    shown = call("run", "exact_dedupe", *files, "--recipe", folder / "short.yaml")
    assert shown.exit_code == 0, shown.output
    assert "exact_duplicate" in shown.output
    assert "exact_dedupe: a cluster of 2 documents, 1 kept (sample 2)" in shown.output
    assert "survivor" not in shown.output
    told = call("run", "exact_dedupe", *files, "--recipe", folder / "short.yaml", "--rows", 1)
    assert "survivor" in told.output
    assert call("run", "exact_dedup", *files).exit_code == 2


def test_faults_of_the_recipe_end_with_2(folder: Path) -> None:
    (folder / "short.yaml").write_text(SHORT.replace("near_dedupe: ", "near_dedupe: {bandz: 3}"))
    process = subprocess.run(
        [sys.executable, "-c", COMMAND, "build", str(folder / "short.yaml")],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        check=False,
    )
    assert process.returncode == 2
    assert "short.yaml:2: stages.near_dedupe.bandz" in process.stderr
    assert "Did you mean `bands`?" in process.stderr


def test_ctrl_c_leaves_a_workspace_to_go_on_in(small_recipe: Path, tmp_path: Path) -> None:
    arguments = ["build", str(small_recipe), "--workspace", str(tmp_path / "w")]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    while not (tmp_path / "w/store/ingest").exists():
        time.sleep(0.1)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from here" in said
    undisturbed = tamis.build(small_recipe, workspace=tmp_path / "u", workers=2)
    went_on = tamis.build(small_recipe, workspace=tmp_path / "w", workers=2)
    assert went_on.manifest.fingerprint == undisturbed.manifest.fingerprint
