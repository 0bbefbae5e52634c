"""A task that waits for another one."""

import os
import time

from pipeline.task import Json, TaskRun


def meet(run: TaskRun) -> Json:
    """How many processes have come, once there are so many (``of``) or a minute is over; and which
    one this is."""
    here = run.path("met")
    here.mkdir(exist_ok=True)
    (here / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(here.iterdir())) < run.arguments["of"] and time.monotonic() < end:
        time.sleep(0.05)
    return {"met": len(list(here.iterdir())), "process": os.getpid()}
