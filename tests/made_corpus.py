"""A small corpus that is made rather than read: by a random model, from all that makers start from,
a reward model trained on the way. What comes of it is nonsense; how it comes is real."""

import json
from pathlib import Path

import yaml

from tests.classifiers.tiny_model import write_tiny_model

SOURCES = {"pages": "pages.jsonl", "code": "code"}
PROOF = (
    "Theorem. Let $p$ be a polynomial of degree $n$ over $F$. Then $p$ has at most $n$ roots."
    " Proof. If $\\alpha$ is a root, $p(x) = (x - \\alpha) q(x)$ with $\\deg q = n - 1$."
)
FUNCTION = '''
def doubled(numbers):
    """The numbers, each times two."""
    return [2 * number for number in numbers]
'''


def write_made_corpus(folder: Path) -> Path:
    """Writes a model, raw files and a recipe; returns the recipe's path."""
    model = write_tiny_model(folder / "tiny")
    pages = [json.dumps({"text": f"{PROOF} Example {n}: ${n} + {n} = {2 * n}$."}) for n in range(5)]
    (folder / "pages.jsonl").write_text("\n".join(pages) + "\n")
    (folder / "code").mkdir()
    (folder / "code/doubled.py").write_text(FUNCTION)
    (folder / "problems.jsonl").write_text(json.dumps({"question": "What is 2 + 2?"}) + "\n")
    (folder / "tasks.jsonl").write_text(json.dumps({"task": "Adds two numbers."}) + "\n")
    asked = {
        "generator": {"model": str(model), "dtype": "float32"},
        "sampling": {"max_tokens": 4},
        "n": 2,
    }
    training = {"procedural": 30, "width": 16, "mlp_width": 16, "layers": 1, "heads": 1}
    math = {
        "writing": {"max_tokens": 4},
        "procedural": {"count": 3, "tasks": {"chain_sum": {"max_terms": 2, "max_digits": 2}}},
        "problems": {"path": "problems.jsonl"},
        "seeds": {"sources": ["pages"], "count": 1, "min_characters": 50},
        "evolve": {"count": 1},
        "reward": {"training": training},
    }
    code = {
        "seeds": {"sources": ["code"], "count": 2},
        "tasks": {"path": "tasks.jsonl"},
        "sandbox": {"weakest": "limits"},  # what a random model writes is no program
    }
    content = {
        "sources": [{"name": name, "path": path} for name, path in SOURCES.items()],
        "synthesize": {"math": {**asked, **math}, "programs": {"use": "code", **asked, **code}},
        "stages": {"kind": None},
    }
    recipe = folder / "made.yaml"
    recipe.write_text(yaml.safe_dump(content, sort_keys=False))
    return recipe
