"""What if: the counts and the mixture that other settings would give, from ledgers alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel

from manifests.causes import Cause, config_causes
from manifests.effects import (
    GroupEffect,
    ReasonEffect,
    dimensions_of,
    group_effects,
    kept_amount,
    reason_effects,
)
from manifests.manifest import Manifest
from manifests.schema import Json
from pipeline.draft import Draft, Origin
from pipeline.recipe import Entry, RecipeError
from pipeline.recipe_check import check_entry
from pipeline.stage import Stage, field_kind, split_config
from stages.balance.stage import Balance
from stages.catalog import CATALOG
from tamis.derive import UNSEEN, Derived, StageCount, derive
from tamis.ledgers import KEPT
from tamis.recount import recount


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
    after: list[Entry] = []
    for entry in before:
        touched = any(step[1] == entry.name for step in draft.origin.set_places)
        changed = check_entry(draft, entry.name, CATALOG, after) if touched else entry
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
    thresholds = [("stages", before.name, *place) for place in _thresholds(before.stage.config)]
    measured = next(
        (
            cause.what
            for cause in _config_causes(before, after)
            if not any(cause.path[: len(place)] == place for place in thresholds)
        ),
        None,
    )
    if measured is None and before.stage.measured_config() == after.stage.measured_config():
        return
    told = measured or f"stages.{before.name}"
    raise RecipeError(
        f"{told}: is no threshold: it changes what the stage measures, and only a build can say"
        f" what comes of it (`tamis build RECIPE --set …` computes nothing twice)."
        f" {_possible(entries)}"
    )


def _config_causes(before: Entry, after: Entry) -> list[Cause]:
    old, new = (entry.stage.config.model_dump(mode="json") for entry in (before, after))
    return config_causes(("stages", before.name), old, new)


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


def answer(derived: Derived, before: Sequence[Entry]) -> WhatIf:
    """What a derived corpus says beside the one that it was derived from."""
    manifest = derived.manifest
    cube = recount(derived)
    unchanged = manifest.cube
    sources = _source_bounds(derived)
    kept_before, kept = kept_amount(unchanged), kept_amount(cube)
    tokens_before, tokens = kept_before.tokens or 0, kept.tokens or 0
    balances = [stage for stage in manifest.content["stages"] if stage["use"] == "balance"]
    balanced_before = balances[0]["record"] if balances else None
    balanced = derived.balanced.record if derived.balanced else None
    return WhatIf(
        fingerprint=manifest.fingerprint,
        changes=_changes(before, derived.entries),
        exact=derived.documents_exact,
        tokens_exact=derived.documents_exact and derived.tokens_exact,
        doubts=derived.doubts,
        documents_before=kept_before.documents,
        documents=Bound(
            kept.documents,
            sum(bound.at_least for bound in sources.values()),
            sum(bound.at_most for bound in sources.values()),
        ),
        tokens_before=tokens_before,
        tokens=tokens,
        effective_tokens_before=_effective(balanced_before, tokens_before),
        effective_tokens=_effective(balanced, tokens),
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
    return [
        Changed(cause.what, cause.before, cause.after)
        for old, new in zip(before, after, strict=True)
        for cause in _config_causes(old, new)
    ]


def _effective(balance: Mapping[str, Json] | None, tokens: int) -> int:
    """Effective tokens by the record of a balance; without one every token counts."""
    return tokens if balance is None else int(balance["effective_tokens"])


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
            dropped, numbers = np.unique(codes[codes > KEPT], return_counts=True)
            for code, documents in zip(dropped.tolist(), numbers.tolist(), strict=True):
                name = f"{entry.name}: {derived.reasons.words[code]}"
                found[name] = found.get(name, 0) + documents
    return dict(sorted(found.items()))
