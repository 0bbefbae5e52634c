"""`import tamis`: the examples of docs/api.md run as they stand, and every verb is told there."""

import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tamis
from tests.tamis.duplicates import write_duplicates

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a recipe where the examples look for it."""
    recipe = write_duplicates(tmp_path / "raw")
    content = yaml.safe_load(recipe.read_text())
    for source in content["sources"]:
        source["path"] = str(recipe.parent / source["path"])
    benchmark = content["stages"]["decontaminate"]["benchmarks"]["humaneval"]
    benchmark["path"] = str(recipe.parent / benchmark["path"])
    content["stages"]["tokenize"] = {"vocabulary_size": 400}
    content["stages"]["balance"] = {"by": ["source"]}
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/sample.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_run(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) == 3
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "near_dedupe up to date" in said
    assert "mirror 4 3" in said or "mirror 5 4" in said
    assert "humaneval" in said
    assert "['stages.balance.max_epochs']" in said
    assert "('stages.balance.max_epochs',)" in said
    assert "kept dropped by balance: balance" in said


def test_every_verb_is_documented_and_typed() -> None:
    page = PAGE.read_text()
    told = set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE))
    assert told == set(tamis.__all__)
    for name in tamis.__all__:
        verb = getattr(tamis, name)
        assert inspect.getdoc(verb)
        signature = inspect.signature(verb)
        assert signature.return_annotation is not inspect.Signature.empty
        (row,) = re.findall(rf"^\| `{name}\((.*?)\)`", page, re.MULTILINE)
        assert {word.strip(" *") for word in row.split(",")} - {""} <= set(signature.parameters)


def test_verbs_are_listed_and_imported_before_any_is_loaded() -> None:
    """In a process of its own: here all of them are loaded."""
    asked = "import sys, tamis; print(*dir(tamis)); print('tamis.api' in sys.modules)"
    everything = "from tamis import *; print(*(name for name in dir() if name[0] != '_'))"
    command = [sys.executable, "-c", f"{asked}\n{everything}"]
    done = subprocess.run(command, cwd=PAGE.parents[1], capture_output=True, text=True, check=True)
    listed, loaded, imported = done.stdout.splitlines()
    assert set(tamis.__all__) <= set(listed.split())
    assert loaded == "False"
    assert set(tamis.__all__) <= set(imported.split())


def test_no_module_hides_a_verb() -> None:
    """A module that is imported becomes an attribute of its package, in place of the verb."""
    modules = {module.name for module in pkgutil.iter_modules(tamis.__path__)}
    assert not modules & set(tamis.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no `nothing`"):
        _ = tamis.nothing
