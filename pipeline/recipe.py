"""Recipes: YAML files that say what a corpus is made of, checked before anything runs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.catalog import Catalog, unknown
from pipeline.draft import Draft, Json, Origin, Place, RecipeError, read_draft
from pipeline.source import Ingest, SourceBase
from pipeline.stage import Stage, field_kind
from pipeline.warnings import WarningsConfig

__all__ = [
    "Entry",
    "Recipe",
    "RecipeError",
    "check_entry",
    "check_recipe",
    "load_recipe",
    "recipe_from",
]

_KEYS = ("name", "description", "workspace", "sources", "ingest", "stages", "warnings")
_STAGE_NAME = re.compile(r"\w[\w-]*")
_TAKEN = ("ingest", "manifest")
"""Names that stand for the first and the last step in ledgers, plans and the store."""

_Fault = tuple[Place, str]


@dataclass(frozen=True)
class Entry:
    """A stage in a recipe: the word it has there, its word in the catalog, and the stage."""

    name: str
    type: str
    stage: Stage[Any]


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. ``folder`` is what its relative paths start from."""

    name: str
    description: str
    folder: Path
    workspace: Path
    ingest: Ingest[Any, Any]
    sources: tuple[SourceBase, ...]
    entries: tuple[Entry, ...]
    warnings: WarningsConfig = field(default_factory=WarningsConfig)
    origin: Origin = field(default_factory=Origin)

    def fault(self, place: Place, message: str) -> RecipeError:
        """A fault of this recipe, with file and line: ``recipes/web.yaml:14: sources.web.path:
        message``. Sources and stages go by name: ``("sources", "web", "path")``."""
        return self.origin.fault(place, message)

    def resolved(self) -> dict[str, Json]:
        """The recipe with every default filled in, as JSON. File paths are relative, or bare names:
        nothing in it depends on the machine."""
        return {
            "name": self.name,
            "description": self.description,
            "ingest": portable(self.ingest.config),
            "sources": [portable(source) for source in self.sources],
            "stages": [
                {"name": entry.name, "use": entry.type, "config": portable(entry.stage.config)}
                for entry in self.entries
            ],
            "warnings": portable(self.warnings),
        }


def portable(config: BaseModel) -> dict[str, Json]:
    """A config as JSON, absolute file paths cut down to their last name."""
    content: dict[str, Json] = config.model_dump(mode="json")
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            content[name] = portable(value)
        elif isinstance(value, Mapping):
            content[name] = {
                key: portable(inner) if isinstance(inner, BaseModel) else content[name][key]
                for key, inner in value.items()
            }
        elif field_kind(info) == "file" or (isinstance(config, SourceBase) and name == "path"):
            content[name] = _without_machine(content[name])
    return content


def _without_machine(path: Json) -> Json:
    if isinstance(path, str):
        return PurePosixPath(path).name if PurePosixPath(path).is_absolute() else path
    if isinstance(path, list):
        return [_without_machine(inner) for inner in path]
    return path


def load_recipe(
    path: Path, catalog: Catalog, settings: Sequence[str] = (), workspace: Path | None = None
) -> Recipe:
    """Reads and checks a recipe. ``settings`` are ``key.path=value`` as given to ``--set``.

    Raises RecipeError listing every fault at once, with file, line, key and cure.
    """
    draft = read_draft(path)
    for setting in settings:
        draft = draft.changed(setting)
    return check_recipe(draft, catalog, path.resolve().parent, workspace)


def recipe_from(
    content: dict[str, Json], catalog: Catalog, folder: Path, workspace: Path
) -> Recipe:
    """A checked recipe from a mapping. Its faults name no line."""
    return check_recipe(Draft(content), catalog, folder, workspace)


def check_recipe(draft: Draft, catalog: Catalog, folder: Path, workspace: Path | None) -> Recipe:
    """The typed recipe. Raises RecipeError with all faults of the draft."""
    content, origin = draft.content, draft.origin
    faults: list[_Fault] = []
    for key in content:
        if key not in _KEYS:
            faults.append(((str(key),), unknown("key", str(key), list(_KEYS))))
    ingest_class = catalog.ingest_class()
    ingest_config = _config(ingest_class.Config, content.get("ingest"), ("ingest",), faults)
    sources: list[SourceBase] = []
    declared = content.get("sources")
    if not isinstance(declared, list) or not declared:
        faults.append(
            (("sources",), "a recipe needs a list of sources, each with a name and a path.")
        )
        declared = []
    for index, source in enumerate(declared):
        checked = _config(ingest_class.Source, source, ("sources", index), faults)
        if checked is not None:
            if any(checked.name == other.name for other in sources):
                faults.append(
                    (
                        ("sources", index, "name"),
                        f"two sources are named `{checked.name}`. Rename one.",
                    )
                )
            sources.append(checked)
            origin = origin.named(("sources", index), ("sources", checked.name))
    entries = _entries(content.get("stages"), catalog, faults)
    warnings = _config(WarningsConfig, content.get("warnings"), ("warnings",), faults)
    if faults:
        raise draft.origin.faults(faults)
    assert ingest_config is not None
    assert warnings is not None
    written = content.get("workspace")
    name = str(content.get("name") or "corpus")
    return Recipe(
        name=name,
        description=str(content.get("description") or ""),
        folder=folder,
        workspace=workspace or (folder / str(written) if written else Path("corpus") / name),
        ingest=ingest_class(ingest_config),
        sources=tuple(sorted(sources, key=lambda source: source.name)),
        entries=tuple(entries),
        warnings=warnings,
        origin=origin,
    )


def check_entry(
    draft: Draft, name: str, catalog: Catalog, above: Sequence[Entry] | None = None
) -> Entry:
    """One stage of a draft, checked against those above it where they are given. Raises RecipeError
    with all its faults."""
    faults: list[_Fault] = []
    entry = _entry(name, draft.content["stages"][name], catalog, faults)
    if entry is not None and above is not None:
        faults += _faults_of(entry, above)
    if entry is None or faults:
        raise draft.origin.faults(faults)
    return entry


def _faults_of(entry: Entry, above: Sequence[Entry]) -> list[_Fault]:
    """What a stage finds wrong with its own config, given those above it."""
    stages = {other.name: other.stage for other in above}
    return [(("stages", entry.name, *place), told) for place, told in entry.stage.faults(stages)]


def _entries(declared: Json, catalog: Catalog, faults: list[_Fault]) -> list[Entry]:
    entries: list[Entry] = []
    if not isinstance(declared, dict) or not declared:
        faults.append((("stages",), "a recipe needs a mapping of stages, in the order they run."))
        return entries
    counted: dict[str, str] = {}
    before: set[str] = set()
    for name, value in declared.items():
        entry = _entry(name, value, catalog, faults)
        above = set(before)
        before.add(str(name))  # with its own faults told, it is no fault of those that need it
        if entry is None:
            continue
        place: Place = ("stages", entry.name)
        missing = [f"`{stage}`" for stage in entry.stage.needs_stages() if stage not in above]
        told = _faults_of(entry, entries) if len(entries) == len(above) else []
        if missing and not told:
            faults.append(
                (place, f"needs the stage {', '.join(missing)} before it. Add it above `{name}`.")
            )
        faults += told
        sink = next((other.name for other in entries if not len(other.stage.columns)), None)
        if entry.stage.drops and sink is not None:
            faults.append(
                (
                    place,
                    f"drops documents that `{sink}` has written already. Move it above `{sink}`.",
                )
            )
        reader = next((other.name for other in entries if other.stage.reads_cuts), None)
        if entry.stage.may_cut() and reader is not None:
            faults.append(
                (place, f"cuts texts that `{reader}` has read already. Move it above `{reader}`.")
            )
        for column in (*entry.stage.dimensions, *entry.stage.measures):
            if column in counted:
                faults.append(
                    (
                        place,
                        f"`{counted[column]}` and `{name}` both count by the column `{column}`, and"
                        " a manifest has it once. Remove one of the two stages.",
                    )
                )
            counted.setdefault(column, entry.name)
        entries.append(entry)
    return entries


def _entry(name: Json, value: Json, catalog: Catalog, faults: list[_Fault]) -> Entry | None:
    """One stage, checked by itself; None after adding its faults."""
    place: Place = ("stages", str(name))
    if name is None or not _STAGE_NAME.fullmatch(str(name)):
        faults.append(
            (place, "is no name of a stage: letters, digits, _ and - make one. Rename it.")
        )
        return None
    if str(name) in _TAKEN:
        faults.append((place, "the name is taken: every build has this step. Rename the stage."))
        return None
    if value is not None and not isinstance(value, dict):
        faults.append((place, f"the settings of a stage are a mapping, this is `{value}`."))
        return None
    settings = dict(value or {})
    type_name = str(settings.pop("use", name))
    try:
        stage_class = catalog.stage(type_name)
    except KeyError as error:
        faults.append(((*place, "use") if "use" in (value or {}) else place, str(error.args[0])))
        return None
    config = _config(stage_class.Config, settings, place, faults)
    return None if config is None else Entry(str(name), type_name, stage_class(config))


def _config(model: type[BaseModel], value: Json, place: Place, faults: list[_Fault]) -> Any:
    if value is not None and not isinstance(value, dict):
        faults.append((place, f"this is a mapping of settings, not `{value}`."))
        return None
    try:
        return model.model_validate(value or {})
    except ValidationError as error:
        for fault in error.errors():
            inner = tuple(
                step for step in fault["loc"] if isinstance(step, int) or not step.endswith("]")
            )
            faults.append(((*place, *inner), _explained(fault, model)))
    return None


def _explained(fault: Any, model: type[BaseModel]) -> str:
    kind, message = fault["type"], str(fault["msg"])
    name = str(fault["loc"][-1]) if fault["loc"] else ""
    if kind == "extra_forbidden":
        known = list(model.model_fields) if len(fault["loc"]) == 1 else []
        near = difflib.get_close_matches(name, known, n=1)
        if near:
            return f"there is no such key. Did you mean `{near[0]}`?"
        return "there is no such key." + (f" Known: {', '.join(known)}." if known else "")
    if kind == "missing":
        return "is missing, and has no default. Add it."
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    given = fault.get("input")
    return f"{message}; it is `{given}`." if not isinstance(given, dict | list) else f"{message}."
