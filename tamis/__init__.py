"""The front door: the same verbs as on the command line, from Python.

>>> import tamis
>>> built = tamis.build("recipes/sample.yaml", engine="local", workers=2)
>>> built.manifest.fingerprint
"""

from tamis.api import build, diff, explain, load_manifest, plan, run_stage, verify

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "build",
    "diff",
    "explain",
    "load_manifest",
    "plan",
    "run_stage",
    "verify",
]
