"""Recipes: YAML files that say what a corpus is made of, checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.catalog import Catalog, unknown
from pipeline.source import Ingest, SourceBase
from pipeline.stage import Stage, field_kind

Json = Any
Place = tuple[str | int, ...]

_KEYS = ("name", "description", "workspace", "sources", "ingest", "stages")


class RecipeError(ValueError):
    """A recipe that cannot be built: all faults, each as ``file:line: key: problem and cure``."""


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


@dataclass
class _Faults:
    """Collects faults with the line of the recipe that each is about."""

    file: str
    lines: Mapping[Place, int]
    set_places: set[Place]
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        near = place
        while near not in self.lines and near:
            near = near[:-1]
        line = self.lines.get(near, 1)
        where = "--set" if place in self.set_places else f"{self.file}:{line}"
        key = ".".join(str(step) for step in place)
        self.found.append((line, f"{where}: {key}: {message}" if key else f"{where}: {message}"))

    def raise_if_any(self) -> None:
        if self.found:
            raise RecipeError("\n".join(text for _, text in sorted(self.found, key=lambda f: f[0])))


def load_recipe(
    path: Path, catalog: Catalog, settings: Sequence[str] = (), workspace: Path | None = None
) -> Recipe:
    """Reads and checks a recipe. ``settings`` are ``key.path=value`` as given to ``--set``.

    Raises RecipeError listing every fault at once, with file, line, key and cure.
    """
    shown = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{shown}: there is no such recipe.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{shown}: cannot be read: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Place, int] = {}
        faults = _Faults(shown, lines, set())
        if node is not None:
            _index(node, (), lines, faults)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(f"{shown}:{line}: not YAML: {problem}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{shown}:1: a recipe is a mapping with the keys {', '.join(_KEYS)}.")
    faults.raise_if_any()
    for setting in settings:
        faults.set_places.add(_apply(content, setting))
    return check_recipe(content, catalog, path.resolve().parent, workspace, faults)


def recipe_from(
    content: dict[str, Json], catalog: Catalog, folder: Path, workspace: Path
) -> Recipe:
    """A checked recipe from a mapping (for samples on the command line and for tests)."""
    return check_recipe(content, catalog, folder, workspace, _Faults("recipe", {}, set()))


def check_recipe(
    content: Mapping[str, Json],
    catalog: Catalog,
    folder: Path,
    workspace: Path | None,
    faults: _Faults,
) -> Recipe:
    """Builds the typed recipe, or raises RecipeError with all faults."""
    for key in content:
        if key not in _KEYS:
            faults.add((key,), unknown("key", str(key), list(_KEYS)))
    ingest_class = catalog.ingest_class()
    ingest_config = _config(ingest_class.Config, content.get("ingest"), ("ingest",), faults)
    sources: list[SourceBase] = []
    declared = content.get("sources")
    if not isinstance(declared, list) or not declared:
        faults.add(("sources",), "a recipe needs a list of sources, each with a name and a path.")
        declared = []
    for index, source in enumerate(declared):
        checked = _config(ingest_class.Source, source, ("sources", index), faults)
        if checked is not None:
            if any(checked.name == other.name for other in sources):
                faults.add(
                    ("sources", index, "name"),
                    f"two sources are named `{checked.name}`. Rename one.",
                )
            sources.append(checked)
    entries = _entries(content.get("stages"), catalog, faults)
    faults.raise_if_any()
    assert ingest_config is not None
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
    )


def _entries(declared: Json, catalog: Catalog, faults: _Faults) -> list[Entry]:
    entries: list[Entry] = []
    if not isinstance(declared, dict) or not declared:
        faults.add(("stages",), "a recipe needs a mapping of stages, in the order they run.")
        return entries
    before: set[str] = set()
    for name, value in declared.items():
        place: Place = ("stages", name)
        if value is not None and not isinstance(value, dict):
            faults.add(place, f"the settings of a stage are a mapping, this is `{value}`.")
            continue
        settings = dict(value or {})
        type_name = str(settings.pop("use", name))
        try:
            stage_class = catalog.stage(type_name)
        except KeyError as error:
            faults.add(place, str(error.args[0]))
            continue
        config = _config(stage_class.Config, settings, place, faults)
        if config is None:
            continue
        stage = stage_class(config)
        missing = [f"`{needed}`" for needed in stage.needs_stages() if needed not in before]
        if missing:
            faults.add(
                place, f"needs the stage {', '.join(missing)} before it. Add it above `{name}`."
            )
        before.add(str(name))
        entries.append(Entry(str(name), type_name, stage))
    return entries


def _config(model: type[BaseModel], value: Json, place: Place, faults: _Faults) -> Any:
    if value is not None and not isinstance(value, dict):
        faults.add(place, f"this is a mapping of settings, not `{value}`.")
        return None
    try:
        return model.model_validate(value or {})
    except ValidationError as error:
        for fault in error.errors():
            inner = tuple(
                step for step in fault["loc"] if isinstance(step, int) or not step.endswith("]")
            )
            faults.add((*place, *inner), _explained(fault, model, place))
    return None


def _explained(fault: Any, model: type[BaseModel], place: Place) -> str:
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


def _index(node: yaml.Node, place: Place, lines: dict[Place, int], faults: _Faults) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*place, str(key.value))
            first = lines.get(step)
            lines[step] = key.start_mark.line + 1
            if first is not None:
                faults.add(step, f"stands twice (first in line {first}). Remove one.")
            _index(value, step, lines, faults)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*place, index), lines, faults)


def _apply(content: dict[str, Json], setting: str) -> Place:
    key, equals, text = setting.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise RecipeError(f"--set {setting}: write it as key.path=value, e.g. stages.quality.x=1.")
    here: Any = content
    place: list[str | int] = []
    for step in steps[:-1]:
        if isinstance(here, list):
            index = _position(here, step, setting)
            place.append(index)
            here = here[index]
            continue
        if here.get(step) is None:
            here[step] = {}
        here = here[step]
        place.append(step)
        if not isinstance(here, dict | list):
            raise RecipeError(f"--set {setting}: `{step}` holds a value, not settings.")
    value = yaml.safe_load(text)
    if isinstance(here, list):
        index = _position(here, steps[-1], setting)
        here[index] = value
        return (*place, index)
    here[steps[-1]] = value
    return (*place, steps[-1])


def _position(items: list[Json], step: str, setting: str) -> int:
    """A list's element by number, or by its ``name``."""
    for index, item in enumerate(items):
        if step == str(index) or (isinstance(item, dict) and item.get("name") == step):
            return index
    raise RecipeError(f"--set {setting}: there is no `{step}` in the list.")


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
