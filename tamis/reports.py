"""What can be asked of a deduplication and a decontamination: options, commands and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from manifests.clusters import deduplications, largest_clusters
from manifests.contamination import decontaminations
from manifests.explain import NotFoundError
from manifests.manifest import Manifest, load_manifest
from stages.decontaminate.benchmark import BenchmarkConfig
from tamis.benchmarks import find_benchmarks, unrecognised
from tamis.clusters import clusters_data, show_clusters
from tamis.console import err, out
from tamis.contained import (
    counts_by_benchmark,
    find_contained,
    show_contained,
    write_clean,
    write_contained,
)
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
        help="Benchmark items in documents to show, the least sure first, words aligned; the common"
        " ones are green, or, without colours, stand above and below =.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
TestSide = Annotated[
    bool,
    typer.Option(
        "--test-side",
        help="Ask the other way round: which benchmark items do the documents already hold, so"
        " that a test set without them can be made? Strict: one 13-gram of an item is enough"
        " (Qwen2).",
        rich_help_panel=_DECONTAMINATION,
    ),
]
ContainedFile = Annotated[
    Path | None,
    typer.Option(
        "--contained",
        help="Write the items that the documents hold here, as JSON lines with the n-gram and its"
        " document. Implies --test-side.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
CleanFile = Annotated[
    Path | None,
    typer.Option(
        "--clean",
        help="Write the benchmark items that no document holds here, as JSON lines: the clean"
        " subset. Implies --test-side.",
        rich_help_panel=_DECONTAMINATION,
    ),
]


@dataclass(frozen=True)
class Wishes:
    """What is wanted of a report; the fields are the options of these names."""

    clusters: int = 10
    members: int = 5
    compared: bool = False
    hits: int = 20
    test_side: bool = False
    contained: Path | None = None
    clean: Path | None = None

    @property
    def asks_test_side(self) -> bool:
        """Whether the items that the documents hold are wanted."""
        return self.test_side or self.contained is not None or self.clean is not None


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


class TestSideReport:
    """The benchmark items that the documents hold."""

    def __init__(
        self,
        manifest: Manifest,
        benchmarks: Mapping[str, BenchmarkConfig],
        wishes: Wishes,
        before: str | None = None,
    ) -> None:
        self.found = find_contained(manifest, benchmarks, before)
        self.most = wishes.hits
        if wishes.contained is not None:
            write_contained(self.found, wishes.contained)
        if wishes.clean is not None:
            write_clean(self.found, wishes.clean)

    def show(self, console: Console) -> None:
        """Prints some of the items, and the table by benchmark."""
        show_contained(console, self.found, self.most)

    def data(self) -> dict[str, Any]:
        """``test_side``: counts by benchmark, and the items contained."""
        return {
            "test_side": {
                "benchmarks": counts_by_benchmark(self.found),
                "contained": [asdict(one) for one in self.found.contained],
            }
        }


def reports_on(manifest: Manifest, stage: str, wishes: Wishes) -> list[Report]:
    """What there is to say of a stage beside its verdicts: nothing for most."""
    if stage in deduplications(manifest):
        return [ClustersReport(manifest, stage, wishes)]
    if stage in decontaminations(manifest):
        return [ContaminationReport(manifest, stage, wishes)]
    return []


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


def tell_unrecognised(benchmarks: Sequence[str]) -> None:
    """Says which files of the folders given are no benchmarks by their names."""
    left_out = unrecognised(benchmarks)
    if left_out:
        err.print(
            f"Left out, no benchmark by its name: {', '.join(path.name for path in left_out)}."
            " NAME=PATH takes one in.",
            highlight=False,
            style="dim",
        )


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
