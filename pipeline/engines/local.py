"""The local engine: this process, or a small pool of processes beside it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from pipeline.arrow_alone import forgo_pandas
from pipeline.draft import RecipeError
from pipeline.engine import ATTEMPTS, TaskFailedError
from pipeline.store import Store
from pipeline.task import Receipt, Resources, Task, execute

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class _Running:
    """A task in flight and the executor that it was given to."""

    task: Task
    executor: ProcessPoolExecutor


class LocalEngine:
    """Runs tasks with ``workers`` processes; with one, in this process (for a debugger).

    Tasks that name a pool share its processes, so that a model is loaded once in each: as many as
    CPUs and memory have room for, one where a GPU is asked for. They stay for the steps that follow
    until one of these names another pool.
    """

    name = "local"

    def __init__(self, store: Store, workers: int) -> None:
        self.store = store
        self.workers = workers
        self.executors: dict[str | None, ProcessPoolExecutor] = {}
        self.busy = False

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        """See ``Engine.run``."""
        if self.workers == 1:
            for task in tasks:
                try:
                    receipts = execute(task, self.store)
                except RecipeError:
                    raise
                except Exception as error:
                    raise TaskFailedError(task, _in_full(error)) from error
                yield task, receipts
            return
        waiting = list(tasks)
        self._end_other_pools({task.resources.pool for task in waiting})
        yield from self._run_beside(iter(waiting))

    def _run_beside(self, remaining: Iterator[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        """Tasks in processes of their own. When one dies, its executor is broken and all that it
        held is run again; deaths in a row without a finished task between them end the run."""
        deaths = 0
        running: dict[Future[list[Receipt]], _Running] = {}
        again: list[Task] = []
        self.busy = True
        while True:
            # not more in flight than there are processes and one to follow each, so that a death
            # costs little
            free = max(0, 2 * self.workers - len(running) - len(again))
            for task in [*again, *islice(remaining, free)]:
                future, executor = self._submit(task)
                running[future] = _Running(task, executor)
            again = []
            if not running:
                self.busy = False
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken: dict[int, _Running] = {}
            for future in done:
                held = running.pop(future)
                try:
                    receipts = future.result()
                except BrokenProcessPool:
                    broken[id(held.executor)] = held
                    again.append(held.task)
                except RecipeError:
                    raise
                except Exception as error:
                    raise TaskFailedError(held.task, _in_full(error)) from error
                else:
                    deaths = 0
                    yield held.task, receipts
            for held in broken.values():
                deaths += 1
                if deaths >= ATTEMPTS:
                    raise TaskFailedError(
                        held.task,
                        f"its process died {ATTEMPTS} times in a row. Out of memory? Or is this a"
                        ' script of yours without `if __name__ == "__main__":` around its calls?',
                    )
                self._discard(held)
                for future in [
                    f for f, other in running.items() if other.executor is held.executor
                ]:
                    again.append(running.pop(future).task)

    def _submit(self, task: Task) -> tuple[Future[list[Receipt]], ProcessPoolExecutor]:
        pool = task.resources.pool
        for _ in range(ATTEMPTS):
            if pool not in self.executors:
                self.executors[pool] = ProcessPoolExecutor(
                    self.workers if pool is None else self._room(task.resources),
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_start_worker,
                    initargs=(os.getpid(),),
                )
            executor = self.executors[pool]
            try:
                return executor.submit(execute, task, self.store), executor
            except BrokenProcessPool:
                self._discard(_Running(task, executor))
        raise TaskFailedError(task, "no process could be started")

    def _room(self, needs: Resources) -> int:
        """Processes of a pool. Half the memory is left to what runs beside them."""
        if needs.gpus:
            return 1
        room = self.workers // max(needs.cpus, 1)
        if needs.memory_bytes:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            room = min(room, memory // 2 // needs.memory_bytes)
        return max(1, int(room))

    def _end_other_pools(self, kinds: set[str | None]) -> None:
        """Ends pools before a step that opens another one: two models seldom fit side by side."""
        if kinds - {None}:
            for pool in set(self.executors) - kinds - {None}:
                self.executors.pop(pool).shutdown(wait=True)

    def _discard(self, held: _Running) -> None:
        """Forgets a broken executor; one that took its place meanwhile stays."""
        pool = held.task.resources.pool
        if self.executors.get(pool) is held.executor:
            del self.executors[pool]
        held.executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """See ``Engine.close``. Tasks that still run are ended; what they wrote is discarded."""
        for executor in self.executors.values():
            if self.busy:
                for process in list((executor._processes or {}).values()):
                    process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)
        self.executors = {}


def _start_worker(driver: int) -> None:
    """Run in each process as it starts."""
    _belong_to_the_driver(driver)
    forgo_pandas()


def _belong_to_the_driver(driver: int) -> None:
    """Ctrl-C reaches every process of a terminal: the driver alone answers it. And when the driver
    dies, however it dies, so does the process (on Linux): left alone it would go on with tasks that
    the next run starts too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != driver:
            os._exit(1)  # it died before we asked


def _in_full(error: BaseException) -> str:
    """The error with the traceback of the process that raised it."""
    return "".join(traceback.format_exception(error)).rstrip()
