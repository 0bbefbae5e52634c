"""A checked recipe: what a corpus is made of, typed, with the line of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from pipeline.draft import Origin, Place, RecipeError
from pipeline.source import Ingest, SourceBase, Synthesis
from pipeline.stage import Stage, StageConfig, field_kind
from pipeline.task import Json
from pipeline.warnings import WarningsConfig

__all__ = ["Entry", "Maker", "Recipe", "RecipeError", "portable"]


@dataclass(frozen=True)
class Entry:
    """A stage in a recipe: the word it has there, its word in the catalog, and the stage."""

    name: str
    type: str
    stage: Stage[Any]


@dataclass(frozen=True)
class Maker:
    """A source of synthetic documents: its name, its maker's word in the catalog, and the maker."""

    name: str
    type: str
    synthesis: Synthesis[Any]


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
    makers: tuple[Maker, ...] = ()
    warnings: WarningsConfig = field(default_factory=WarningsConfig)
    origin: Origin = field(default_factory=Origin)

    def fault(self, place: Place, message: str) -> RecipeError:
        """A fault of this recipe, with file and line: ``recipes/web.yaml:14: sources.web.path:
        message``. Sources and stages go by name: ``("sources", "web", "path")``."""
        return self.origin.fault(place, message)

    def configs(self) -> list[tuple[Place, str, StageConfig]]:
        """The settings of every maker and stage: where they stand in the recipe, whose they are,
        the config."""
        makers = [(("synthesize", m.name), m.name, m.synthesis.config) for m in self.makers]
        stages = [(("stages", e.name), e.name, e.stage.config) for e in self.entries]
        return [*makers, *stages]

    def resolved(self) -> dict[str, Json]:
        """The recipe with every default filled in, as JSON. File paths are relative, or bare names:
        nothing in it depends on the machine."""
        return {
            "name": self.name,
            "description": self.description,
            "ingest": portable(self.ingest.config),
            "sources": [portable(source) for source in self.sources],
            "synthesize": [
                {
                    "name": maker.name,
                    "use": maker.type,
                    "config": portable(maker.synthesis.config),
                }
                for maker in self.makers
            ],
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
