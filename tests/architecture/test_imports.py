"""Imports go down only: tamis, stages, pipeline, manifests; stages, classifiers; two to trainer."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"tamis", "stages", "pipeline", "manifests", "classifiers", "trainer"}
ALLOWED = {
    "tamis": {"stages", "pipeline", "manifests", "classifiers"},
    "stages": {"pipeline", "manifests", "classifiers"},
    "pipeline": {"manifests"},
    "manifests": set(),
    "classifiers": set(),
    "trainer": set(),
}
EXCEPTIONS = {
    ("stages/shard.py", "trainer.shards"),
    ("stages/synthesize/rewarding.py", "trainer.reward_data"),
}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", sorted(OURS))
def test_imports_go_down_only(package: str) -> None:
    wrong = []
    for path in sorted((ROOT / package).rglob("*.py")):
        relative = path.relative_to(ROOT).as_posix()
        for module in imported(path):
            top = module.split(".")[0]
            if top not in OURS or top == package or top in ALLOWED[package]:
                continue
            if (relative, module) not in EXCEPTIONS:
                wrong.append(f"{relative} imports {module}")
    assert not wrong


def test_trainer_needs_only_torch_numpy_and_arrow() -> None:
    allowed = {"torch", "numpy", "pyarrow", "trainer", "safetensors"}
    import sys

    for path in sorted((ROOT / "trainer").rglob("*.py")):
        for module in imported(path):
            top = module.split(".")[0]
            assert top in allowed or top in sys.stdlib_module_names, f"{path} imports {module}"
