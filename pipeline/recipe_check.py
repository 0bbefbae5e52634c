"""From a recipe as written to one that can be built: every fault is told before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.catalog import Catalog, unknown
from pipeline.draft import Draft, Origin, Place, read_draft
from pipeline.faults import Fault, checked_config
from pipeline.recipe import Entry, Maker, Recipe
from pipeline.source import SourceBase, plain_source_name
from pipeline.task import Json
from pipeline.warnings import WarningsConfig

_KEYS = (
    "name",
    "description",
    "workspace",
    "sources",
    "ingest",
    "synthesize",
    "stages",
    "warnings",
)
_STAGE_NAME = re.compile(r"\w[\w-]*")
_TAKEN = ("ingest", "manifest")
"""Names that stand for the first and the last step in ledgers, plans and the store."""
_WHAT = {"stages": "stage", "synthesize": "maker"}


def load_recipe(
    path: Path, catalog: Catalog, settings: Sequence[str] = (), workspace: Path | None = None
) -> Recipe:
    """Reads and checks a recipe. ``settings`` are ``key.path=value`` as given to ``--set``.

    Raises RecipeError listing every fault at once, with file, line, key and cure.
    """
    draft = read_draft(path)
    for setting in settings:
        draft = draft.changed(setting)
    return _with_known_sources(check_recipe(draft, catalog, path.resolve().parent, workspace))


def recipe_from(
    content: dict[str, Json], catalog: Catalog, folder: Path, workspace: Path
) -> Recipe:
    """A checked recipe from a mapping. Its faults name no line."""
    return _with_known_sources(check_recipe(Draft(content), catalog, folder, workspace))


def _with_known_sources(recipe: Recipe) -> Recipe:
    """The recipe itself. Raises RecipeError for every source that a stage names and the recipe does
    not have."""
    known = sorted([s.name for s in recipe.sources] + [m.name for m in recipe.makers])
    faults: list[Fault] = [
        (("stages", entry.name, *place), unknown("source", name, known))
        for entry in recipe.entries
        for place, name in entry.stage.named_sources()
        if name not in known
    ]
    if faults:
        raise recipe.origin.faults(faults)
    return recipe


def check_recipe(draft: Draft, catalog: Catalog, folder: Path, workspace: Path | None) -> Recipe:
    """The typed recipe. Raises RecipeError with all faults of the draft. Stages may name sources
    that it does not have: a draft with other sources than its recipe keeps the recipe's stages."""
    content, origin = draft.content, draft.origin
    faults: list[Fault] = []
    for key in content:
        if key not in _KEYS:
            faults.append(((str(key),), unknown("key", str(key), list(_KEYS))))
    ingest_class = catalog.ingest_class()
    ingest_config = checked_config(ingest_class.Config, content.get("ingest"), ("ingest",), faults)
    sources, origin = _sources(content, ingest_class.Source, origin, faults)
    entries = _entries(content.get("stages"), catalog, faults)
    taken = [*(source.name for source in sources), *(entry.name for entry in entries)]
    makers = _makers(content.get("synthesize"), taken, catalog, faults)
    warnings = checked_config(WarningsConfig, content.get("warnings"), ("warnings",), faults)
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
        makers=tuple(sorted(makers, key=lambda maker: maker.name)),
        warnings=warnings,
        origin=origin,
    )


def _sources(
    content: Mapping[str, Json], model: type[SourceBase], origin: Origin, faults: list[Fault]
) -> tuple[list[SourceBase], Origin]:
    """The sources that are read, and an origin that knows them by name too."""
    sources: list[SourceBase] = []
    declared = content.get("sources")
    if declared is None and content.get("synthesize"):
        return sources, origin
    if not isinstance(declared, list) or not declared:
        faults.append(
            (("sources",), "a recipe needs a list of sources, each with a name and a path.")
        )
        return sources, origin
    for index, source in enumerate(declared):
        place: Place = ("sources", index)
        checked = checked_config(model, source, place, faults)
        if checked is None:
            continue
        if any(checked.name == other.name for other in sources):
            message = f"two sources are named `{checked.name}`. Rename one."
            faults.append(((*place, "name"), message))
        sources.append(checked)
        origin = origin.named(place, ("sources", checked.name))
    return sources, origin


def _makers(
    declared: Json, taken: Sequence[str], catalog: Catalog, faults: list[Fault]
) -> list[Maker]:
    """The sources that are made; ``taken`` are names of sources that are read, and of stages."""
    if declared is not None and not isinstance(declared, dict):
        message = "this is a mapping from names of sources, such as synthetic/math, to settings."
        faults.append((("synthesize",), message))
    if not isinstance(declared, dict):
        return []
    makers = []
    for written, value in declared.items():
        name, place = str(written), ("synthesize", str(written))
        try:
            plain_source_name(name)
        except ValueError as error:
            faults.append((place, f"{error}. Rename it."))
            continue
        if name in (*taken, *_TAKEN):
            faults.append((place, f"a source or stage is named `{name}` already. Rename one."))
        used = _used(place, name.rsplit("/", 1)[-1], value, catalog.maker, faults)
        if used is not None:
            makers.append(Maker(name, *used))
    return makers


def check_entry(
    draft: Draft, name: str, catalog: Catalog, above: Sequence[Entry] | None = None
) -> Entry:
    """One stage of a draft, checked against those above it where they are given. Raises RecipeError
    with all its faults."""
    faults: list[Fault] = []
    entry = _entry(name, draft.content["stages"][name], catalog, faults)
    if entry is not None and above is not None:
        faults += _faults_of(entry, above)
    if entry is None or faults:
        raise draft.origin.faults(faults)
    return entry


def _faults_of(entry: Entry, above: Sequence[Entry]) -> list[Fault]:
    """What a stage finds wrong with its own config, given those above it."""
    stages = {other.name: other.stage for other in above}
    return [(("stages", entry.name, *place), told) for place, told in entry.stage.faults(stages)]


def _entries(declared: Json, catalog: Catalog, faults: list[Fault]) -> list[Entry]:
    entries: list[Entry] = []
    if not isinstance(declared, dict) or not declared:
        faults.append((("stages",), "a recipe needs a mapping of stages, in the order they run."))
        return entries
    before: set[str] = set()
    for name, value in declared.items():
        entry = _entry(name, value, catalog, faults)
        above = set(before)
        before.add(str(name))  # with its own faults told, it is no fault of those that need it
        if entry is None:
            continue
        told = _faults_of(entry, entries) if len(entries) == len(above) else []
        missing = [f"`{stage}`" for stage in entry.stage.needs_stages() if stage not in above]
        if missing and not told:
            needed = f"needs the stage {', '.join(missing)} before it. Add it above `{name}`."
            told = [(("stages", entry.name), needed)]
        faults += [*told, *_faults_of_order(entry, entries), *_counted_twice(entry, entries)]
        entries.append(entry)
    return entries


def _faults_of_order(entry: Entry, above: Sequence[Entry]) -> list[Fault]:
    """What a stage does to documents that stages above it have read or written already."""
    place: Place = ("stages", entry.name)
    faults: list[Fault] = []
    sink = next((other.name for other in above if not len(other.stage.columns)), None)
    if entry.stage.drops and sink is not None:
        message = f"drops documents that `{sink}` has written already. Move it above `{sink}`."
        faults.append((place, message))
    reader = next((other.name for other in above if other.stage.reads_cuts), None)
    if entry.stage.may_cut() and reader is not None:
        message = f"cuts texts that `{reader}` has read already. Move it above `{reader}`."
        faults.append((place, message))
    return faults


def _counted_twice(entry: Entry, above: Sequence[Entry]) -> list[Fault]:
    """The columns that it counts by, and a stage above it too."""
    faults: list[Fault] = []
    for column in _counted(entry):
        other = next((other for other in above if column in _counted(other)), None)
        if other is not None:
            message = (
                f"`{other.name}` and `{entry.name}` both count by the column `{column}`, and a"
                " manifest has it once. Remove one of the two stages."
            )
            faults.append((("stages", entry.name), message))
    return faults


def _counted(entry: Entry) -> tuple[str, ...]:
    return (*entry.stage.dimensions, *entry.stage.measures)


def _entry(name: Json, value: Json, catalog: Catalog, faults: list[Fault]) -> Entry | None:
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
    used = _used(place, str(name), value, catalog.stage, faults)
    return None if used is None else Entry(str(name), *used)


def _used(
    place: Place, default: str, value: Json, find: Callable[[str], Any], faults: list[Fault]
) -> tuple[str, Any] | None:
    """What `use` names (by ``default``, in the catalog) with its settings; None after adding its
    faults."""
    if value is not None and not isinstance(value, dict):
        faults.append(
            (place, f"the settings of a {_WHAT[str(place[0])]} are a mapping, not `{value}`.")
        )
        return None
    settings = dict(value or {})
    type_name = str(settings.pop("use", default))
    try:
        found = find(type_name)
    except KeyError as error:
        faults.append(((*place, "use") if "use" in (value or {}) else place, str(error.args[0])))
        return None
    config = checked_config(found.Config, settings, place, faults)
    return None if config is None else (type_name, found(config))
