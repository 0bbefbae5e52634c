"""Fetch pinned distributions with plain pip, hash-checked, retried, atomic and without building."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tamis.sample.catalog import Distribution, SampleError

# The build backends that the pinned source distributions name in pyproject.toml.
BACKENDS = (
    "flit_core.buildapi",
    "hatchling.build",
    "maturin",
    "mesonpy",
    "pdm.backend",
    "poetry.core.masonry.api",
    "scikit_build_core.build",
    "setuptools.build_meta",
)
ATTEMPTS = 3
PAUSE_SECONDS = 2.0
PIP_AT_ONCE = 3
# Few enough that an interrupted run loses little, enough that pip's start-up is shared.
FILES_A_PIP = 6
PIP_TIMEOUT_SECONDS = 900

Progress = Callable[[str], None]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing_from(directory: Path, wanted: Iterable[Distribution]) -> list[Distribution]:
    """The distributions that do not lie in `directory` with their pinned hash."""
    return [
        distribution
        for distribution in wanted
        if not (directory / distribution.file).is_file()
        or sha256_of(directory / distribution.file) != distribution.sha256
    ]


def download(directory: Path, wanted: Sequence[Distribution], progress: Progress = print) -> None:
    """Bring every wanted distribution into `directory`; those there with the right hash stay.

    Uses the pip of this Python with its own configuration (index, mirror, proxy, certificates). A
    file appears under its name only when it is whole and its SHA-256 is the pinned one.

    Raises SampleError when pip is missing, the network fails `ATTEMPTS` times, or a hash differs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missing = missing_from(directory, wanted)
    if not missing:
        return
    batches = in_batches(missing)
    progress(f"downloading {len(missing)} of {len(wanted)} packages")
    done = 0
    with (
        tempfile.TemporaryDirectory(prefix="tamis-backend-") as backends,
        ThreadPoolExecutor(PIP_AT_ONCE) as pool,
    ):
        write_backends(Path(backends))
        pending = [pool.submit(fetch, directory, batch, Path(backends)) for batch in batches]
        try:
            for future, batch in zip(pending, batches, strict=True):
                future.result()
                done += len(batch)
                progress(f"  {done}/{len(missing)} packages")
        except BaseException:
            for future in pending:
                future.cancel()
            raise


def in_batches(missing: Sequence[Distribution]) -> list[list[Distribution]]:
    """Groups for one pip call each: one format, and no project twice (pip takes one version)."""
    batches: list[list[Distribution]] = []
    for distribution in sorted(missing, key=lambda item: (item.is_wheel, item.file)):
        for batch in batches:
            if (
                len(batch) < FILES_A_PIP
                and batch[0].is_wheel == distribution.is_wheel
                and all(other.name.lower() != distribution.name.lower() for other in batch)
            ):
                batch.append(distribution)
                break
        else:
            batches.append([distribution])
    return batches


def write_backends(directory: Path) -> None:
    """Lay `metadata_backend.py` under the names of the usual build backends.

    The folder goes to PYTHONPATH of pip's process, in front of what is installed there.
    """
    source = Path(__file__).with_name("metadata_backend.py").read_text("utf-8")
    for backend in BACKENDS:
        module = directory.joinpath(*backend.split("."))
        module.parent.mkdir(parents=True, exist_ok=True)
        folder = module.parent
        while folder != directory:
            folder.joinpath("__init__.py").touch()
            folder = folder.parent
        module.with_suffix(".py").write_text(source, "utf-8")


def fetch(directory: Path, batch: Sequence[Distribution], backends: Path) -> None:
    """Download one batch with one pip and move the files into `directory`.

    Raises SampleError as `download` does.
    """
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=directory) as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(
            "".join(f"{item.name}=={item.version} --hash=sha256:{item.sha256}\n" for item in batch),
            "utf-8",
        )
        arrived = Path(scratch, "files")
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-input", "--no-deps", "--no-build-isolation", "--require-hashes"),
            *("--only-binary" if batch[0].is_wheel else "--no-binary", ":all:"),
            *("--dest", str(arrived), "--requirement", str(requirements)),
        ]
        run_pip(command, batch, backends)
        for item in batch:
            path = arrived / item.file
            if not path.is_file():
                names = ", ".join(sorted(found.name for found in arrived.iterdir()))
                raise SampleError(
                    f"pip fetched {names} and no {item.file}.\n"
                    f"  Correct `file` of {item.name} in tamis/sample/packages.json."
                )
            if (found := sha256_of(path)) != item.sha256:
                raise wrong_hash(item, found)
            path.replace(directory / item.file)


def run_pip(command: Sequence[str], batch: Sequence[Distribution], backends: Path) -> None:
    """Run pip until it succeeds, at most `ATTEMPTS` times; a wrong hash is not tried again."""
    environment = {**os.environ, "PYTHONPATH": str(backends), "PIP_USE_PEP517": "1"}
    names = ", ".join(item.file for item in batch)
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * attempt)
        try:
            finished = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PIP_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            said = f"pip did not finish within {PIP_TIMEOUT_SECONDS} seconds"
            continue
        if finished.returncode == 0:
            return
        said = (finished.stderr or finished.stdout).strip()
        if "No module named pip" in said:
            raise SampleError(
                f"{sys.executable} has no pip, which fetches the sample.\n"
                f"  Run: {sys.executable} -m ensurepip"
            )
        if "DO NOT MATCH THE HASHES" in said:
            raise mismatch_in(said, batch)
    raise SampleError(
        f"pip could not fetch {names} in {ATTEMPTS} attempts. It said:\n"
        + "\n".join(f"    {line}" for line in said.splitlines()[-8:])
        + "\n  Check the network and pip's index settings (`pip config list`), then run the same "
        "command again: what has arrived is kept."
    )


def mismatch_in(said: str, batch: Sequence[Distribution]) -> SampleError:
    """The error for pip's report of a hash mismatch: pip names what it expected and what it got."""
    got = dict(re.findall(r"Expected sha256 ([0-9a-f]{64})\s+Got\s+([0-9a-f]{64})", said))
    for item in batch:
        if item.sha256 in got:
            return wrong_hash(item, got[item.sha256])
    return SampleError(f"pip found a wrong hash among the sample's packages:\n{said}")


def wrong_hash(item: Distribution, found: str) -> SampleError:
    """The error that names the file, both hashes and the cure."""
    return SampleError(
        f"{item.file}: the package index serves a file with SHA-256\n    {found}\n"
        f"  but tamis/sample/packages.json pins\n    {item.sha256}\n"
        "  Nothing was kept. Empty pip's cache (`pip cache purge`) and check which index or mirror "
        "it uses (`pip config list`); if the project replaced the file, pin its new hash."
    )
