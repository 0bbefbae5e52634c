"""A small corpus of which more is known than of most: URLs, times, licences, languages, cuts."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.small_corpus import FOREIGN

RECIPE: dict[str, Any] = {
    "name": "noted",
    "description": "Pages and notes that were made up for tests.",
    "sources": [
        {"name": "pages", "path": "pages.jsonl"},
        {"name": "notes", "path": "notes", "license": "CC-BY-4.0"},
    ],
    "stages": {
        "kind": None,
        "exact_dedupe": None,
        "near_dedupe": None,
        "boilerplate_lines": {"min_documents": 7},
        "exact_substrings": None,
        "domain": None,
        "tokenize": {"tokenizer": "qwen"},
        "balance": {
            "by": ["source"],
            "phases": [
                {"name": "first", "weights": {"notes": 2}},
                {"name": "second", "targets": {"notes": 0.1}, "sequence_length": 512},
            ],
        },
        "shard": None,
    },
}
NOTICE = "This page was made by the same people who made all of the others, long ago."


def page(number: int) -> dict[str, str]:
    """A page that only its notice shares with others; every fourth one names no licence."""
    flour = ("fine", "coarse", "white", "dark", "old", "fresh")
    told = ". ".join(
        f"Through sieve {number * 31 + place} fell {flour[(number + place) % 6]} flour of the mill"
        for place in range(12)
    )
    found = {
        "text": f"What stands here is page {number}. {told}.\n{NOTICE}\n",
        "url": f"https://{'north' if number % 3 else 'south'}.example/{number}",
        "timestamp": f"2024-0{1 + number % 6}-15T08:00:00Z",
    }
    return found | ({"license": "MIT"} if number % 4 else {})


def write_noted_corpus(folder: Path, language_model: Path) -> Path:
    """Writes raw files and a recipe; returns the recipe's path."""
    (folder / "notes").mkdir()
    pages = [page(number) for number in range(24)]
    pages.append(pages[0])
    lines = [json.dumps(one) for one in pages] + ["no JSON"]
    (folder / "pages.jsonl").write_text("\n".join(lines) + "\n")
    for code, text in FOREIGN.items():
        (folder / f"notes/{code}.txt").write_text(text)
    stages = {"kind": None, "language": {"model": str(language_model)}, **RECIPE["stages"]}
    recipe = folder / "noted.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "stages": stages}, sort_keys=False))
    return recipe
