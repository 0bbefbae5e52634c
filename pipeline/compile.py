"""Numba with types: the compiler is untyped, the functions that pass through it stay typed.

Numba takes half a second to load. So it is loaded by the first call of a compiled function, and
who only asks what a stage is called, or what is in a ledger, never waits for it.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that is compiled to machine code (nopython) by its first call."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.dispatcher(*args, **kwargs)

    @functools.cached_property
    def dispatcher(self) -> Callable[P, R]:
        """Numba's own object for the function."""
        found: Callable[P, R] = _numba().njit(cache=True, nogil=True)(self.function)
        return found

    @property
    def _numba_type_(self) -> Any:
        """What numba asks of an object that it does not know: another compiled function calls this
        one."""
        return _numba().typeof(self.dispatcher)


def compiled(function: Callable[P, R]) -> Compiled[P, R]:
    """The function compiled to machine code on first call (nopython), cached on disk.

    The GIL is released while it runs. Raises numba's ``TypingError`` on the first call when the
    function uses something that numba cannot compile.
    """
    return Compiled(function)


@functools.cache
def _numba() -> Any:
    """The compiler, told where to keep machine code."""
    import numba

    vars(numba.config)["CACHE_DIR"] = str(_cache_folder())
    return numba


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
