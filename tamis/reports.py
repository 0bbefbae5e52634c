"""What can be asked of a deduplication and a decontamination: options, commands and answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from manifests.clusters import deduplications, largest_clusters
from manifests.contamination import decontaminations
from manifests.explain import NotFoundError
from manifests.manifest import Manifest, load_manifest
from tamis.clusters import clusters_data, show_clusters
from tamis.console import out
from tamis.contamination import contamination as find_contamination
from tamis.contamination import show_contamination

_DEDUPLICATION = "Deduplication"
_DECONTAMINATION = "Decontamination"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Clusters = Annotated[
    int,
    typer.Option(
        "--clusters",
        min=0,
        help="Clusters to show, the largest ones.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Members = Annotated[
    int,
    typer.Option(
        "--members",
        min=1,
        help="Dropped documents to show of a cluster: those least like the one that was kept.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Compared = Annotated[
    bool,
    typer.Option(
        "--differences",
        help="Show how a dropped document differs from the kept one, word by word: in red what only"
        " the dropped has, in green what only the kept has; without colours \\[-so-] and {+so+}.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmarks",
        metavar="NAME=PATH",
        help="A benchmark: gsm8k=test.jsonl. Or a file, or a folder of files, with names such as"
        " gsm8k_test.jsonl. May be given often; replaces the recipe's benchmarks.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
Hits = Annotated[
    int,
    typer.Option(
        "--hits",
        min=0,
        help="Benchmark items in documents to show, the least sure first, words aligned: in green"
        " the common ones; without colours between them =.",
        rich_help_panel=_DECONTAMINATION,
    ),
]


@dataclass(frozen=True)
class Wishes:
    """How much of a report is wanted."""

    clusters: int = 10
    members: int = 5
    compared: bool = False
    hits: int = 20


class Report(Protocol):
    """An answer, to show or as JSON."""

    def show(self, console: Console) -> None:
        """Prints it."""

    def data(self) -> dict[str, Any]:
        """The same as JSON."""


class ClustersReport:
    """The largest clusters of a deduplication."""

    def __init__(self, manifest: Manifest, stage: str, wishes: Wishes) -> None:
        self.manifest = manifest
        self.compared = wishes.compared
        self.clusters = largest_clusters(manifest, stage, wishes.clusters, wishes.members)

    def show(self, console: Console) -> None:
        """Prints the clusters, or that there are none."""
        show_clusters(console, self.manifest, self.clusters, self.compared)

    def data(self) -> dict[str, Any]:
        """``clusters``: a list."""
        return {"clusters": clusters_data(self.manifest, self.clusters, self.compared)}


class ContaminationReport:
    """The benchmark items that a decontamination found."""

    def __init__(self, manifest: Manifest, stage: str, wishes: Wishes) -> None:
        self.found = find_contamination(manifest, stage, wishes.hits)

    def show(self, console: Console) -> None:
        """Prints the hits and the table by benchmark."""
        show_contamination(console, self.found)

    def data(self) -> dict[str, Any]:
        """``contamination``: benchmarks, and hits."""
        return {"contamination": asdict(self.found)}


def report_on(manifest: Manifest, stage: str, wishes: Wishes) -> Report | None:
    """What there is to say of a stage beside its verdicts; None for most."""
    if stage in deduplications(manifest):
        return ClustersReport(manifest, stage, wishes)
    if stage in decontaminations(manifest):
        return ContaminationReport(manifest, stage, wishes)
    return None


Workspace = Annotated[Path, typer.Argument(help="A built workspace.")]
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
    as_json: AsJson = False,
) -> None:
    """Show which benchmark items stand in which documents, with the two texts aligned."""
    manifest = load_manifest(workspace)
    names = _chosen(workspace, stage, decontaminations(manifest), "decontamination")
    wishes = Wishes(hits=hits)
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
