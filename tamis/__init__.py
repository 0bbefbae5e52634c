"""The front door: the same verbs as on the command line, from Python. docs/api.md shows them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tamis.api import (
        build,
        clusters,
        contamination,
        diff,
        dropped,
        dropped_by,
        explain,
        gate,
        load_manifest,
        plan,
        report,
        run_stage,
        show,
        verify,
        what_if,
    )

__all__ = [
    "build",
    "clusters",
    "contamination",
    "diff",
    "dropped",
    "dropped_by",
    "explain",
    "gate",
    "load_manifest",
    "plan",
    "report",
    "run_stage",
    "show",
    "verify",
    "what_if",
]


def __getattr__(name: str) -> Any:
    """Loads the verbs when they are first used: gathering the sample needs none of them."""
    if name in __all__:
        return getattr(importlib.import_module("tamis.api"), name)
    raise AttributeError(f"module `tamis` has no `{name}`")
