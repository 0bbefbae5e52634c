"""A task that waits for another one."""

import os
import time

from pipeline.task import Json, TaskRun


def meet(run: TaskRun) -> Json:
    """How many processes have come, once there are two or a minute is over."""
    here = run.path("met")
    here.mkdir(exist_ok=True)
    (here / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(here.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    return {"met": len(list(here.iterdir()))}
