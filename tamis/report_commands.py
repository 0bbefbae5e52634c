"""The commands that show what was removed: ``clusters`` and ``contamination``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from manifests.clusters import deduplications
from manifests.contamination import decontaminations
from manifests.explain import NotFoundError
from manifests.manifest import load_manifest
from stages.decontaminate.benchmark import BenchmarkConfig
from tamis.benchmarks_option import find_benchmarks, tell_unrecognised
from tamis.console import out
from tamis.options import (
    AsJson,
    Benchmarks,
    CleanFile,
    Clusters,
    Compared,
    ContainedFile,
    Hits,
    Members,
    TestSide,
    Workspace,
)
from tamis.reports import ClustersReport, ContaminationReport, Report, TestSideReport, Wishes

StageOption = Annotated[
    str | None, typer.Option("--stage", help="The stage, by its name in the recipe. Default: all.")
]


def clusters(
    workspace: Workspace,
    stage: StageOption = None,
    most: Clusters = 10,
    members: Members = 5,
    compared: Compared = False,
    as_json: AsJson = False,
) -> None:
    """Show the largest clusters of duplicates: who was kept, who was dropped, how much alike.

    A cluster of thousands is mostly a template: read a sample with --differences before believing
    that its documents say the same.
    """
    manifest = load_manifest(workspace)
    names = _chosen(workspace, stage, deduplications(manifest), "deduplication")
    wishes = Wishes(clusters=most, members=members, compared=compared)
    _answer([ClustersReport(manifest, name, wishes) for name in names], names, as_json)


def contamination(
    workspace: Workspace,
    stage: StageOption = None,
    hits: Hits = 20,
    test_side: TestSide = False,
    contained: ContainedFile = None,
    clean: CleanFile = None,
    benchmarks: Benchmarks = None,
    as_json: AsJson = False,
) -> None:
    """Show which benchmark items stand in which documents, with the two texts aligned.

    With --test-side, which items of --benchmarks the corpus as it was kept still holds.
    """
    manifest = load_manifest(workspace)
    wishes = Wishes(hits=hits, test_side=test_side, contained=contained, clean=clean)
    if wishes.asks_test_side:
        if not benchmarks:
            raise NotFoundError(
                "--test-side reads the benchmarks' files: name them with --benchmarks NAME=PATH, or"
                " a folder of them."
            )
        tell_unrecognised(benchmarks)
        found = {
            name: BenchmarkConfig.model_validate(one)
            for name, one in find_benchmarks(benchmarks).items()
        }
        _answer([TestSideReport(manifest, found, wishes)], ["kept"], as_json)
        return
    if benchmarks:
        raise NotFoundError(
            "--benchmarks goes with --test-side here: the hits are those of the benchmarks that the"
            " corpus was built with."
        )
    names = _chosen(workspace, stage, decontaminations(manifest), "decontamination")
    _answer([ContaminationReport(manifest, name, wishes) for name in names], names, as_json)


def _answer(answers: Sequence[Report], stages: Sequence[str], as_json: bool) -> None:
    if as_json:
        data = {name: answer.data() for name, answer in zip(stages, answers, strict=True)}
        out.print_json(json.dumps(data, default=str))
        return
    for answer in answers:
        answer.show(out)


def _chosen(workspace: Path, stage: str | None, there: list[str], what: str) -> list[str]:
    if stage is None and there:
        return there
    if stage in there:
        return [str(stage)]
    if not there:
        raise NotFoundError(
            f"{workspace}: was built without a {what}. Add the stage to the recipe and build again."
        )
    raise NotFoundError(f"{workspace}: no {what} is named `{stage}`. There is {', '.join(there)}.")
