"""Ray: a cluster of several nodes, a node that dies, a process that dies, a task that raises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
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
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    made.add_node(num_cpus=1, num_gpus=1)  # nobody computes on it
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


def meetings(of: int, resources: Resources) -> list[Task]:
    """Two tasks that each wait until so many processes have come."""
    return [
        Task(
            function="tests.pipeline.meeting:meet",
            folder="store/met",
            version=1,
            arguments={"number": number, "of": of, "pool": resources.pool},
            label="a meeting",
            resources=resources,
        )
        for number in range(2)
    ]


@pytest.mark.parametrize("name", ["ray", "local"])
@pytest.mark.parametrize(("memory", "processes"), [(1_000_000, 2), (1 << 60, 1)])
def test_a_pool_has_as_many_processes_as_there_is_room_for(
    tmp_path: Path, name: str, memory: int, processes: int
) -> None:
    """Where two have room, the tasks wait for each other: one alone would never end them. Where
    not even one has, it tries all the same: what it needs is an estimate."""
    store = Store(tmp_path)
    tasks = meetings(processes, Resources(pool="meeting", memory_bytes=memory))
    engine: Engine = LocalEngine(store, 2) if name == "local" else RayEngine(store, 2, None)
    try:
        met = [receipts[0].value["met"] for _, receipts in engine.run(tasks)]
    finally:
        engine.close()
    assert met == [processes, processes]


def test_a_model_on_a_gpu_takes_the_cpus_that_its_node_has(
    tmp_path: Path, cluster: Cluster
) -> None:
    """The other node has more CPUs: asking for so many, it would wait for ever."""
    tasks = meetings(1, Resources(cpus=2, gpus=1, pool="meeting"))
    engine = RayEngine(Store(tmp_path), 1, cluster.address)
    assert [receipts[0].value["met"] for _, receipts in engine.run(tasks)] == [1, 1]


def test_a_model_stays_until_another_is_asked(tmp_path: Path) -> None:
    def ran(pool: str | None) -> set[int]:
        tasks = meetings(1, Resources(pool=pool))
        return {receipts[0].value["process"] for _, receipts in engine.run(tasks)}

    engine = LocalEngine(Store(tmp_path), 2)
    try:
        first = ran("one")
        ran(None)
        assert all(map(psutil.pid_exists, first))
        ran("other")
        assert not any(map(psutil.pid_exists, first))
    finally:
        engine.close()
