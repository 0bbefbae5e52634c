"""`tamis run synthesize`: the makers of a recipe on a handful of seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from manifests.explain import Story, explain_documents, set_aside
from manifests.manifest import Manifest
from manifests.parquet import read_rows
from manifests.parts import documents_path, part_files
from pipeline.draft import Draft, Origin, read_draft
from pipeline.inputs import missing_externals
from pipeline.recipe import Recipe, RecipeError
from pipeline.recipe_check import check_recipe
from stages.catalog import CATALOG
from stages.synthesize.json_lines import given_lines
from tamis.api import build
from tamis.options import SYNTHESIZE
from tamis.progress import observer_for
from tamis.sampling import base_recipe
from tamis.stage_run import SHOWN
from tamis.story import show_story
from tamis.summary import show_build

_PROBLEMS, _TASKS = "problems", "tasks"
_FIELDS = {"question": _PROBLEMS, "task": _TASKS}
"""What the records of a file are, by a field that they have."""
_FROM_FILES = {"math": ("problems", "seeds"), "code": ("tasks", "seeds")}
"""What each maker can start from that a file gives."""
_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".json")


def synthesis_recipe(
    files: Sequence[Path], base: Path, workspace: Path, settings: Sequence[str]
) -> Recipe:
    """The recipe: the makers of ``base``, which start from the files alone, and the stage `kind`.

    A file of JSON lines with ``question`` holds problems, one with ``task`` tasks of code; every
    other file holds documents that are seeds. A maker that finds nothing to start from is left out.
    ``settings`` without a leading ``synthesize.`` or ``ingest.`` are about every maker that is
    left. Raises RecipeError for files that are not there or start nothing, and for faults of the
    settings.
    """
    path, folder = base_recipe(base)
    written = read_draft(path)
    known = written.content.get(SYNTHESIZE)
    if not isinstance(known, dict) or not known:
        raise RecipeError(f"{base}: has no makers. Name a recipe with `synthesize:` by --recipe.")
    sorted_files = _sorted(files)
    makers = {
        name: started
        for name, value in known.items()
        if (started := _started(str(name), value, sorted_files)) is not None
    }
    if not makers:
        raise RecipeError(
            f"no maker of {base} starts from these files. Mathematics starts from JSON lines with"
            " `question` or from documents, code from JSON lines with `task` or from documents."
        )
    content = {
        "name": "sample of synthesis",
        "ingest": written.content.get("ingest"),
        "sources": _sources(sorted_files),
        SYNTHESIZE: makers,
        "stages": {"kind": None},
    }
    kept = {place: n for place, n in written.origin.lines.items() if place[:1] == (SYNTHESIZE,)}
    draft = Draft(content, Origin(written.origin.file, kept))
    for setting in settings:
        whole = setting.startswith((f"{SYNTHESIZE}.", "ingest."))
        for one in [setting] if whole else [f"{SYNTHESIZE}.{name}.{setting}" for name in makers]:
            draft = draft.changed(one)
    recipe = check_recipe(draft, CATALOG, folder, workspace)
    missing = missing_externals(recipe)
    if missing:
        cure = " `tamis sample` gathers the files of recipes/sample.yaml."
        raise recipe.origin.faults((place, message + cure) for place, message in missing)
    return recipe


def _sorted(files: Sequence[Path]) -> dict[str, list[str]]:
    """Absolute paths of files by what they hold: problems, tasks, or documents."""
    found: dict[str, list[str]] = {_PROBLEMS: [], _TASKS: [], "documents": []}
    for file in files:
        if not file.exists():
            raise RecipeError(f"{file}: there is no such file.")
        found[_held(file)].append(str(file.resolve()))
    for what in (_PROBLEMS, _TASKS):
        if len(found[what]) > 1:
            raise RecipeError(f"{', '.join(found[what])}: give one file of {what} at a time.")
    return found


def _held(file: Path) -> str:
    if not file.is_file() or not file.name.endswith(_LINES):
        return "documents"
    first = next((line for _, line in given_lines(file, 1)), "")
    try:
        record = json.loads(first)
    except ValueError:
        return "documents"
    fields = record if isinstance(record, dict) else {}
    return next((what for field, what in _FIELDS.items() if field in fields), "documents")


def _sources(files: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Documents are read as in a build; a file of problems stands as one text beside them."""
    sources: list[dict[str, Any]] = []
    if files["documents"]:
        sources.append({"name": "sample", "path": list(files["documents"])})
    sources += [
        {"name": what, "path": list(files[what]), "format": "text"}
        for what in (_PROBLEMS, _TASKS)
        if files[what] and not all(path.endswith(".gz") for path in files[what])
    ]
    return sources


def _started(name: str, value: Any, files: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """A maker's settings with the files as its only start; None when they start nothing."""
    settings = dict(value or {})
    given, seeds = _FROM_FILES[str(settings.get("use", name.rsplit("/", 1)[-1]))]
    settings.pop("procedural", None)
    before = {key: settings.pop(key, None) or {} for key in (given, seeds)}
    if files[given]:
        settings[given] = {**before[given], "path": files[given][0], "count": None}
    else:
        settings.pop("evolve", None)
    if files["documents"]:
        settings[seeds] = {**before[seeds], "sources": ["sample"]}
        if given == _PROBLEMS:
            kinds = ["prose", "code", "math", "list", "markup"]
            settings[seeds] |= {"kinds": kinds, "min_characters": 1}
    return settings if files[given] or files["documents"] else None


def run_synthesis(console: Console, recipe: Recipe, rows: int | None, as_json: bool) -> None:
    """Builds the recipe, and shows how many samples came how far, and ``rows`` that were kept and
    dropped (``SHOWN`` where nobody says how many)."""
    with closing(observer_for()) as observer:
        built = build(recipe, engine="local", workers=1, observer=observer)
    stories = made_stories(built.manifest, SHOWN if rows is None else rows)
    if as_json:
        told = [asdict(story) for story in stories]
        console.print_json(json.dumps({"synthesis": built.manifest.synthesis, "documents": told}))
        return
    show_build(console, built.manifest, built.steps, built.seconds)
    for story in stories:
        show_story(console, story)


def made_stories(manifest: Manifest, rows: int) -> list[Story]:
    """Some of what was made: half of them documents, half dropped, of every maker in turn."""
    half, stories = -(-rows // 2), []
    for maker in manifest.synthesis:
        ids: list[str] = []
        for _, files in part_files(manifest):
            documents = files.filter(
                (files["role"] == "documents") & (files["stage"] == maker["name"])
            )
            if len(documents) and len(ids) < half:
                table = read_rows(documents_path(manifest, files), range(documents["rows"][0]))
                ids += [identity.hex() for identity in table["id"].to_pylist()]
        stories += explain_documents(manifest, ids[:half])
        dropped = [story for story in set_aside(manifest, "") if story.source == maker["name"]]
        stories += _one_a_reason(dropped)[: rows - half]
    return stories


def _one_a_reason(stories: Sequence[Story]) -> list[Story]:
    """The stories, those of a reason that was not seen yet first."""
    seen: set[str] = set()
    order = []
    for story in stories:
        reason = story.outcome.split(" (")[0]
        order.append(reason in seen)
        seen.add(reason)
    return [story for _, story in sorted(zip(order, stories, strict=True), key=lambda it: it[0])]
