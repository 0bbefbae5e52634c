"""A small recipe for one stage over a few files: what `tamis run` builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.catalog import unknown
from pipeline.draft import Draft, Origin, read_draft
from pipeline.inputs import missing_externals
from pipeline.recipe import Recipe, RecipeError
from pipeline.recipe_check import check_entry, check_recipe
from stages.catalog import CATALOG
from tamis.options import SAMPLE_RECIPE

_PACKAGED = Path(__file__).resolve().parents[1] / SAMPLE_RECIPE


def sample_recipe(
    stage: str, files: Sequence[Path], base: Path, workspace: Path, settings: Sequence[str]
) -> Recipe:
    """The recipe: the files, the stage, and before it the stages that it would read in a build.

    Those are the stages that it needs, and those of the recipe ``base`` whose annotations it uses
    where a recipe has them; each with what it needs in turn. They stand in the order of ``base``
    and take their settings from there. ``settings`` are as given to ``--set``; those without a
    leading ``stages.``, ``sources.``, ``ingest.`` or ``warnings.`` are about ``stage`` itself.
    Files of one folder are one source: ``sample``, then ``sample-2``. Raises RecipeError for a
    stage that does not exist, for files that are not there, and for every fault of the settings.
    """
    path, folder = base_recipe(base)
    written = read_draft(path)
    declared = written.content.get("stages")
    if declared is not None and not isinstance(declared, dict):
        raise written.origin.fault(("stages",), f"these are settings by stage, not `{declared}`.")
    known = {str(name): value for name, value in (declared or {}).items()}
    if stage not in known and stage not in CATALOG.stages:
        raise RecipeError(unknown("stage", stage, [*{**CATALOG.stages, **known}]))
    lines = {place: line for place, line in written.origin.lines.items() if _kept(place)}
    content = {
        **written.content,
        "name": f"sample of {stage}",
        "sources": _sources(files),
        "synthesize": None,
        "stages": {**known, stage: known.get(stage)},
    }
    draft = Draft(content, Origin(written.origin.file, lines))
    for setting in settings:
        of_stage = not setting.startswith(("stages.", "ingest.", "warnings.", "sources."))
        draft = draft.changed(f"stages.{stage}.{setting}" if of_stage else setting)
    wanted = _wanted(stage, draft, known)
    for place in sorted(draft.origin.set_places):
        if place[0] == "stages" and place[1] not in wanted:
            read = [f"`{name}`" for name in wanted if name != stage]
            raise draft.origin.fault(
                place, f"`{stage}` is run with {', '.join(read) or 'no other stage'}. Leave it out."
            )
    content["stages"] = {name: content["stages"].get(name) for name in wanted}
    recipe = check_recipe(draft, CATALOG, folder, workspace)
    _check_files(recipe, base)
    return recipe


def _check_files(recipe: Recipe, base: Path) -> None:
    """Raises RecipeError for files that settings name and that are not there."""
    missing = missing_externals(recipe)
    if missing:
        cure = (
            " `tamis sample` gathers the files of this recipe, or name a recipe of your own with"
            " --recipe."
        )
        raise recipe.origin.faults(
            (
                place,
                message + cure
                if base == SAMPLE_RECIPE and not recipe.origin.was_set(place)
                else message,
            )
            for place, message in missing
        )


def _kept(place: tuple[str, ...]) -> bool:
    """Whether a place of the base recipe means the same in the sample's."""
    return bool(place) and place[0] not in ("name", "sources", "synthesize")


def base_recipe(base: Path) -> tuple[Path, Path]:
    """Where a recipe lies that settings come from, and the folder that its paths start from. The
    sample's recipe comes with the package."""
    packaged = base == SAMPLE_RECIPE and not base.exists()
    folder = (Path.cwd() / base if packaged else base.resolve()).parent
    return (_PACKAGED if packaged else base), folder


def _sources(files: Sequence[Path]) -> list[dict[str, Any]]:
    """A source for the files of every folder, and for every folder given, in the order given."""
    groups: dict[Path, list[str]] = {}
    for file in files:
        if not file.exists():
            raise RecipeError(f"{file}: there is no such file.")
        place = file.resolve()
        if place.is_dir():
            if not any(inner.is_file() for inner in place.rglob("*")):
                raise RecipeError(f"{file}: there is no file in this folder.")
        elif not place.is_file():
            raise RecipeError(f"{file}: is neither a file nor a folder.")
        paths = groups.setdefault(place if place.is_dir() else place.parent, [])
        if str(place) not in paths:
            paths.append(str(place))
    return [
        {"name": f"sample-{number}" if number > 1 else "sample", "path": paths}
        for number, paths in enumerate(groups.values(), 1)
    ]


def _wanted(stage: str, draft: Draft, known: Mapping[str, Any]) -> list[str]:
    """The stage, last, after those that it reads from, as a build with the base recipe would have
    them; ``known`` are the base recipe's stages."""
    order = list(known)
    types: dict[str, str] = {}
    pending = [stage]
    while pending:
        name = pending.pop()
        if name in types:
            continue
        draft.content["stages"].setdefault(name, None)
        entry = check_entry(draft, name, CATALOG)
        types[name] = entry.type
        above = order[: order.index(name)] if name in order else order
        read = [column.split(".", 1)[0] for column in entry.stage.may_read]
        pending += [*entry.stage.needs_stages(), *(other for other in read if other in above)]
    if all(name in known for name in types):
        return [name for name in order if name in types]
    catalog = list(CATALOG.stages)
    # the stage last: what it reads where it is there may stand after it in the catalog
    return sorted(types, key=lambda name: (name == stage, catalog.index(types[name]), name))
