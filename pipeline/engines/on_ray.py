"""The Ray engine: one machine or a cluster. Ray schedules, retries and keeps model processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import ray

from pipeline.arrow_alone import forgo_pandas
from pipeline.draft import RecipeError
from pipeline.engine import ATTEMPTS, TaskFailedError
from pipeline.store import Store
from pipeline.task import Receipt, Resources, Task, execute

PACKAGES = ("tamis", "pipeline", "stages", "classifiers", "manifests", "trainer")
"""Our own packages, shipped to a cluster's nodes so that drivers and workers run the same code."""


@dataclass
class _Pool:
    """The processes of a pool, and how many tasks each was given that are not done."""

    actors: list[Any]
    given: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.given = [0] * len(self.actors)

    def next(self) -> int:
        """The process with the fewest tasks; the first of equals."""
        return self.given.index(min(self.given))


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
        self.pools: dict[str, _Pool] = {}
        self.places: dict[Any, tuple[_Pool, int]] = {}
        if address is not None:
            self._check_workspace()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        """See ``Engine.run``. Four tasks a CPU are in flight: the driver's memory stays small."""
        waiting = list(tasks)
        kinds = {task.resources.pool for task in waiting}
        remaining = iter(waiting)
        running: dict[Any, Task] = {}
        try:
            while True:
                for task in islice(remaining, max(0, 4 * self.workers - len(running))):
                    running[self._submit(task, kinds)] = task
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                for reference in done:
                    task = running.pop(reference)
                    if reference in self.places:
                        pool, place = self.places.pop(reference)
                        pool.given[place] -= 1
                    try:
                        receipts = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        if isinstance(error.cause, RecipeError):
                            raise error.cause from None
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

    def _submit(self, task: Task, kinds: set[str | None]) -> Any:
        needs = task.resources
        if needs.pool is not None:
            if needs.pool not in self.pools:
                self.pools[needs.pool] = self._open_pool(task, kinds)
            pool = self.pools[needs.pool]
            place = pool.next()
            reference = pool.actors[place].execute.remote(task, self.store)
            pool.given[place] += 1
            self.places[reference] = (pool, place)
            return reference
        return (
            ray.remote(_execute)
            .options(
                num_cpus=self._cpus(task, needs),
                num_gpus=needs.gpus,
                memory=needs.memory_bytes or None,
                max_retries=ATTEMPTS - 1,
                retry_exceptions=False,
                name=task.label,
            )
            .remote(task, self.store)
        )

    def _nodes_for(self, needs: Resources) -> list[Mapping[str, float]]:
        """The nodes that have the GPUs and the memory."""
        asked = {"GPU": needs.gpus, "memory": needs.memory_bytes}
        return [
            node
            for node in self.nodes
            if all(node.get(name, 0) >= amount for name, amount in asked.items())
        ]

    def _cpus(self, task: Task, needs: Resources) -> float:
        """CPUs to ask for: no more than one node has that has the rest."""
        nodes = self._nodes_for(needs)
        if not nodes:
            # Ray would wait for such a node for ever, and say nothing
            raise TaskFailedError(
                task,
                f"it needs {needs.gpus:g} GPUs and {needs.memory_bytes / 1e9:.1f} GB of memory on"
                " one node, and no node of this Ray has that. Add one, or ask for less in the"
                " stage's settings (`gpus: 0`, a smaller model).",
            )
        return min(needs.cpus, max(node.get("CPU", 0.0) for node in nodes))

    def _open_pool(self, task: Task, kinds: set[str | None]) -> _Pool:
        """As many processes as the nodes have room for. They hold their CPUs to the end of the
        step, so pools of the same step share, and one CPU is left for tasks that have no pool."""
        needs = task.resources
        small = not self._nodes_for(needs)
        if small:  # the memory is an estimate: one process that asks for none may do with less
            needs = replace(needs, memory_bytes=0)
        spare = 1 if None in kinds else 0
        cpus = min(self._cpus(task, needs), self.workers - spare)
        there = [_room(node, cpus, needs) for node in self.nodes]
        room = min(sum(there), (self.workers - spare) / cpus) if cpus else 1.0
        options = {
            "num_cpus": cpus,
            "num_gpus": needs.gpus,
            "memory": needs.memory_bytes or None,
            "max_restarts": ATTEMPTS - 1,
            "max_task_retries": ATTEMPTS - 1,
        }
        count = 1 if small else max(1, int(room) // len(kinds - {None}))
        return _Pool([ray.remote(_Worker).options(**options).remote() for _ in range(count)])

    def _release(self) -> None:
        """Ends the model processes, so that their CPUs are free for the next step."""
        for pool in self.pools.values():
            for actor in pool.actors:
                ray.kill(actor)
        self.pools, self.places = {}, {}

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


def _room(node: Mapping[str, float], cpus: float, needs: Resources) -> int:
    """How many processes of a pool a node has room for."""
    asked = {"CPU": cpus, "GPU": needs.gpus, "memory": needs.memory_bytes}
    rooms = [int(node.get(name, 0) // amount) for name, amount in asked.items() if amount]
    return min(rooms, default=1)


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
