"""Ray: a cluster of several nodes, a node that dies, a process that dies, a task that raises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from manifests.verify import verify_workspace
from pipeline.build import build
from pipeline.engine import Engine, TaskFailedError
from pipeline.engines.local import LocalEngine
from pipeline.engines.on_ray import RayEngine
from pipeline.observer import Silence
from pipeline.store import Store
from pipeline.task import Resources, Task
from tests.pipeline.lines_catalog import CATALOG
from tests.pipeline.test_build import folder, recipe_for, run

__all__ = ["folder"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_cluster_gives_the_same_corpus(folder: Path, cluster: Cluster) -> None:
    alone = run(recipe_for(folder, "alone"))

    def engine(store: Store) -> Engine:
        return RayEngine(store, 1, cluster.address)

    on_cluster = build(recipe_for(folder, "cluster"), CATALOG, engine, Silence(), "test")
    assert on_cluster.manifest.fingerprint == alone.manifest.fingerprint
    assert verify_workspace(on_cluster.manifest).passed


def test_deaths_are_retried_and_faults_are_named(folder: Path) -> None:
    def engine(store: Store) -> Engine:
        return RayEngine(store, 2, None)

    scar = folder / "scar"
    dies: dict[str, Any] = {"length": {}, "trip": {"mode": "die", "scar": str(scar)}}
    manifest = build(recipe_for(folder, "w", dies), CATALOG, engine, Silence(), "test").manifest
    assert scar.exists()
    assert verify_workspace(manifest).passed
    raises = recipe_for(folder, "v", {"length": {}, "trip": {}})
    with pytest.raises(TaskFailedError, match="this part cannot be read") as caught:
        build(raises, CATALOG, engine, Silence(), "test")
    assert caught.value.task.label.startswith("length + trip of store/ingest/")
    assert "in annotate" in (folder / "v/failure.txt").read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_holds_a_model_does_not_starve_other_tasks(
    folder: Path, workers: int
) -> None:
    def engine(store: Store) -> Engine:
        return RayEngine(store, workers, None)

    recipe = recipe_for(folder, "w", {"length": {}, "pooled": {}})
    rows = build(recipe, CATALOG, engine, Silence(), "test").manifest.stage("pooled")["record"]
    assert rows["rows"] == rows["rows"][:3] * 3


@pytest.mark.parametrize("name", ["ray", "local"])
def test_a_pool_has_as_many_processes_as_there_is_room_for(tmp_path: Path, name: str) -> None:
    """Two tasks of one pool wait for each other: one process alone would never end them."""
    store = Store(tmp_path)
    tasks = [
        Task(
            function="tests.pipeline.meeting:meet",
            folder="store/met",
            version=1,
            arguments={"number": number},
            label="a meeting",
            resources=Resources(pool="meeting", memory_bytes=1_000_000),
        )
        for number in range(2)
    ]
    engine: Engine = LocalEngine(store, 2) if name == "local" else RayEngine(store, 2, None)
    try:
        met = [receipts[0].value["met"] for _, receipts in engine.run(tasks)]
    finally:
        engine.close()
    assert met == [2, 2]
