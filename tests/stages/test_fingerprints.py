"""Every field of a recipe that changes output changes names: of ledgers, of tasks, of the corpus.

The configs of all stages, makers, sources and of ingest are walked, with examples that reach their
nested parts, and every leaf is changed, validators apart.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from manifests.manifest import Manifest
from pipeline.annotate import plan_link
from pipeline.corpus import Part
from pipeline.plan import plan
from pipeline.recipe import Entry, Recipe
from pipeline.recipe_check import load_recipe
from pipeline.source import InputFile
from pipeline.stage import (
    Artefacts,
    StageConfig,
    external_places,
    field_kind,
    identified_config,
    split_config,
)
from stages.catalog import CATALOG

Place = tuple[str | int, ...]

JUDGE = {"model": "judge.gguf"}
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "language": [{"model": "lid.ftz"}],
    "datatrove": [{"filter": "datatrove.pipeline.filters:GopherRepetitionFilter"}],
    "near_dedupe": [{"against": ["signatures.json"]}],
    "quality": [{"judge": JUDGE}],
    "decontaminate": [
        {"benchmarks": {"gsm8k": {"path": "test.jsonl"}}},
        {"benchmarks": {"mine": {"path": "mine.jsonl", "question": "q"}}, "action": "mask"},
    ],
    "tokenize": [{}, {"tokenizer": "file", "file": "tokenizer.json"}],
    "balance": [
        {"by": ["source"], "weights": {"web": 2.0}, "tokens": 1000, "caps": {"web": 3.0}},
        {"groups": {"good": "kind = 'code'"}, "targets": {"good": 0.5}},
        {"by": ["source"], "phases": [{"name": "first", "weights": {"web": 2.0}}]},
        {"by": ["source"], "rehydration": {"weights": {2: 1.5}}},
    ],
}
"""Configs that reach more than the defaults do."""
GENERATOR = {"model": "writer", "answers": "answers.jsonl"}
REWARD = {"model": "rewards", "answers": "rewards.jsonl"}
MAKERS: dict[str, list[dict[str, Any]]] = {
    "math": [
        {
            "generator": GENERATOR,
            "procedural": {"tasks": {"chain_sum": {"max_terms": 2}}},
            "problems": {"path": "problems.jsonl"},
            "seeds": {"sources": ["web"]},
            "evolve": {},
            "reward": REWARD,
        }
    ],
    "code": [
        {
            "generator": GENERATOR,
            "seeds": {"sources": ["code"]},
            "tasks": {"path": "tasks.jsonl"},
            "reward": REWARD,
        }
    ],
}
"""The same for makers of synthetic documents."""
OTHER_FILTER = "datatrove.pipeline.filters:C4QualityFilter"
SINKS = ("shard", "train")
"""Stages without a ledger: what they write is named by their tasks."""
FILES = [InputFile("a.jsonl", "/a.jsonl", 10, "0" * 64), InputFile("b.txt", "/b.txt", 10, "1" * 64)]
FOR_FILES = {"format": "text", "exclude": ("*.txt",), "task_bytes": 1}
"""Changes of settings that say which files there are, and which are read together."""
UNUSED = [("reward", "max_length")]
"""Of a model that is given; one that is trained on the way reads ``training.max_length``."""
PART = Part(0, "store/ingest/read/0/part-00000.parquet", "web", 10, 1000)


def other(value: Any) -> Any:
    """Another value in the place of one. It need not be a valid one: validators are passed over."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return OTHER_FILTER if value.startswith("datatrove.") else f"{value}x"
    if isinstance(value, Mapping):
        return {**value, "other": next(iter(value.values()), 1)}
    return "x" if value is None else [*value, *(value[:1] or ["x"])]


def changes(value: Any, place: Place = ()) -> Iterator[tuple[Place, str, Any]]:
    """Each leaf changed by itself: its place, how its field was declared, the whole with it. Of
    mappings and lists every entry is changed, and one is added; ``configs`` when it is a config,
    which may hold settings, thresholds and files."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            inner = getattr(value, name)
            for inside, kind, changed in changes(inner, (*place, name)):
                told = field_kind(info) if kind == "setting" else kind
                yield inside, told, value.model_copy(update={name: changed})
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            for inside, kind, changed in changes(inner, (*place, key)):
                yield inside, kind, {**value, key: changed}
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            for inside, kind, changed in changes(inner, (*place, index)):
                yield inside, kind, [*value[:index], changed, *value[index + 1 :]]
    inner = value.values() if isinstance(value, Mapping) else value
    configs = isinstance(value, Mapping | list | tuple) and any(
        isinstance(one, BaseModel) for one in inner
    )
    yield place, "configs" if configs else "setting", other(value)


def checksums(config: BaseModel) -> dict[str, str]:
    """Of the files that a config names: another path is another file here."""
    return {path: f"checksum of {path}" for _, path in external_places(config)}


def names(stage: str, config: StageConfig) -> tuple[str, str | None]:
    """What the pipeline names a stage's annotations and verdicts."""
    files = checksums(config)
    link = plan_link(
        Entry(stage, stage, CATALOG.stage(stage)(config)),
        PART,
        Artefacts(),
        {".".join(place): files[path] for place, path in external_places(config)},
        ["store/before/verdicts/0/verdicts.parquet"],
        {name: f"store/{name}/annotations/0/annotations.parquet" for name in CATALOG.stages},
    )
    return link.annotations, link.verdicts


def faults(stage: str, kind: str, before: StageConfig, after: StageConfig) -> Iterator[str]:
    """What is wrong with the names that a changed config gives."""
    (measured, decided), (measured_after, decided_after) = map(split_config, (before, after))
    files = external_places(before) != external_places(after)
    changed = {
        "setting": measured != measured_after,
        "threshold": decided != decided_after,
        "file": files,
    }
    counted = {name for name, differs in changed.items() if differs}
    if counted != {kind} and not (kind == "configs" and counted):
        yield f"a {kind} is counted as {counted or 'nothing'}"
    if stage in SINKS:
        return
    (annotations, verdicts), (annotations_after, verdicts_after) = (
        names(stage, config) for config in (before, after)
    )
    # masking goes on until a text passes the rule, so that its thresholds say how far
    masks = getattr(before, "action", None) == "mask"
    if (annotations != annotations_after) != (kind != "threshold" or masks):
        yield "annotations keep their name, or a threshold measures again"
    if verdicts is not None and verdicts == verdicts_after:
        yield "verdicts keep their name"


@pytest.mark.parametrize("stage", list(CATALOG.stages))
def test_every_setting_of_a_stage_is_in_a_name(stage: str) -> None:
    found = []
    for example in EXAMPLES.get(stage, [{}]):
        before = CATALOG.stage(stage).Config.model_validate(example)
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            for place, kind, after in changes(before):
                if place:
                    found += [(place, fault) for fault in faults(stage, kind, before, after)]
    assert found == []


def examples() -> Iterator[tuple[str, type[BaseModel], list[dict[str, Any]]]]:
    """All stages and makers, each with its config's class and the examples."""
    for name in CATALOG.stages:
        yield name, CATALOG.stage(name).Config, EXAMPLES.get(name, [{}])
    for name in CATALOG.makers:
        yield name, CATALOG.maker(name).Config, MAKERS[name]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The configs in a type, and in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models_in(info.annotation)
    for inner in get_args(annotation):
        yield from models_in(inner)


def models_of(value: Any) -> Iterator[type[BaseModel]]:
    """The configs in a value."""
    if isinstance(value, BaseModel):
        yield type(value)
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        value = list(value.values())
    for inner in value if isinstance(value, list | tuple) else ():
        yield from models_of(inner)


def test_the_examples_reach_every_config_that_there_is() -> None:
    """So that a field that is new anywhere is changed below."""
    found = {}
    for name, kind, given in examples():
        reached = {one for example in given for one in models_of(kind.model_validate(example))}
        found[name] = {one.__name__ for one in models_in(kind)} - {one.__name__ for one in reached}
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_the_corpus_fingerprint_is_over_every_setting() -> None:
    """It is over ``identified_config`` of all stages and makers."""
    found = []
    for name, kind, given in examples():
        for example in given:
            before = kind.model_validate(example)
            told = identified_config(before, checksums(before))
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                found += [
                    (name, place)
                    for place, _, after in changes(before)
                    if place and identified_config(after, checksums(after)) == told
                ]
    assert found == []


@pytest.mark.parametrize("maker", ["math", "programs"])
def test_every_setting_of_a_maker_runs_something_again(made: Manifest, maker: str) -> None:
    """Asked of a plan in a workspace where everything is done, so that all rounds are reached."""
    recipe = load_recipe(made.workspace.parent / "made.yaml", CATALOG, workspace=made.workspace)
    place = [one.name for one in recipe.makers].index(maker)
    config = recipe.makers[place].synthesis.config
    assert up_to_date(recipe)
    found = []
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        for where, kind, after in changes(config):
            if not where or kind == "file" or where in UNUSED:
                continue  # files count by checksum: see above
            makers = list(recipe.makers)
            makers[place] = replace(makers[place], synthesis=type(makers[place].synthesis)(after))
            if up_to_date(replace(recipe, makers=tuple(makers))):
                found.append(where)
    assert found == []


def up_to_date(recipe: Recipe) -> bool:
    """Whether a build of the makers would run nothing. A setting that no task can be made with
    is not overlooked either."""
    try:
        plans = plan(replace(recipe, entries=()), CATALOG)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return all(step.missing == 0 for step in plans if step.stage != "manifest")


def named(source: BaseModel, config: BaseModel) -> set[str]:
    """The fingerprints of the tasks that read the files of a source."""
    ingest = CATALOG.ingest_class()(config)
    return {task.fingerprint for task in ingest.tasks(source, FILES)}


def test_every_setting_of_ingest_and_sources_is_in_a_tasks_name() -> None:
    ingest = CATALOG.ingest_class()
    source, config = ingest.Source(name="web", path="raw"), ingest.Config()
    before, found = named(source, config), []
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        for place, _, after in (*changes(source), *changes(config)):
            if not place:
                continue
            if place[0] in FOR_FILES:
                after = after.model_copy(update={place[0]: FOR_FILES[place[0]]})
            sides = (after, config) if type(after) is ingest.Source else (source, after)
            if named(*sides) == before:
                found.append(place)
    assert found == [("path",)], "where files lie must not matter, all else must"
