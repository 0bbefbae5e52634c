"""A corpus with planted duplicates and benchmark items: Python's own help pages, edited."""

from __future__ import annotations

import json
from pathlib import Path
from pydoc_data.topics import topics

from tests.small_corpus import problems

RECIPE = """\
sources:
  - {name: pages, path: pages.jsonl}
  - {name: mirror, path: mirror.jsonl}
stages:
  exact_dedupe:
  near_dedupe:
  decontaminate: {benchmarks: {humaneval: {path: HumanEval.jsonl}}}
"""


def page(name: str, edits: int = 0) -> str:
    """The first 300 words of a help page, some of them replaced by words of their own."""
    words = topics[name].split()[:300]
    for number in range(edits):
        words[30 + 40 * number] = f"e{number}"
    return " ".join(words)


NAMES = sorted(name for name in topics if len(topics[name].split()) > 320)[:12]


def write_duplicates(folder: Path) -> Path:
    """Writes raw files, a benchmark and a recipe; returns the recipe's path.

    ``pages`` has twelve pages, one of them twice, and one with a benchmark item in it; ``mirror``
    has the first page four times, shorter and with one to four words replaced, and one of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _, prompt, solution = problems()[0]
    pages = [page(one) for one in NAMES]
    planted = f"{page(NAMES[11])[:600]}\n\nHere is a problem.\n\n{prompt}{solution}"
    original = f"{pages[0]} This is the original."
    _write(folder / "pages.jsonl", [original, *pages[1:11], pages[1], planted])
    mirror = [page(NAMES[0], edits) for edits in range(1, 5)]
    _write(folder / "mirror.jsonl", [*mirror, "Nothing here is said in any of the others. " * 9])
    items = [
        json.dumps(
            {"task_id": f"HumanEval/{index}", "prompt": question, "canonical_solution": answer}
        )
        for index, (_, question, answer) in enumerate(problems())
    ]
    (folder / "HumanEval.jsonl").write_text("\n".join(items) + "\n")
    recipe = folder / "duplicates.yaml"
    recipe.write_text(RECIPE)
    return recipe


def _write(path: Path, texts: list[str]) -> None:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
