"""The local engine: this process, or a small pool of processes beside it."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from pipeline.engine import ATTEMPTS, TaskFailedError
from pipeline.store import Store
from pipeline.task import Receipt, Task, execute


class LocalEngine:
    """Runs tasks with ``workers`` processes; with one, in this process (for a debugger).

    Tasks that name a pool share one process, so that their model is loaded once.
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
                except Exception as error:
                    raise TaskFailedError(task, _last_lines(error)) from error
                yield task, receipts
            return
        remaining = iter(tasks)
        attempts: dict[str, int] = {}
        running: dict[Future[list[Receipt]], Task] = {}
        waiting: list[Task] = []
        self.busy = True
        try:
            while True:
                waiting += islice(remaining, max(0, 4 * self.workers - len(running) - len(waiting)))
                while waiting:
                    task = waiting.pop(0)
                    running[self._submit(task)] = task
                if not running:
                    self.busy = False
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    try:
                        receipts = future.result()
                    except BrokenProcessPool:
                        attempts[task.label] = attempts.get(task.label, 0) + 1
                        if attempts[task.label] >= ATTEMPTS:
                            raise TaskFailedError(
                                task, f"its process died {ATTEMPTS} times (out of memory?)"
                            ) from None
                        self._discard(task.resources.pool)
                        waiting.append(task)
                    except Exception as error:
                        raise TaskFailedError(task, _last_lines(error)) from error
                    else:
                        yield task, receipts
        finally:
            for future in running:
                future.cancel()

    def _submit(self, task: Task) -> Future[list[Receipt]]:
        pool = task.resources.pool
        for _ in range(ATTEMPTS):
            if pool not in self.executors:
                self.executors[pool] = ProcessPoolExecutor(
                    self.workers if pool is None else 1,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_leave_interrupts_to_the_driver,
                )
            try:
                return self.executors[pool].submit(execute, task, self.store)
            except BrokenProcessPool:
                self._discard(pool)
        raise TaskFailedError(task, "no process could be started")

    def _discard(self, pool: str | None) -> None:
        executor = self.executors.pop(pool, None)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """See ``Engine.close``. Tasks that still run are ended; what they wrote is discarded."""
        for executor in self.executors.values():
            if self.busy:
                for process in list((executor._processes or {}).values()):
                    process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)
        self.executors = {}


def _leave_interrupts_to_the_driver() -> None:
    """Ctrl-C reaches every process of the terminal; the driver alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _last_lines(error: BaseException) -> str:
    """The error in full, with the traceback of the process that raised it."""
    return "".join(traceback.format_exception(error)).rstrip()
