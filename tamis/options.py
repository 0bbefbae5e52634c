"""Arguments and options that several commands take, and words that they know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_DEDUPLICATION = "Deduplication"
_DECONTAMINATION = "Decontamination"
"""Headings that the options stand under in ``--help``."""

SAMPLE_RECIPE = Path("recipes/sample.yaml")
"""The recipe that settings come from unless another is named; it comes with the package."""
SYNTHESIZE = "synthesize"
"""Stands for all makers of the recipe where a stage could be named."""

Workspace = Annotated[Path, typer.Argument(help="A built workspace.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Clusters = Annotated[
    int,
    typer.Option(
        "--clusters",
        min=0,
        help="Clusters to show, the largest ones.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Members = Annotated[
    int,
    typer.Option(
        "--members",
        min=1,
        help="Dropped documents to show of a cluster: those least like the one that was kept.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Compared = Annotated[
    bool,
    typer.Option(
        "--differences",
        help="Show how a dropped document differs from the kept one, word by word: in red what only"
        " the dropped has, in green what only the kept has; without colours \\[-so-] and {+so+}.",
        rich_help_panel=_DEDUPLICATION,
    ),
]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmarks",
        metavar="NAME=PATH",
        help="A benchmark: gsm8k=test.jsonl. Or a file, or a folder of files, with names such as"
        " gsm8k_test.jsonl. May be given often; replaces the recipe's benchmarks.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
Hits = Annotated[
    int,
    typer.Option(
        "--hits",
        min=0,
        help="Benchmark items in documents to show, the least sure first, words aligned; the common"
        " ones are green, or, without colours, stand above and below =.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
TestSide = Annotated[
    bool,
    typer.Option(
        "--test-side",
        help="Ask the other way round: which benchmark items do the documents already hold, so"
        " that a test set without them can be made? Strict: one 13-gram of an item is enough"
        " (Qwen2).",
        rich_help_panel=_DECONTAMINATION,
    ),
]
ContainedFile = Annotated[
    Path | None,
    typer.Option(
        "--contained",
        help="Write the items that the documents hold here, as JSON lines with the n-gram and its"
        " document. Implies --test-side.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
CleanFile = Annotated[
    Path | None,
    typer.Option(
        "--clean",
        help="Write the benchmark items that no document holds here, as JSON lines: the clean"
        " subset. Implies --test-side.",
        rich_help_panel=_DECONTAMINATION,
    ),
]
