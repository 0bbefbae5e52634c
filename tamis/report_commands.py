"""The commands that show what was removed: ``explain``, ``clusters`` and ``contamination``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

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

if TYPE_CHECKING:
    from tamis.reports import Report

StageOption = Annotated[
    str | None, typer.Option("--stage", help="The stage, by its name in the recipe. Default: all.")
]


DocumentArgument = Annotated[
    str | None,
    typer.Argument(
        help="Its id (its first 8 digits will do), locator, URL, or a piece of its text."
    ),
]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        help="In place of a document: some that were dropped, or had a piece cut out, for this"
        " reason, such as near_duplicate, contaminated for all benchmarks, or by this stage."
    ),
]
SampleOption = Annotated[
    int,
    typer.Option(min=0, help="With --reason: how many, chosen by their ids, which are hashes."),
]
ByOption = Annotated[
    str | None,
    typer.Option(
        help="With --reason: count what was dropped by source, kind, language or domain, and"
        " take the documents in turn from all groups."
    ),
]


def explain(
    workspace: Workspace,
    document: DocumentArgument = None,
    limit: Annotated[int, typer.Option(min=1, help="Documents to show when several match.")] = 1,
    reason: ReasonOption = None,
    sample: SampleOption = 10,
    by: ByOption = None,
    seed: Annotated[
        int, typer.Option(help="With --reason: another number chooses other documents.")
    ] = 0,
    compared: Compared = False,
    as_json: AsJson = False,
) -> None:
    """Follow one document through every stage, with scores, thresholds and witnesses.

    To see whether a stage is right, read a sample of what it drops:
    tamis explain corpus/sample --reason near_duplicate --sample 10 --by source --differences
    """
    from manifests.explain import NotFoundError, explain_document, explain_documents
    from manifests.manifest import load_manifest
    from manifests.reasons import dropped_groups, sample_dropped, stages_of_reason
    from tamis.story import show_groups, show_story, stories_data, witnesses_of

    if (document is None) == (reason is None):
        raise NotFoundError(
            "name a document (its id, locator, URL, or a piece of its text), or a reason:"
            " --reason near_duplicate."
        )
    if by is not None and reason is None:
        raise NotFoundError("--by counts what was dropped for a reason: add --reason REASON.")
    manifest = load_manifest(workspace)
    if reason is not None:
        groups = dropped_groups(manifest, reason, by) if by is not None else []
        stories = explain_documents(manifest, sample_dropped(manifest, reason, sample, seed, by))
    else:
        groups = []
        stories = explain_document(manifest, document or "", limit)
    witnesses = witnesses_of(manifest, stories) if compared else {}
    if as_json:
        data: Any = stories_data(stories, witnesses)
        if by is not None:
            data = {"groups": [asdict(group) for group in groups], "documents": data}
        out.print_json(json.dumps(data, default=str))
        return
    if by is not None:
        show_groups(out, str(reason), by, groups)
    for story in stories:
        if reason is not None:  # what dropped or cut it; --json has the whole way
            acted = stages_of_reason(manifest, reason)
            story.steps = [step for step in story.steps if step.stage in acted]
        show_story(out, story, witnesses)


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
    from manifests.clusters import deduplications
    from manifests.manifest import load_manifest
    from tamis.reports import ClustersReport, Wishes, chosen_stages

    manifest = load_manifest(workspace)
    names = chosen_stages(manifest, stage, deduplications(manifest), "deduplication")
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
    from manifests.contamination import decontaminations
    from manifests.explain import NotFoundError
    from manifests.manifest import load_manifest
    from stages.decontaminate.benchmark import BenchmarkConfig
    from tamis.benchmarks_option import find_benchmarks, tell_unrecognised
    from tamis.reports import ContaminationReport, TestSideReport, Wishes, chosen_stages

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
    names = chosen_stages(manifest, stage, decontaminations(manifest), "decontamination")
    _answer([ContaminationReport(manifest, name, wishes) for name in names], names, as_json)


def _answer(answers: Sequence[Report], stages: Sequence[str], as_json: bool) -> None:
    if as_json:
        data = {name: answer.data() for name, answer in zip(stages, answers, strict=True)}
        out.print_json(json.dumps(data, default=str))
        return
    for answer in answers:
        answer.show(out)
