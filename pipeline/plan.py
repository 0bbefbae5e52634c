"""Planning: what a build would run, what is up to date, and why something is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manifests.manifest import Manifest, ManifestError, load_manifest
from pipeline.catalog import Catalog
from pipeline.corpus import External
from pipeline.inputs import Checksums, absent_files, find_externals, find_inputs, summarize_inputs
from pipeline.libraries import library_versions
from pipeline.recipe import Recipe
from pipeline.source import InputFile
from pipeline.stage import identified_config
from pipeline.store import Store
from pipeline.task import Json, Receipt, Task, finished
from pipeline.walk import Walk

UP_TO_DATE = "up to date"
RUN = "run"
DECIDE = "decide again"
FOLLOWS = "run, if what comes before changes its input"
CHECKED = "run: its settings are right"
WAITS = "wait for files: its settings are right"


@dataclass
class StagePlan:
    """One stage: what would happen, how much of it is done, and why."""

    stage: str
    state: str
    tasks: int
    missing: int
    why: str


class _NotReadyError(Exception):
    """The walk cannot go on: a step's receipts are not there yet."""


class _Plan(Walk):
    """A walk that runs nothing, and stops where it would have to know a result."""

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        store: Store,
        inputs: Mapping[str, Sequence[InputFile]],
        externals: Mapping[str, Mapping[str, External]],
    ) -> None:
        super().__init__(recipe, catalog, store, inputs, externals)
        self.plans: dict[str, StagePlan] = {}

    def step(self, name: str, stages: list[str], tasks: list[Task]) -> list[list[Receipt]]:
        receipts = [finished(task, self.store) for task in tasks]
        missing = sum(done is None for done in receipts)
        chain = bool(tasks and tasks[0].commits)
        if chain:
            self._chain(stages, tasks)
            return [done or [] for done in receipts]
        for stage in stages:
            self._add(stage, len(tasks), missing, RUN)
        if missing:
            raise _NotReadyError(name)
        return [done or [] for done in receipts]

    def _chain(self, stages: list[str], tasks: list[Task]) -> None:
        """The stages of a chain apart: measured anew, only decided anew, or done."""
        for stage in stages:
            measure = decide = total = 0
            for task in tasks:
                total += 1
                outputs = [out for out in task.commits if out.split("/")[1] == stage]
                lost = {out.split("/")[2] for out in outputs if self.store.receipt(out) is None}
                measure += "annotations" in lost
                decide += bool(lost)
            self._add(stage, total, decide, RUN if measure else DECIDE)

    def _add(self, stage: str, tasks: int, missing: int, state: str) -> None:
        have = self.plans.setdefault(stage, StagePlan(stage, UP_TO_DATE, 0, 0, ""))
        have.tasks += tasks
        have.missing += missing
        if missing and have.state != RUN:
            have.state = state


def dry_plan(recipe: Recipe) -> list[StagePlan]:
    """What ``build`` would do on a machine that has all files of the recipe: nothing is read here,
    so that a recipe can be checked where its models and data are not. A checked recipe has every
    key, value and combination right."""
    absent = absent_files(recipe)
    names = ["ingest", *(name for _, name, _ in recipe.configs()), "manifest"]
    plans = []
    for name in names:
        missing = absent.get(name)
        why = f"not on this machine: {', '.join(missing)}" if missing else ""
        plans.append(StagePlan(name, WAITS if missing else CHECKED, 0, 0, why))
    return plans


def plan(recipe: Recipe, catalog: Catalog) -> list[StagePlan]:
    """What ``build`` would do with the recipe now, stage by stage; nothing is run or written but
    the checksums of input files.

    Raises RecipeError when files that the recipe names are missing.
    """
    store = Store(recipe.workspace.resolve())
    store.root.mkdir(parents=True, exist_ok=True)
    checksums = Checksums(store)
    inputs = find_inputs(recipe, checksums)
    externals = find_externals(recipe, checksums)
    walk = _Plan(recipe, catalog, store, inputs, externals)
    stopped = False
    try:
        walk.walk()
    except _NotReadyError:
        stopped = True
    last = _last(store)
    causes = _causes(recipe, inputs, externals, last)
    gone = ", ".join(f"`{name}`" for name in _gone(recipe, last))
    makers = [maker.name for maker in recipe.makers]
    names = ["ingest", *makers, *(entry.name for entry in recipe.entries), "manifest"]
    plans = []
    culprit = ""
    for name in names:
        planned = walk.plans.get(name)
        if planned is None:
            state = FOLLOWS if stopped else UP_TO_DATE
            planned = StagePlan(name, state, 0, 0, "")
        if planned.state != UP_TO_DATE:
            planned.why = causes.get(name) or (
                f"follows from {culprit}"
                if culprit
                else f"no longer in the recipe: {gone}"
                if gone
                else "not built yet"
            )
            culprit = name if causes.get(name) or not culprit else culprit
        plans.append(planned)
    return plans


def _last(store: Store) -> Manifest | None:
    try:
        return load_manifest(store.root)
    except ManifestError:
        return None


def _known(last: Manifest) -> dict[str, Json]:
    """The makers and stages of the last build, by name."""
    content = last.content
    return {step["name"]: step for step in (*content.get("synthesis", ()), *content["stages"])}


def _gone(recipe: Recipe, last: Manifest | None) -> list[str]:
    """Names of makers and stages that the last build had, and the recipe has no more."""
    names = {name for _, name, _ in recipe.configs()}
    return [] if last is None else [name for name in _known(last) if name not in names]


def _causes(
    recipe: Recipe,
    inputs: Mapping[str, Sequence[InputFile]],
    externals: Mapping[str, Mapping[str, External]],
    last: Manifest | None,
) -> dict[str, str]:
    """What changed since the last manifest, by stage."""
    if last is None:
        return {}
    causes: dict[str, list[str]] = {}
    before = last.content
    for source, summary in summarize_inputs(inputs).items():
        if before["inputs"].get(source) != summary:
            word = "changed" if source in before["inputs"] else "is new"
            causes.setdefault("ingest", []).append(f"input {source} {word}")
    for source in before["inputs"]:
        if source not in inputs:
            causes.setdefault("ingest", []).append(f"input {source} is gone")
    ingest = recipe.ingest
    then = before["ingest"]
    now: Json = {
        "config": ingest.config.model_dump(mode="json"),
        "libraries": library_versions(ingest.libraries),
        "version": ingest.version,
    }
    sources = {source["name"]: source for source in before["recipe"]["sources"]}
    changes = _changes("ingest", {key: then[key] for key in now}, now)
    for source in recipe.resolved()["sources"]:
        changes += _changes(source["name"], sources.get(source["name"], source), source)
    if changes:
        causes.setdefault("ingest", []).extend(changes)
    known = _known(last)
    gone = {known[name]["use"]: name for name in _gone(recipe, last)}
    uses = {maker.name: maker.type for maker in recipe.makers}
    uses |= {entry.name: entry.type for entry in recipe.entries}
    steps: list[tuple[str, Any]] = [(maker.name, maker.synthesis) for maker in recipe.makers]
    steps += [(entry.name, entry.stage) for entry in recipe.entries]
    for name, step in steps:
        then = known.get(name)
        if then is None:
            old = gone.get(uses[name])
            causes[name] = ["it is new" if old is None else f"it was named `{old}`"]
            continue
        checksums = {path: file.sha256 for path, file in externals[name].items()}
        changes = _changes("", then["config"], identified_config(step.config, checksums))
        changes += _changes("version", then["version"], step.version)
        changes += _changes("libraries", then["libraries"], library_versions(step.libraries))
        if changes:
            causes[name] = changes
    return {name: "; ".join(changes) for name, changes in causes.items()}


def _changes(place: str, before: Json, now: Json) -> list[str]:
    """The keys in which two configs differ, as ``key: old → new``."""
    if isinstance(before, dict) and isinstance(now, dict):
        found: list[str] = []
        for key in sorted({*before, *now}):
            inner = f"{place}.{key}" if place else str(key)
            found += _changes(inner, before.get(key), now.get(key))
        return found
    return [] if before == now else [f"{place}: {_short(before)} → {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
