"""Arrow without pandas.

At its first array pyarrow looks for pandas, which takes a quarter of a second to load where it is
installed, and nothing here is pandas'. So a process of ours, the `tamis` command or a worker, has
pyarrow look while there is nothing to be found. What pyarrow gives then is the same on every
machine: without this some timestamps are pandas' on one and Python's on another.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


def forgo_pandas() -> None:
    """Has pyarrow go without pandas in this process, unless it is loaded already.

    Code that imports pandas gets it all the same, and ``to_pandas`` works; only arrays are not made
    of pandas' objects any more. So this is not for a process of a user's own.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    sys.meta_path.insert(0, _NO_PANDAS)
    try:
        pa.array([])  # it looks here, once a process
    finally:
        sys.meta_path.remove(_NO_PANDAS)


class _NoPandas(MetaPathFinder):
    """Finds that there is no pandas."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Leaves all other modules to the finders that follow."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not looked for", name=fullname)


_NO_PANDAS = _NoPandas()
