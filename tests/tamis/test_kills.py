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

COMMAND = "import sys; from tamis.cli import main; sys.argv[0] = 'tamis'; main()"


def start(recipe: Path, workspace: Path, engine: str) -> subprocess.Popen[bytes]:
    arguments = ["build", str(recipe), "--workspace", str(workspace)]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--engine", engine, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).resolve().parents[2],
    )


def workers(driver: psutil.Process) -> list[psutil.Process]:
    """Processes under the driver that run tasks: a pool's children, or Ray's workers."""
    found = []
    for child in driver.children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if "spawn_main" in command or command.startswith("ray::"):
            found.append(child)
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills the driver, and waits until what it had started is gone."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:
        child.kill()


@pytest.mark.parametrize(("engine", "kills"), [("local", 8), ("ray", 4)])
def test_kills_leave_no_trace(small_recipe: Path, tmp_path: Path, engine: str, kills: int) -> None:
    undisturbed = tamis.build(small_recipe, workspace=tmp_path / "undisturbed", workers=1)
    dice = random.Random(f"{engine} {kills}")
    workspace = tmp_path / "disturbed"
    killed = 0
    for _ in range(kills * 4):
        process = start(small_recipe, workspace, engine)
        time.sleep(dice.uniform(2.0, 7.0) + (4.0 if engine == "ray" else 0.0))
        if process.poll() is not None:
            assert process.returncode == 0
            break
        if dice.random() < 0.5:
            victims = workers(psutil.Process(process.pid))
            if victims:
                dice.choice(victims).kill()
                killed += 1
                time.sleep(dice.uniform(0.0, 2.0))
        if killed < kills and process.poll() is None:
            end(process)
            killed += 1
            continue
        break
    assert process.wait(timeout=240) == 0
    manifest = tamis.load_manifest(workspace)
    assert manifest.fingerprint == undisturbed.manifest.fingerprint
    assert tamis.verify(workspace).passed
    assert killed >= min(kills, 3)
