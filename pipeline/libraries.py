"""Versions of the libraries that outputs depend on: in fingerprints and in manifests."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

ALWAYS = ("polars", "pyarrow")
"""Every ledger is made with these: their versions may change its bytes."""

UNICODE = "unicode"
"""Python's tables of characters, under this name."""


@cache
def library_version(name: str) -> str:
    """The version of an installed distribution, without local parts such as ``+cpu``."""
    if name == UNICODE:
        return unicodedata.unidata_version
    return version(name).split("+", 1)[0]


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the named distributions and of those that are always used, by name."""
    return {name: library_version(name) for name in sorted({*ALWAYS, *names})}
