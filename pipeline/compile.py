"""Numba with types: the compiler is untyped, the functions that pass through it stay typed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def _cache_folder() -> Path:
    """Where machine code is kept, apart for every state of the files that have compiled functions:
    numba notices that a function's own file changed, but not that a function it calls in another
    file did."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for package in ("pipeline", "stages"):
        for path in sorted((root / package).rglob("*.py")):
            source = path.read_bytes()
            if b"@compiled" in source:
                digest.update(source)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tamis" / f"numba-{digest.hexdigest()}"


vars(numba.config)["CACHE_DIR"] = str(_cache_folder())


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled to machine code on first call (nopython), cached on disk.

    The GIL is released while it runs. Raises numba's ``TypingError`` on the first call when the
    function uses something that numba cannot compile.
    """
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))
