"""Causes: the differences in what two corpora were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manifests.schema import Json


@dataclass(frozen=True)
class Cause:
    """One difference in what the corpora were made from. ``path`` are the keys that lead to it;
    None stands for what is not there."""

    what: str
    before: Json
    after: Json
    path: tuple[str, ...] = ()


def find_causes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Cause]:
    """The causes between two manifests' contents: version, inputs, ingest, sources, stages."""
    causes = config_causes(("tamis",), before["tamis"], after["tamis"])
    for source in sorted({*before["inputs"], *after["inputs"]}):
        old, new = before["inputs"].get(source), after["inputs"].get(source)
        if old != new:
            causes.append(Cause(f"input {source}", _input(old), _input(new), ("inputs", source)))
    for key in ("version", "libraries", "config"):
        causes += config_causes(("ingest", key), before["ingest"][key], after["ingest"][key])
    old_sources = {source["name"]: _read_as(source) for source in before["recipe"]["sources"]}
    new_sources = {source["name"]: _read_as(source) for source in after["recipe"]["sources"]}
    for name in sorted({*old_sources} & {*new_sources}):
        causes += config_causes(("sources", name), old_sources[name], new_sources[name])
    causes += _step_causes("synthesize", before.get("synthesis", []), after.get("synthesis", []))
    causes += _step_causes("stages", before["stages"], after["stages"])
    old_stages = [stage["name"] for stage in before["stages"]]
    new_stages = [stage["name"] for stage in after["stages"]]
    common = [name for name in old_stages if name in new_stages]
    order = [name for name in new_stages if name in old_stages]
    if common != order:
        causes.append(Cause("order of stages", " ".join(common), " ".join(order), ("order",)))
    return causes


def _step_causes(key: str, before: Sequence[Json], after: Sequence[Json]) -> list[Cause]:
    """The causes in stages, or in makers of synthetic documents: what ``key`` holds in a recipe."""
    causes = []
    old, new = {step["name"]: step for step in before}, {step["name"]: step for step in after}
    for name in dict.fromkeys([*old, *new]):
        step, other, place = old.get(name), new.get(name), (key, name)
        if step is None or other is None:
            causes.append(Cause(".".join(place), _presence(step), _presence(other), place))
            continue
        causes += config_causes(place, step["config"], other["config"])
        for what in ("use", "version", "libraries"):
            for cause in config_causes(place, {what: step[what]}, {what: other[what]}):
                told = f"{key}.{name} {'.'.join(cause.path[2:])}"
                causes.append(Cause(told, cause.before, cause.after, ("code", *cause.path[1:])))
    return causes


def _read_as(source: Mapping[str, Json]) -> dict[str, Json]:
    """How a source is read; where its files lie is no cause, their checksums are."""
    return {key: value for key, value in source.items() if key != "path"}


def _input(summary: Mapping[str, Json] | None) -> str | None:
    if summary is None:
        return None
    files = f"{summary['files']:,} file{'s' * (summary['files'] != 1)}"
    return f"{files}, {summary['bytes']:,} bytes, checksum {summary['checksum'][:12]}"


def _presence(stage: Json) -> str | None:
    return None if stage is None else "present"


def config_causes(path: tuple[str, ...], before: Json, after: Json) -> list[Cause]:
    """A cause for every leaf in which two configs at ``path`` differ, by key."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            found += config_causes((*path, key), before.get(key), after.get(key))
        return found
    return [Cause(".".join(path), before, after, path)]
