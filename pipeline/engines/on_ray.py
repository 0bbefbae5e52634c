"""The Ray engine: one machine or a cluster. Ray schedules, retries and keeps model processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ray

from pipeline.arrow_alone import forgo_pandas
from pipeline.engine import ATTEMPTS, TaskFailedError
from pipeline.store import Store
from pipeline.task import Receipt, Task, execute

PACKAGES = ("tamis", "pipeline", "stages", "classifiers", "manifests", "trainer")
"""Our own packages, shipped to a cluster's nodes so that drivers and workers run the same code."""


class RayEngine:
    """Runs tasks on Ray. Without an address a Ray of ``workers`` CPUs is started on this machine
    and ended with the run; with one, the tasks go to that cluster and see the same workspace
    folder through a shared file system."""

    name = "ray"

    def __init__(self, store: Store, workers: int, address: str | None) -> None:
        self.store = store
        self.address = address
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if address is None:
            ray.init(num_cpus=workers, include_dashboard=False, **quiet)
        else:
            root = Path(__file__).resolve().parents[2]
            modules = [str(root / package) for package in PACKAGES]
            ray.init(address=address, runtime_env={"py_modules": modules}, **quiet)
        self.workers = int(ray.cluster_resources().get("CPU", 1))
        self.nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.pools: dict[str, Any] = {}
        if address is not None:
            self._check_workspace()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        """See ``Engine.run``. Four tasks a CPU are in flight: the driver's memory stays small."""
        remaining = iter(tasks)
        running: dict[Any, Task] = {}
        try:
            while True:
                for task in islice(remaining, max(0, 4 * self.workers - len(running))):
                    running[self._submit(task)] = task
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                for reference in done:
                    task = running.pop(reference)
                    try:
                        receipts = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        raise TaskFailedError(task, str(error)) from None
                    except ray.exceptions.RayError as error:
                        raise TaskFailedError(
                            task, f"its process died {ATTEMPTS} times: {error}"
                        ) from None
                    yield task, receipts
        finally:
            for reference in running:
                ray.cancel(reference, force=False)
            self._release()

    def _submit(self, task: Task) -> Any:
        needs = task.resources
        most_cpus = max(float(node.get("CPU", 0)) for node in self.nodes)
        fits = any(
            node.get("GPU", 0) >= needs.gpus and node.get("memory", 0) >= needs.memory_bytes
            for node in self.nodes
        )
        if not fits:
            # Ray would wait for such a node for ever, and say nothing
            raise TaskFailedError(
                task,
                f"it needs {needs.gpus:g} GPUs and {needs.memory_bytes / 1e9:.1f} GB of memory on"
                " one node, and no node of this Ray has that. Add one, or ask for less in the"
                " stage's settings (`gpus: 0`, a smaller model).",
            )
        if needs.pool is not None:
            if needs.pool not in self.pools:
                self.pools[needs.pool] = (
                    ray.remote(_Worker)
                    .options(
                        # an actor holds its CPUs: one is left for the other tasks of the step
                        num_cpus=min(needs.cpus, most_cpus, self.workers - 1),
                        num_gpus=needs.gpus,
                        max_restarts=ATTEMPTS - 1,
                        max_task_retries=ATTEMPTS - 1,
                    )
                    .remote()
                )
            return self.pools[needs.pool].execute.remote(task, self.store)
        return (
            ray.remote(_execute)
            .options(
                num_cpus=min(needs.cpus, most_cpus),
                num_gpus=needs.gpus,
                memory=needs.memory_bytes or None,
                max_retries=ATTEMPTS - 1,
                retry_exceptions=False,
                name=task.label,
            )
            .remote(task, self.store)
        )

    def _release(self) -> None:
        """Ends the model processes, so that their CPUs are free for the next step."""
        for actor in self.pools.values():
            ray.kill(actor)
        self.pools = {}

    def _check_workspace(self) -> None:
        probe = self.store.path(".probe")
        probe.write_text("here")
        try:
            for node in ray.nodes():
                if not node["Alive"] or not node["Resources"].get("CPU"):
                    continue
                strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                    node["NodeID"], soft=False
                )
                seen = ray.remote(_sees).options(scheduling_strategy=strategy, num_cpus=1)
                if not ray.get(seen.remote(str(probe))):
                    raise RuntimeError(
                        f"The node {node['NodeManagerAddress']} does not see the workspace"
                        f" {self.store.root}. Put it on a file system that all nodes share."
                    )
        finally:
            probe.unlink(missing_ok=True)

    def close(self) -> None:
        """See ``Engine.close``."""
        self._release()
        ray.shutdown()


class _Worker:
    """A process that stays, so that a model loaded by one task serves the next ones."""

    def execute(self, task: Task, store: Store) -> list[Receipt]:
        return _execute(task, store)


def _execute(task: Task, store: Store) -> list[Receipt]:
    """Runs a task in a process of Ray's."""
    forgo_pandas()
    return execute(task, store)


def _sees(path: str) -> bool:
    return Path(path).exists()
