"""The stages and makers that a recipe may name, handed to the pipeline from above.

Names alone: `tamis --help` lists them and loads none.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.source import Ingest, Synthesis
    from pipeline.stage import Stage


@dataclass(frozen=True)
class Catalog:
    """Stage names to classes, by ``module:Class``, so that a stage is imported when it is used;
    ``makers`` are what can make synthetic documents, in the same way.

    ``reference`` is where workers find this catalog: ``module:NAME``.
    """

    reference: str
    ingest: str
    stages: Mapping[str, str]
    makers: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str) -> type[Stage[Any]]:
        """The class of a stage. Raises KeyError with the nearest names when there is none."""
        if name not in self.stages:
            raise KeyError(unknown("stage", name, list(self.stages)))
        found: type[Stage[Any]] = _load(self.stages[name])
        return found

    def maker(self, name: str) -> type[Synthesis[Any]]:
        """The class of a maker. Raises KeyError with the nearest names when there is none."""
        if name not in self.makers:
            raise KeyError(unknown("maker", name, list(self.makers)))
        found: type[Synthesis[Any]] = _load(self.makers[name])
        return found

    def ingest_class(self) -> type[Ingest[Any, Any]]:
        """The class that reads sources."""
        found: type[Ingest[Any, Any]] = _load(self.ingest)
        return found


def find_catalog(reference: str) -> Catalog:
    """The catalog at ``module:NAME``."""
    found: Catalog = _load(reference)
    return found


def unknown(what: str, name: str, known: list[str]) -> str:
    """An error that names the nearest of the known words, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    cure = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(known))}."
    return f"there is no {what} `{name}`. {cure}"


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
