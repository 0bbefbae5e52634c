"""Building: every step run or found done, then the manifest, written last."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from manifests.manifest import (
    HISTORY,
    MANIFEST_FILE,
    RUN_FILE,
    Manifest,
    ManifestError,
    load_manifest,
    manifest_text,
    sealed,
)
from pipeline.catalog import Catalog
from pipeline.compose import manifest_content
from pipeline.corpus import External
from pipeline.engine import Engine, TaskFailedError
from pipeline.inputs import Checksums, find_externals, find_inputs
from pipeline.observer import Observer
from pipeline.recipe import Recipe, RecipeError
from pipeline.source import InputFile
from pipeline.store import Store
from pipeline.task import Json, Receipt, Task, finished
from pipeline.walk import Walk, Walked

FAILURE_FILE = "failure.txt"
"""The full error of the task that ended the last failed run, in the workspace."""


class WorkspaceBusyError(RuntimeError):
    """Another run holds the workspace."""


@dataclass
class StepTime:
    """What one step did: tasks run, tasks found done, wall seconds. Never fingerprinted."""

    step: str
    stages: list[str]
    ran: int
    cached: int
    seconds: float


@dataclass(frozen=True)
class Built:
    """A finished build: its manifest and how the run went."""

    manifest: Manifest
    steps: list[StepTime]
    seconds: float


def last_build(workspace: Path) -> Built:
    """The build that a workspace holds. Raises ManifestError when there is none."""
    manifest = load_manifest(workspace)
    try:
        run = json.loads((manifest.workspace / RUN_FILE).read_text())
        if run["fingerprint"] == manifest.fingerprint:
            steps = [StepTime(**step) for step in run["steps"]]
            return Built(manifest, steps, run["seconds"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return Built(manifest, [], 0.0)


@dataclass
class _EngineSlot:
    """An engine that is started when the first task needs it, or never."""

    start: Callable[[], Engine]
    engine: Engine | None = field(default=None)

    def get(self) -> Engine:
        if self.engine is None:
            self.engine = self.start()
        return self.engine

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()
            self.engine = None


class _Build(Walk):
    """A walk that runs what is not there yet."""

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        store: Store,
        inputs: Mapping[str, Sequence[InputFile]],
        externals: Mapping[str, Mapping[str, External]],
        slot: _EngineSlot,
        observer: Observer,
    ) -> None:
        super().__init__(recipe, catalog, store, inputs, externals)
        self.slot = slot
        self.observer = observer
        self.steps: list[StepTime] = []

    def step(self, name: str, stages: list[str], tasks: list[Task]) -> list[list[Receipt]]:
        started = time.perf_counter()
        results: dict[int, list[Receipt]] = {}
        missing: list[Task] = []
        position: dict[int, int] = {}
        for index, task in enumerate(tasks):
            done = finished(task, self.store)
            if done is not None:
                results[index] = done
            else:
                position[id(task)] = index
                missing.append(task)
        if missing:
            self.observer.step_started(name, missing, len(results))
            for task, receipts in self.slot.get().run(missing):
                results[position[id(task)]] = receipts
                self.observer.task_done(name, task, receipts)
            self.observer.step_ended(name)
        self.steps.append(
            StepTime(
                name,
                stages,
                len(missing),
                len(tasks) - len(missing),
                time.perf_counter() - started,
            )
        )
        return [results[index] for index in range(len(tasks))]


def build(
    recipe: Recipe,
    catalog: Catalog,
    engine: Callable[[Store], Engine],
    observer: Observer,
    version: str,
) -> Built:
    """Builds a corpus in the recipe's workspace; what is there already is not computed again.

    ``engine`` starts an engine when the first task needs it. ``version`` is tamis' own, for the
    manifest. Raises RecipeError, WorkspaceBusyError or TaskFailedError; the workspace can be built
    on after any of them, and after a kill.
    """
    started = time.perf_counter()
    store = Store(recipe.workspace.resolve())
    if not store.root.is_dir() and any(p.is_file() for p in (store.root, *store.root.parents)):
        raise RecipeError(
            f"{recipe.workspace}: is a file, or inside of one. A workspace is a folder: name"
            " another place for it."
        )
    store.root.mkdir(parents=True, exist_ok=True)
    slot = _EngineSlot(lambda: engine(store))
    with locked(store):
        store.clear_temporary()
        checksums = Checksums(store)
        inputs = find_inputs(recipe, checksums)
        externals = find_externals(recipe, checksums)
        walk = _Build(recipe, catalog, store, inputs, externals, slot, observer)
        try:
            walked = walk.walk()
        except TaskFailedError as error:
            store.replace_text(FAILURE_FILE, f"{error.task.label}\n\n{error.problem}\n")
            error.add_note(
                f"The full error is in {FAILURE_FILE} in the workspace. Nothing is lost: mend the"
                " cause and run the same command again; it goes on from here."
            )
            raise
        finally:
            slot.close()
        _publish(store, walked)
        content = manifest_content(recipe, inputs, externals, walked, store, version)
        manifest = _write(store, content)
        store.path(FAILURE_FILE).unlink(missing_ok=True)
        seconds = time.perf_counter() - started
        store.replace_text(RUN_FILE, manifest_text(_run(manifest, walk.steps, seconds, recipe)))
    return Built(manifest, walk.steps, seconds)


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Holds the workspace; the lock ends with the process, however it dies.

    Raises WorkspaceBusyError when another run holds it.
    """
    with store.path(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceBusyError(
                f"Another run is building in {store.root}. Wait for it, or give this one a"
                " workspace of its own (--workspace)."
            ) from None
        yield


def _publish(store: Store, walked: Walked) -> None:
    """Links the files meant for people to their names; removes those of an earlier build."""
    try:
        before = load_manifest(store.root).published
    except (ManifestError, FileNotFoundError):
        before = {}
    for name in before:
        if name not in walked.published:
            store.path(name).unlink(missing_ok=True)
    for name, published in sorted(walked.published.items()):
        target, origin = store.path(name), store.path(published["artefact"])
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() and target.samefile(origin)):
            temporary = target.with_name(f".{target.name}.new")
            temporary.unlink(missing_ok=True)
            try:
                temporary.hardlink_to(origin)
            except OSError:
                shutil.copyfile(origin, temporary)  # a file system without hard links
            temporary.replace(target)
    for folder in {store.path(name).parent for name in before} - {store.root}:
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def _write(store: Store, content: Mapping[str, Json]) -> Manifest:
    whole = sealed(content)
    text = manifest_text(whole)
    store.replace_text(f"{HISTORY}/{whole['fingerprint']}.json", text)
    store.replace_text(MANIFEST_FILE, text)
    return load_manifest(store.path(MANIFEST_FILE))


def _run(
    manifest: Manifest,
    steps: Sequence[StepTime],
    seconds: float,
    recipe: Recipe,
) -> dict[str, Json]:
    return {
        "fingerprint": manifest.fingerprint,
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "recipe_folder": str(recipe.folder),
        "steps": [asdict(step) for step in steps],
    }
