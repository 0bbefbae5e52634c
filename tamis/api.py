"""What `import tamis` offers; the command line is a thin layer over it.

Every verb loads what it needs when it is called: `tamis --help` needs none of it, and a question to
a manifest no stage.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.catalog import CATALOG

if TYPE_CHECKING:
    from manifests.clusters import Cluster
    from manifests.contamination import Contamination
    from manifests.diff import Diff
    from manifests.explain import Story
    from manifests.gate import Met
    from manifests.manifest import Manifest
    from manifests.reasons import DroppedGroup
    from manifests.verify import Verification
    from pipeline.build import Built
    from pipeline.engine import Engine
    from pipeline.observer import Observer
    from pipeline.plan import StagePlan
    from pipeline.recipe import Recipe
    from pipeline.store import Store
    from tamis.suppose import WhatIf

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
    from importlib.metadata import version

    from pipeline.build import build as run
    from pipeline.observer import Silence

    checked = _recipe(recipe, settings, workspace)
    return run(
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
    dry: bool = False,
) -> list[StagePlan]:
    """What ``build`` would run, stage by stage, and why. With ``dry`` the recipe alone is checked,
    and its files need not be on this machine."""
    from pipeline.plan import dry_plan
    from pipeline.plan import plan as whole_plan

    checked = _recipe(recipe, settings, workspace)
    return dry_plan(checked) if dry else whole_plan(checked, CATALOG)


def explain(workspace: str | Path, document: str, limit: int = 1) -> list[Story]:
    """What happened to a document, found by id (its first 8 digits will do), locator, URL or a
    piece of its text; of several that match, the first ``limit``.

    Raises NotFoundError (a LookupError) when none matches.
    """
    from manifests.explain import explain_document

    return explain_document(load_manifest(workspace), document, limit)


def dropped(
    workspace: str | Path, reason: str, sample: int = 10, *, by: str | None = None, seed: int = 0
) -> list[Story]:
    """Some of the documents that were dropped for a reason (``near_duplicate``; ``contaminated``
    for all benchmarks; or a stage, for all its reasons), or had a piece cut out for it. With
    ``by``, a dimension of the manifest such as ``source``, they are taken in turn from all its
    groups; another ``seed`` takes others.

    Raises NotFoundError naming the reasons, or the dimensions, that there are.
    """
    from manifests.explain import explain_documents
    from manifests.reasons import sample_dropped

    manifest = load_manifest(workspace)
    return explain_documents(manifest, sample_dropped(manifest, reason, sample, seed, by))


def dropped_by(workspace: str | Path, reason: str, dimension: str) -> list[DroppedGroup]:
    """How many documents of every group of a dimension came to the stage that has the reason, and
    how many were dropped for it, most of them first. Raises as ``dropped`` does."""
    from manifests.reasons import dropped_groups

    return dropped_groups(load_manifest(workspace), reason, dimension)


def clusters(
    workspace: str | Path, stage: str | None = None, most: int = 10, members: int = 10
) -> dict[str, list[Cluster]]:
    """By deduplication (all, or the ``stage``), its largest clusters, each with so many of its
    dropped ``members`` and the documents that were kept for them.

    Raises NotFoundError when the corpus has no such deduplication.
    """
    from manifests.clusters import deduplications, largest_clusters
    from tamis.reports import chosen_stages

    manifest = load_manifest(workspace)
    names = chosen_stages(manifest, stage, deduplications(manifest), "deduplication")
    return {name: largest_clusters(manifest, name, most, members) for name in names}


def contamination(
    workspace: str | Path, stage: str | None = None, hits: int = 20
) -> dict[str, Contamination]:
    """By decontamination (all, or the ``stage``), what stands of which benchmark in how many
    documents, and the ``hits`` that are the least sure, with both texts.

    Raises NotFoundError when the corpus has no such decontamination.
    """
    from manifests.contamination import decontaminations
    from tamis.contamination_tables import contamination_of
    from tamis.reports import chosen_stages

    manifest = load_manifest(workspace)
    names = chosen_stages(manifest, stage, decontaminations(manifest), "decontamination")
    return {name: contamination_of(manifest, name, hits) for name in names}


def diff(before: str | Path, after: str | Path, *, attribute: bool = True) -> Diff:
    """What changed between two corpora and what caused it. Each side is a workspace, a manifest
    file, or ``REVISION:PATH`` of the git repository around the working directory.

    With ``attribute`` (which takes longest) ``Diff.attribution`` says which part of the change
    comes from which cause. Raises ManifestError when a side is not there or damaged.
    """
    from manifests.diff import diff_manifests
    from tamis.revisions import find_manifest

    sides = (find_manifest(str(before)), find_manifest(str(after)))
    found = diff_manifests(*sides)
    if attribute and found.before != found.after:
        from tamis.attribution import attribution  # loads every stage

        found.attribution = attribution(*sides)
    return found


def gate(changes: Diff, conditions: Sequence[str]) -> list[Met]:
    """Whether conditions on a diff, such as ``share(domain=science) < -1pp``, are met, in their
    order. Raises GateError (a ValueError) saying what can be written, and what there is."""
    from manifests.gate import check

    return check(changes, conditions)


def what_if(workspace: str | Path, settings: Sequence[str]) -> WhatIf:
    """The counts, the mixture and the effective tokens that a build with other ``settings``
    (``stages.quality.min_score=2.5``) would give, from ledgers alone; ``WhatIf.exact`` says
    whether it would give just these, ``WhatIf.doubts`` why not.

    Raises RecipeError for a setting that ledgers cannot answer, naming those that they can.
    """
    from tamis.suppose import what_if as answer

    return answer(load_manifest(workspace), settings)


def show(workspace: str | Path, width: int = 132) -> str:
    """The summary of the last build, as text of so many columns. Raises ManifestError when the
    workspace holds none."""
    from rich.console import Console

    from pipeline.build import last_build
    from tamis.summary import show_build, show_places

    built = last_build(Path(workspace))
    console = Console(width=width, record=True, file=io.StringIO())
    show_build(console, built.manifest, built.steps, built.seconds)
    show_places(console, built.manifest)
    return console.export_text()


def report(workspace: str | Path, against: str | Path | None = None) -> str:
    """The report on a corpus as one HTML page; ``against`` another, with what changed since."""
    from tamis.report_page.page import report_page

    other = None if against is None else load_manifest(against)
    return report_page(load_manifest(workspace), other)


def verify(workspace: str | Path) -> Verification:
    """Checks checksums, row counts and the conservation law of a built workspace."""
    from manifests.verify import verify_workspace

    return verify_workspace(load_manifest(workspace))


def load_manifest(path: str | Path) -> Manifest:
    """The manifest of a workspace, or in a file."""
    from manifests.manifest import load_manifest as load

    return load(Path(path))


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
    from pipeline.recipe import Recipe
    from pipeline.recipe_check import load_recipe

    if isinstance(recipe, Recipe):
        return recipe
    place = Path(workspace) if workspace is not None else None
    return load_recipe(Path(recipe), CATALOG, settings, place)
