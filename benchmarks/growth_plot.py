"""Draws what ``benchmarks.growth`` measured: time and memory over the number of documents.

    python -m benchmarks.growth_plot FIGURES.json PLOT.svg

Needs matplotlib. The same figures give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Run = dict[str, Any]
"""One run of a stage, with the fields of ``benchmarks.growth.Grown``."""

ALLOWED = 1.1
"""Time may grow with this power of the number of documents."""
MEMORY_ALLOWED = 8e9


def draw(runs: Sequence[Run], path: Path) -> None:
    """Two log-log charts, one line a stage, with the limits that are promised, as an SVG file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "tamis", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, (times, memory) = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for stage in sorted({run["stage"] for run in runs}):
        chosen = sorted((run for run in runs if run["stage"] == stage), key=_documents)
        sizes = np.array([_documents(run) for run in chosen])
        seconds = np.array([run["seconds"] for run in chosen])
        (line,) = times.plot(sizes, seconds, "o-", label=stage)
        limit = seconds[0] * (sizes / sizes[0]) ** ALLOWED
        times.plot(sizes, limit, ":", color=line.get_color(), label=f"n^{ALLOWED}")
        memory.plot(sizes, [run["memory_bytes"] / 1e9 for run in chosen], "o-", label=stage)
    memory.axhline(MEMORY_ALLOWED / 1e9, linestyle=":", color="gray", label="limit")
    times.set(title="Time on two workers", ylabel="seconds")
    memory.set(title="Memory of all processes", ylabel="GB", ylim=(0.05, 20))
    for axes in (times, memory):
        axes.set(xscale="log", yscale="log", xlabel="documents of 1 kB")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def _documents(run: Run) -> int:
    return int(run["documents"])


def main() -> None:
    """Draws a file of figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("plot", type=Path)
    given = parser.parse_args()
    draw(json.loads(given.figures.read_text()), given.plot)


if __name__ == "__main__":
    main()
