"""What if: the counts and the mixture that other settings would give, from ledgers alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pydantic import BaseModel

from manifests.effects import (
    GroupEffect,
    ReasonEffect,
    dimensions_of,
    group_effects,
    reason_effects,
    tokens_column,
)
from manifests.manifest import Manifest
from pipeline.draft import Draft, Origin
from pipeline.recipe import Entry, RecipeError, check_entry
from pipeline.stage import Stage, field_kind, split_config
from stages.balance.stage import Balance
from stages.catalog import CATALOG
from tamis.derive import UNSEEN, Derived, StageCount, derive
from tamis.recount import recount

Json = Any


@dataclass(frozen=True)
class Changed:
    """A setting, as it is in the corpus and as it is asked for."""

    setting: str
    before: Json
    after: Json


@dataclass(frozen=True)
class Bound:
    """Documents that are kept: as the ledgers say, and at least and at most after a build."""

    known: int
    at_least: int
    at_most: int


@dataclass
class WhatIf:
    """The corpus under other settings.

    ``exact``: a build keeps these very documents; ``tokens_exact``: and counts these very tokens.
    Where they are not, ``doubts`` says why. ``sources`` bounds what is kept of every source.
    ``unseen`` are documents that would come alive and that later stages never saw, by the stage and
    reason that dropped them (``stage: reason``): they are in ``at_most`` alone.
    """

    fingerprint: str
    changes: list[Changed]
    exact: bool
    tokens_exact: bool
    doubts: list[str]
    documents_before: int
    documents: Bound
    tokens_before: int
    tokens: int
    effective_tokens_before: int
    effective_tokens: int
    stages: list[StageCount]
    stages_before: list[StageCount]
    sources: dict[str, Bound]
    groups: list[GroupEffect]
    reasons: list[ReasonEffect]
    unseen: dict[str, int] = field(default_factory=dict)


def what_if(manifest: Manifest, settings: Sequence[str]) -> WhatIf:
    """The counts, the mixture and the effective tokens that a build with ``settings``
    (``stages.<stage>.<key>=value``) would give.

    Raises RecipeError for a setting that ledgers cannot answer, naming those that they can, and
    FileNotFoundError when ledgers are no longer in the workspace.
    """
    before = stage_entries(manifest)
    after = changed_entries(before, settings)
    return answer(derive(manifest, before, after), before)


def stage_entries(manifest: Manifest) -> list[Entry]:
    """The stages that a corpus was built with, from its manifest."""
    return [
        Entry(
            stage["name"],
            stage["use"],
            (kind := CATALOG.stage(stage["use"]))(kind.Config.model_validate(stage["config"])),
        )
        for stage in manifest.content["recipe"]["stages"]
    ]


def changed_entries(before: Sequence[Entry], settings: Sequence[str]) -> list[Entry]:
    """The stages with the settings changed. Raises RecipeError: see ``what_if``."""
    draft = Draft({"stages": {e.name: _written(e.stage, e.type) for e in before}}, Origin())
    for setting in settings:
        _check_place(setting, before)
        draft = draft.changed(setting)
    after = []
    for entry in before:
        touched = any(step[1] == entry.name for step in draft.origin.set_places)
        changed = check_entry(draft, entry.name, CATALOG) if touched else entry
        check_decided(entry, changed, before)
        after.append(changed)
    return after


def _written(stage: Stage[Any], use: str) -> dict[str, Json]:
    """The config of a stage as a recipe would have it: defaults left out, so that one setting does
    not meet the defaults of those that it replaces."""
    whole = stage.config.model_dump(mode="json")
    fields = type(stage.config).model_fields
    default = {name: info.get_default(call_default_factory=True) for name, info in fields.items()}
    kept = {
        name: copy.deepcopy(value)
        for name, value in whole.items()
        if fields[name].is_required() or getattr(stage.config, name) != default[name]
    }
    return {"use": use, **kept}


def _check_place(setting: str, entries: Sequence[Entry]) -> None:
    steps = setting.partition("=")[0].strip().split(".")
    names = [entry.name for entry in entries]
    if len(steps) < 3 or steps[0] != "stages" or steps[1] not in names:
        raise RecipeError(
            f"--set {setting}: what-if changes settings of stages, stages.<stage>.<key>=value;"
            f" other keys need a build. {_possible(entries)}"
        )


def check_decided(before: Entry, after: Entry, entries: Sequence[Entry]) -> None:
    """Refuses changes of what a stage measures."""
    if isinstance(before.stage, Balance):
        return
    decided = set(_thresholds(before.stage.config))
    old, new = (entry.stage.config.model_dump(mode="json") for entry in (before, after))
    place = next(
        (
            path
            for path in _differing(old, new)
            if not any(path[: len(place)] == place for place in decided)
        ),
        None,
    )
    measured = before.stage.measured_config() != after.stage.measured_config()
    if place is None and not measured:
        return
    told = ".".join(("stages", before.name, *(place or ())))
    raise RecipeError(
        f"{told}: is no threshold: it changes what the stage measures, and only a build can say"
        f" what comes of it (`tamis build RECIPE --set …` computes nothing twice)."
        f" {_possible(entries)}"
    )


def _possible(entries: Sequence[Entry]) -> str:
    """What can be asked of this corpus."""
    found = []
    for entry in entries:
        if isinstance(entry.stage, Balance):
            found.append(f"every key of stages.{entry.name}")
            continue
        if entry.stage.measured_config() != split_config(entry.stage.config)[0]:
            continue  # its thresholds are measured by, under its settings
        found += [
            ".".join(("stages", entry.name, *path)) for path in _thresholds(entry.stage.config)
        ]
    return f"Possible here: {', '.join(found) or 'nothing'}."


def _thresholds(config: BaseModel, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places of a config that only ``decide`` reads."""
    found = []
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if field_kind(info) == "threshold":
            found.append((*place, name))
        elif isinstance(value, BaseModel):
            found += _thresholds(value, (*place, name))
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(inner, BaseModel):
                    found += _thresholds(inner, (*place, name, str(key)))
    return found


def _differing(before: Json, after: Json, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places of the leaves in which two configs differ."""
    if before == after:
        return []
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [place]
    return [
        path
        for key in sorted({*before, *after})
        for path in _differing(before.get(key), after.get(key), (*place, key))
    ]


def answer(derived: Derived, before: Sequence[Entry]) -> WhatIf:
    """What a derived corpus says beside the one that it was derived from."""
    manifest = derived.manifest
    cube = recount(derived)
    unchanged = manifest.cube
    sources = _source_bounds(derived)
    tokens = [_tokens(each) for each in (unchanged, cube)]
    effective = _effective(
        [stage["record"] for stage in manifest.content["stages"] if stage["use"] == "balance"]
    )
    balanced = derived.balanced
    return WhatIf(
        fingerprint=manifest.fingerprint,
        changes=_changes(before, derived.entries),
        exact=derived.documents_exact,
        tokens_exact=derived.documents_exact and derived.tokens_exact,
        doubts=derived.doubts,
        documents_before=_kept(unchanged),
        documents=Bound(
            _kept(cube),
            sum(bound.at_least for bound in sources.values()),
            sum(bound.at_most for bound in sources.values()),
        ),
        tokens_before=tokens[0],
        tokens=tokens[1],
        effective_tokens_before=tokens[0] if effective is None else effective,
        effective_tokens=tokens[1]
        if balanced is None
        else int(balanced.record["effective_tokens"]),
        stages=derived.counts,
        stages_before=[
            StageCount(
                stage["name"],
                stage["in"]["documents"],
                stage["kept"]["documents"],
                {reason: counts["documents"] for reason, counts in stage["dropped"].items()},
                stage["kept"]["documents"],
                stage["kept"]["documents"],
            )
            for stage in manifest.content["stages"]
        ],
        sources=sources,
        groups=[
            effect
            for dimension in dimensions_of(unchanged, cube)
            for effect in group_effects(unchanged, cube, dimension)
        ],
        reasons=reason_effects(unchanged, cube, manifest.stage_names),
        unseen=_unseen(derived),
    )


def _changes(before: Sequence[Entry], after: Sequence[Entry]) -> list[Changed]:
    found = []
    for old, new in zip(before, after, strict=True):
        a, b = (entry.stage.config.model_dump(mode="json") for entry in (old, new))
        for place in _differing(a, b):
            found.append(
                Changed(".".join(("stages", old.name, *place)), _at(a, place), _at(b, place))
            )
    return found


def _at(config: Json, place: Sequence[str]) -> Json:
    for step in place:
        config = config.get(step) if isinstance(config, dict) else None
    return config


def _kept(cube: pl.DataFrame) -> int:
    return int(cube.filter(pl.col("dropped_by").is_null())["documents"].sum())


def _tokens(cube: pl.DataFrame) -> int:
    name = tokens_column(cube)
    return int(cube.filter(pl.col("dropped_by").is_null())[name].sum()) if name else 0


def _effective(records: Sequence[Mapping[str, Json]]) -> int | None:
    return int(records[0]["effective_tokens"]) if records else None


def _source_bounds(derived: Derived) -> dict[str, Bound]:
    bounds: dict[str, list[int]] = {}
    for ledger, state in zip(derived.ledgers, derived.states, strict=True):
        if ledger.rows:
            counts = [int(flags.sum()) for flags in (state.known, state.sure, state.maybe)]
            have = bounds.setdefault(ledger.source, [0, 0, 0])
            bounds[ledger.source] = [a + b for a, b in zip(have, counts, strict=True)]
    return {source: Bound(*counts) for source, counts in sorted(bounds.items())}


def _unseen(derived: Derived) -> dict[str, int]:
    """Documents that come alive and that later stages never saw, by what dropped them."""
    found: dict[str, int] = {}
    for ledger, state in zip(derived.ledgers, derived.states, strict=True):
        unseen = state.fate == UNSEEN
        for entry in derived.entries if unseen.any() else []:
            if not ledger.has(entry.name, "verdicts"):
                continue
            codes = ledger.verdicts(entry.name, derived.reasons)[unseen]
            for code in codes[codes > 0].tolist():
                name = f"{entry.name}: {derived.reasons.words[code]}"
                found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))
