"""A small recipe for one stage over a few files: what `tamis run` builds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.catalog import unknown
from pipeline.recipe import Recipe, RecipeError, load_recipe, recipe_from
from stages.catalog import CATALOG


def sample_recipe(
    stage: str, files: Sequence[Path], base: Path, workspace: Path, settings: Sequence[str]
) -> Recipe:
    """The recipe: the files as one source, the stage, and the stages whose annotations it reads.

    Settings come from the recipe ``base``. Raises RecipeError for a stage that does not exist and
    for files that are not there.
    """
    if stage not in CATALOG.stages:
        raise RecipeError(unknown("stage", stage, list(CATALOG.stages)))
    for file in files:
        if not file.exists():
            raise RecipeError(f"{file}: there is no such file.")
    declared = yaml.safe_load(base.read_text(encoding="utf-8")) if base.exists() else {}
    known: dict[str, Any] = declared.get("stages") or {}
    configs = {name: dict(known.get(name) or {}) for name in _needed(stage)}
    content: dict[str, Any] = {
        "name": f"sample of {stage}",
        "sources": [{"name": "sample", "path": [str(file.resolve()) for file in files]}],
        "ingest": declared.get("ingest"),
        "stages": configs,
    }
    if len(files) == 1:
        content["sources"][0]["path"] = str(files[0].resolve())
    full = [s if s.startswith(("stages.", "ingest.")) else f"stages.{stage}.{s}" for s in settings]
    if full:
        scratch = workspace / "recipe.yaml"
        workspace.mkdir(parents=True, exist_ok=True)
        scratch.write_text(yaml.safe_dump(content, sort_keys=False))
        checked = load_recipe(scratch, CATALOG, full, workspace)
        return Recipe(**{**vars(checked), "folder": base.resolve().parent})
    return recipe_from(content, CATALOG, base.resolve().parent, workspace)


def _needed(stage: str) -> list[str]:
    """The stage after those it reads from, each once, in the order of the catalog."""
    wanted: set[str] = set()
    pending = [stage]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += [column.split(".", 1)[0] for column in CATALOG.stage(name).reads]
    return [name for name in CATALOG.stages if name in wanted]
