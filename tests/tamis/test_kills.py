"""Kill -9 at random moments, the same command again: the corpus is that of an undisturbed run."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import tamis
from pipeline.build import Built

COMMAND = "import sys; from tamis.cli import main; sys.argv[0] = 'tamis'; main()"
WORKERS = ("spawn_main", "import json", "-m trainer")


def start(recipe: Path, workspace: Path, engine: str) -> subprocess.Popen[bytes]:
    arguments = ["build", str(recipe), "--workspace", str(workspace)]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--engine", engine, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).resolve().parents[2],
    )


def workers(driver: psutil.Process) -> list[psutil.Process]:
    """Processes under the driver that do its work: a pool's children, Ray's workers, the extractor
    of web pages, the trainer."""
    found = []
    for child in driver.children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            continue
        ours = command.startswith("ray::") and "Agent" not in command
        if ours or any(word in command for word in WORKERS):
            found.append(child)
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills the driver alone; the processes that work for it must end by themselves."""
    orphans = workers(psutil.Process(process.pid))
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(("engine", "kills"), [("local", 6), ("ray", 4)])
def test_kills_leave_no_trace(small_recipe: Path, tmp_path: Path, engine: str, kills: int) -> None:
    undisturbed = tamis.build(small_recipe, workspace=tmp_path / "undisturbed", workers=2)
    dice = random.Random(f"{engine} {kills}")
    killed = 0
    run = 0
    while killed < kills:
        workspace = tmp_path / f"disturbed-{run}"
        process = start(small_recipe, workspace, engine)
        time.sleep(dice.uniform(1.5, 8.0) + (5.0 if engine == "ray" else 0.0))
        if process.poll() is not None:  # it came to its end before the blow: the next starts anew
            check(process, workspace, undisturbed)
            run += 1
            continue
        victims = workers(psutil.Process(process.pid))
        if victims and dice.random() < 0.5:
            dice.choice(victims).kill()
            killed += 1
            time.sleep(dice.uniform(0.0, 2.0))
        if process.poll() is None:
            end(process)
            killed += 1
        else:
            check(process, workspace, undisturbed)
            run += 1
    process = start(small_recipe, workspace, engine)
    process.wait(timeout=240)
    check(process, workspace, undisturbed)


def check(process: subprocess.Popen[bytes], workspace: Path, undisturbed: Built) -> None:
    """The run ended well, and its corpus is that of the undisturbed one."""
    assert process.returncode == 0
    assert tamis.load_manifest(workspace).fingerprint == undisturbed.manifest.fingerprint
    assert tamis.verify(workspace).passed
