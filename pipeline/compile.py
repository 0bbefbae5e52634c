"""Numba with types: the compiler is untyped, the functions that pass through it stay typed."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled to machine code on first call (nopython), cached on disk.

    The GIL is released while it runs. Raises numba's ``TypingError`` on the first call when the
    function uses something that numba cannot compile.
    """
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))
