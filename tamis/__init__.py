"""The front door: the same verbs as on the command line, from Python.

>>> import tamis
>>> built = tamis.build("recipes/sample.yaml", engine="local", workers=2)
>>> built.manifest.fingerprint
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tamis.api import build, diff, explain, load_manifest, plan, report, run_stage, verify

__all__ = ["build", "diff", "explain", "load_manifest", "plan", "report", "run_stage", "verify"]


def __getattr__(name: str) -> Any:
    """Loads the verbs when they are first used: gathering the sample needs none of them."""
    if name in __all__:
        return getattr(importlib.import_module("tamis.api"), name)
    raise AttributeError(f"module `tamis` has no `{name}`")
