"""What can be told of a deduplication and a decontamination, to show or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from manifests.clusters import deduplications, largest_clusters
from manifests.contamination import decontaminations
from manifests.explain import NotFoundError
from manifests.manifest import Manifest
from stages.decontaminate.benchmark import BenchmarkConfig
from tamis.cluster_tables import clusters_data, show_clusters
from tamis.contained import (
    counts_by_benchmark,
    find_contained,
    show_contained,
    write_clean,
    write_contained,
)
from tamis.contamination_tables import contamination_of, show_contamination


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
        self.compared, self.stage, self.asked = wishes.compared, stage, wishes.clusters
        self.clusters = largest_clusters(manifest, stage, wishes.clusters, wishes.members)

    def show(self, console: Console) -> None:
        """Prints the clusters, or that there are none."""
        show_clusters(console, self.manifest, self.clusters, self.compared)
        if not self.clusters and self.asked:
            console.print(f"{self.stage}: no cluster, no two documents count as the same.")

    def data(self) -> dict[str, Any]:
        """``clusters``: a list."""
        return {"clusters": clusters_data(self.manifest, self.clusters, self.compared)}


class ContaminationReport:
    """The benchmark items that a decontamination found."""

    def __init__(self, manifest: Manifest, stage: str, wishes: Wishes) -> None:
        self.found = contamination_of(manifest, stage, wishes.hits)

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


def chosen_stages(manifest: Manifest, stage: str | None, there: list[str], what: str) -> list[str]:
    """The stage that is asked about, or all that are ``there``. Raises NotFoundError when there is
    none, or none of that name; ``what`` they are."""
    if stage is None and there:
        return there
    if stage in there:
        return [str(stage)]
    if not there:
        raise NotFoundError(
            f"{manifest.path}: the corpus was built without a {what}. Add the stage to the recipe"
            " and build again."
        )
    raise NotFoundError(
        f"{manifest.path}: no {what} is named `{stage}`. There is {', '.join(there)}."
    )
