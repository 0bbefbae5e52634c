"""The corpora between two: built ones that are still in the history, and ones that ledgers give.

Thresholds and mixtures are changed one after the other in the ledgers of the corpus before, as
long as no document comes alive that later stages never saw; those that are left are undone in the
ledgers of the corpus after. What stands between the two ends, inputs and all that is
measured, is one step, unless the workspaces' history holds a corpus with some of its causes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import polars as pl
from pydantic import ValidationError

from manifests.attribution import Attribution, Step, attribute
from manifests.causes import Cause, find_causes
from manifests.manifest import HISTORY, Manifest, ManifestError, load_manifest
from manifests.schema import Json
from pipeline.recipe import Entry, RecipeError
from stages.catalog import CATALOG
from tamis.derive import derive
from tamis.recount import recount
from tamis.suppose import check_decided, stage_entries

Group = tuple[Cause, ...]
Walked = list[tuple[Step, pl.DataFrame]]
"""Steps, each with the corpus at its end."""

_TOGETHER = "what causes do only together stands here too"
_LOOSE = "with what the ledgers cannot tell of the derived steps"


def attribution(before: Manifest, after: Manifest) -> Attribution:
    """Which part of the change comes from which cause; the parts add up to the whole. Without
    ledgers and history all is one step."""
    causes = find_causes(before.content, after.content)
    if not causes:
        return Attribution()
    groups = _groups(causes, before)
    ahead, groups = _walk(before, after, groups)
    behind, groups = _walk(after, before, groups)
    left = {cause.what for group in groups for cause in group}
    built = _built(before, after, causes, [step for step, _ in ahead], left)
    cubes, steps = [before.cube], []
    for step, cube in [*ahead, *built]:
        steps.append(step)
        cubes.append(cube)
    reached = {what for step in steps for what in step.causes}
    rest = tuple(cause.what for cause in causes if cause.what in left - reached)
    loose = not all(step.exact for step, _ in [*ahead, *behind])
    if rest or loose:
        note = "; ".join([_TOGETHER] * bool(steps or behind) + [_LOOSE] * loose)
        steps.append(Step(rest, "rest", not loose, note))
        cubes.append(behind[-1][1] if behind else after.cube)
    elif steps:
        # the ends meet: one corpus, known from both sides
        cubes[-1] = behind[-1][1] if behind else after.cube
    ends = [after.cube, *(cube for _, cube in behind)]
    for number in range(len(behind) - 1, -1, -1):
        steps.append(behind[number][0])
        cubes.append(ends[number])
    return attribute([cube.drop("bytes", strict=False) for cube in cubes], steps)


def _groups(causes: Sequence[Cause], manifest: Manifest) -> list[Group]:
    """What is changed at a time: one setting, or all of a balance."""
    balances = {s["name"] for s in manifest.content["stages"] if s["use"] == "balance"}
    groups: dict[tuple[str, ...], list[Cause]] = {}
    for cause in causes:
        is_balance = cause.path[0] == "stages" and cause.path[1] in balances
        groups.setdefault(cause.path[:2] if is_balance else cause.path, []).append(cause)
    return [tuple(group) for group in groups.values()]


def _walk(start: Manifest, goal: Manifest, groups: Sequence[Group]) -> tuple[Walked, list[Group]]:
    """Changes settings of ``start`` to those of ``goal`` in its ledgers, one group after the other;
    returns the steps, and the groups that could not be."""
    walked: Walked = []
    left: list[Group] = []
    try:
        entries = stage_entries(start)
    except (ValidationError, KeyError):
        return [], list(groups)
    now = entries
    for group in groups:
        try:
            changed = _changed(now, start, goal, group)
            derived = derive(start, entries, changed)
        except (RecipeError, ValidationError, FileNotFoundError, KeyError):
            left.append(group)
            continue
        if derived.unseen:
            left.append(group)
            continue
        now = changed
        exact = derived.documents_exact and derived.tokens_exact
        step = Step(
            tuple(cause.what for cause in group), "derived", exact, "; ".join(derived.doubts)
        )
        walked.append((step, recount(derived)))
    return walked, left


def _changed(
    entries: Sequence[Entry], start: Manifest, goal: Manifest, group: Group
) -> list[Entry]:
    """The stages with the settings of a group as ``goal`` has them. Raises RecipeError or KeyError
    when these are no thresholds, and ValidationError when they do not go alone."""
    name = group[0].path[1]
    if any(cause.path[0] != "stages" or len(cause.path) < 3 for cause in group):
        raise KeyError(group[0].what)
    wanted = _configs(goal)[name]
    found = []
    for entry in entries:
        if entry.name == name:
            config = entry.stage.config.model_dump(mode="json")
            for cause in group:
                _set(config, wanted, cause.path[2:])
            kind = CATALOG.stage(entry.type)
            changed = Entry(entry.name, entry.type, kind(kind.Config.model_validate(config)))
            check_decided(entry, changed, entries)
            entry = changed
        found.append(entry)
    return found


def _configs(manifest: Manifest) -> dict[str, dict[str, Json]]:
    return {stage["name"]: stage["config"] for stage in manifest.content["recipe"]["stages"]}


def _set(config: Json, wanted: Json, path: Sequence[str]) -> None:
    for step in path[:-1]:
        config, wanted = config[step], wanted[step]
    if path[-1] in wanted:
        config[path[-1]] = copy.deepcopy(wanted[path[-1]])
    else:
        del config[path[-1]]


def _built(
    before: Manifest,
    after: Manifest,
    causes: Sequence[Cause],
    ahead: Sequence[Step],
    left: set[str],
) -> Walked:
    """Corpora of the workspaces' history in which the causes of the steps so far hold already, and
    some of those that are left, the fewest first."""
    whole = {(cause.what, str(cause.before), str(cause.after)) for cause in causes}
    gone = {what for step in ahead for what in step.causes}
    found: dict[str, tuple[set[str], Manifest]] = {}
    for workspace in dict.fromkeys([before.workspace, after.workspace]):
        for path in sorted((workspace / HISTORY).glob("*.json")):
            try:
                manifest = load_manifest(path)
                first = find_causes(before.content, manifest.content)
                then = find_causes(manifest.content, after.content)
            except (ManifestError, KeyError):
                continue  # of another format: it says nothing here
            both = [(cause.what, str(cause.before), str(cause.after)) for cause in [*first, *then]]
            names = {cause.what for cause in first}
            apart = len(set(both)) == len(both) and set(both) == whole
            if apart and names >= gone and gone < names < gone | left:
                found[manifest.fingerprint] = (names, manifest)
    walked: Walked = []
    for _, (names, manifest) in sorted(found.items(), key=lambda item: (len(item[1][0]), item[0])):
        if names > gone:
            told = tuple(cause.what for cause in causes if cause.what in names - gone)
            walked.append((Step(told, "built", True), manifest.cube))
            gone = names
    return walked
