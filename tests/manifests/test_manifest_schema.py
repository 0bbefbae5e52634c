"""The manifest's schema: real manifests keep to it, and docs/manifest.md tells all of it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest

from manifests.manifest import Manifest, load_manifest
from stages.catalog import CATALOG
from tests.manifests.manifest_shape import ROOT, SCHEMA, check_settings, faults


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_manifest_keeps_to_it(noted: Manifest) -> None:
    assert faults(noted.content) == []
    check_settings(noted)
    assert noted.content["cut"]["documents"] > 0
    assert len(noted.stage("balance")["record"]["phases"]) == 2


def test_a_manifest_of_made_documents_keeps_to_it(made: Manifest) -> None:
    assert faults(made.content) == []
    records = {maker["use"]: maker["record"] for maker in made.synthesis}
    assert records["math"]["reward"]["card"]["problems"] > 0
    assert records["code"]["seeds"]["taken"] > 0


def test_the_samples_manifest_keeps_to_it() -> None:
    place = ROOT / "corpus/sample/manifest.json"
    if not place.exists():
        pytest.skip("the sample was not built here (make corpus)")
    manifest = load_manifest(place)
    assert faults(manifest.content) == []
    check_settings(manifest)


def objects(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every object stands that has fields of its own, rather than names of things."""
    if isinstance(value, dict):
        yield place
        for key, inner in value.items():
            yield from objects(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from objects(inner, (*place, index))


OPEN = {"config", "libraries", "fit", "recipe"}
"""Settings are closed by their models; the others hold names of things."""


BY_NAME = {"tests", "by_origin", "by_fault"}
"""Counts and shares by names that texts bring with them."""


@pytest.mark.parametrize("corpus", ["noted", "made"])
def test_nothing_can_be_added_that_is_not_told(corpus: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(corpus).content
    for place in objects(content):
        if OPEN & set(place):
            continue
        changed = deepcopy(dict(content))
        inner: Any = changed
        for step in place:
            inner = inner[step]
        inner["never_heard_of"] = {"never": "heard of"}
        assert faults(changed), place


def test_nothing_can_be_missing(noted: Manifest) -> None:
    for key in noted.content:
        if key not in ("cut", "synthesis"):
            assert faults({name: noted.content[name] for name in noted.content if name != key}), key
    for stage in noted.content["stages"]:
        for key in stage["record"]:
            if (stage["use"], key) in (("tokenize", "ranks_sha256"), ("balance", "why")):
                continue
            changed = deepcopy(dict(noted.content))
            place = noted.stage_names.index(stage["name"])
            del changed["stages"][place]["record"][key]
            assert faults(changed), (stage["name"], key)


def test_nothing_can_be_missing_of_what_a_maker_records(made: Manifest) -> None:
    for number, maker in enumerate(made.synthesis):
        for place in objects(maker["record"]):
            changed = deepcopy(dict(made.content))
            inner: Any = changed["synthesis"][number]["record"]
            for step in place:
                inner = inner[step]
            for key in () if BY_NAME & set(place) else list(inner):
                if key in ("reward", "marks", "engine") or "marks" in place or "pairs" in place:
                    continue
                told = inner.pop(key)
                assert faults(changed), (place, key)
                inner[key] = told


def named(schema: Any) -> Iterator[str]:
    """Every field that the schema names."""
    if isinstance(schema, dict):
        fields = schema.get("properties")
        if isinstance(fields, dict):
            yield from fields
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from named(inner)


def test_the_docs_tell_every_field() -> None:
    page = (ROOT / "docs/manifest.md").read_text()
    assert [name for name in named(SCHEMA) if f"`{name}`" not in page] == []


def test_every_stage_has_a_record_in_the_schema() -> None:
    rules = SCHEMA["$defs"]["stage"]["allOf"]
    told = [rule["if"]["properties"]["use"] for rule in rules]
    uses = [use for rule in told for use in rule.get("enum", [rule.get("const")])]
    assert sorted(uses) == sorted(CATALOG.stages)
