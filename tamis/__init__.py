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
    """Loads the verbs when they are first used: `tamis --help` needs few, and gathering the sample
    none of them."""
    if name in __all__:
        return getattr(importlib.import_module("tamis.api"), name)
    raise AttributeError(f"module `tamis` has no `{name}`")


def __dir__() -> list[str]:
    """The verbs too, for those who look which there are."""
    return sorted({*globals(), *__all__})
