"""Whether a manifest keeps to its schema, and its settings to their models."""

import json
from pathlib import Path

import jsonschema

from manifests.manifest import Manifest
from stages.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "manifests/manifest.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(content: object) -> list[str]:
    """Where and how a manifest's content departs from the schema."""
    return [f"{fault.json_path}: {fault.message}" for fault in _VALIDATOR.iter_errors(content)]


def check_settings(manifest: Manifest) -> None:
    """Settings are open in the schema, since their own models are closed."""
    recipe = manifest.content["recipe"]
    ingest = CATALOG.ingest_class()
    assert (
        ingest.Config.model_validate(recipe["ingest"]).model_dump(mode="json")
        == (manifest.content["ingest"]["config"])
    )
    for source in recipe["sources"]:
        assert ingest.Source.model_validate(source).model_dump(mode="json") == source
    for entry, stage in zip(recipe["stages"], manifest.content["stages"], strict=True):
        model = CATALOG.stage(entry["use"]).Config
        for config in (entry["config"], stage["config"]):
            assert model.model_validate(config).model_dump(mode="json") == config
