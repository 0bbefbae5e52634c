"""What `import tamis` offers; the command line is a thin layer over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from manifests.diff import Diff, diff_manifests
from manifests.explain import Story, explain_document
from manifests.manifest import Manifest
from manifests.manifest import load_manifest as _load_manifest
from manifests.verify import Verification, verify_workspace
from pipeline.build import Built
from pipeline.build import build as _build
from pipeline.engine import Engine
from pipeline.observer import Observer, Silence
from pipeline.plan import StagePlan
from pipeline.plan import plan as _plan
from pipeline.recipe import Recipe, load_recipe
from pipeline.store import Store
from stages.catalog import CATALOG

ENGINES = ("local", "ray")


def engine_for(
    name: str, workers: int | None = None, address: str | None = None
) -> Callable[[Store], Engine]:
    """What starts an engine on a workspace: ``local`` or ``ray``.

    ``workers`` defaults to the CPUs that this process may use. Raises ValueError for another name.
    """
    count = workers or len(os.sched_getaffinity(0))
    if name == "local":
        from pipeline.engines.local import LocalEngine

        return lambda store: LocalEngine(store, count)
    if name == "ray":

        def on_ray(store: Store) -> Engine:
            from pipeline.engines.on_ray import RayEngine

            return RayEngine(store, count, address)

        return on_ray
    raise ValueError(f"there is no engine `{name}`. Choose one of {', '.join(ENGINES)}.")


def build(
    recipe: str | Path | Recipe,
    *,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
    workspace: str | Path | None = None,
    settings: Sequence[str] = (),
    observer: Observer | None = None,
) -> Built:
    """Builds a corpus; see ``pipeline.build.build``. ``settings`` are ``key.path=value``."""
    checked = _recipe(recipe, settings, workspace)
    return _build(
        checked,
        CATALOG,
        engine_for(engine, workers, address),
        observer or Silence(),
        version("tamis"),
    )


def plan(
    recipe: str | Path | Recipe,
    *,
    workspace: str | Path | None = None,
    settings: Sequence[str] = (),
) -> list[StagePlan]:
    """What ``build`` would run, stage by stage, and why."""
    return _plan(_recipe(recipe, settings, workspace), CATALOG)


def explain(workspace: str | Path, document: str, limit: int = 1) -> list[Story]:
    """What happened to a document, found by id, locator, URL or a piece of its text."""
    return explain_document(_load_manifest(Path(workspace)), document, limit)


def diff(before: str | Path, after: str | Path) -> Diff:
    """What changed between two manifests or workspaces, and what caused it."""
    return diff_manifests(_load_manifest(Path(before)), _load_manifest(Path(after)))


def report(workspace: str | Path, against: str | Path | None = None) -> str:
    """The report on a corpus as one HTML page; ``against`` another, with what changed since."""
    # the templates' engine is loaded by nobody who does not ask for a page
    from tamis.report_page.page import report_page

    other = None if against is None else _load_manifest(Path(against))
    return report_page(_load_manifest(Path(workspace)), other)


def verify(workspace: str | Path) -> Verification:
    """Checks checksums, row counts and the conservation law of a built workspace."""
    return verify_workspace(_load_manifest(Path(workspace)))


def load_manifest(path: str | Path) -> Manifest:
    """The manifest of a workspace, or in a file."""
    return _load_manifest(Path(path))


def run_stage(
    stage: str,
    files: Sequence[str | Path],
    *,
    recipe: str | Path,
    workspace: str | Path,
    settings: Sequence[str] = (),
    observer: Observer | None = None,
) -> Built:
    """One stage over sample files, with the stages whose annotations it reads before it.

    Settings of the stages come from ``recipe``; ``settings`` without a leading ``stages.`` or
    ``ingest.`` are about ``stage`` itself. Needs no Ray and one process.
    """
    from tamis.sampling import sample_recipe

    checked = sample_recipe(
        stage, [Path(f) for f in files], Path(recipe), Path(workspace), settings
    )
    return build(checked, engine="local", workers=1, observer=observer)


def _recipe(
    recipe: str | Path | Recipe, settings: Sequence[str], workspace: str | Path | None
) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    place = Path(workspace) if workspace is not None else None
    return load_recipe(Path(recipe), CATALOG, settings, place)
