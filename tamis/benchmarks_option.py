"""Benchmarks named on the command line: ``NAME=PATH``, a file, or a folder of files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.draft import read_draft
from pipeline.recipe import Recipe, RecipeError
from stages.catalog import CATALOG
from stages.decontaminate.benchmark import BenchmarkConfig
from stages.decontaminate.registry import DEFINITIONS, definition
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig
from tamis.console import err
from tamis.sampling import base_recipe

_SPLITS = ("_test", "_validation", "_val", "_dev", "_sample")
"""Ends of file names that say which part of a benchmark they hold. ``_train`` is not among them:
training sets are what one trains on."""

Settings = dict[str, dict[str, str]]
"""By the benchmark's name, its settings in a recipe."""


def benchmark_settings(given: Sequence[str]) -> list[str]:
    """The settings, as given to ``--set``, of a decontamination with these benchmarks and no
    others; none where none are given.

    ``given`` are ``NAME=PATH``, and paths of files and folders that are recognised by their names.
    Raises RecipeError for paths that are not there and for names without a ready definition.
    """
    return [f"benchmarks={json.dumps(find_benchmarks(given))}"] if given else []


def check_benchmarks_are_for(stage: str, base: Path) -> None:
    """Raises RecipeError where a stage of a recipe, or of the catalog, is no decontamination."""
    stages = read_draft(base_recipe(base)[0]).content.get("stages")
    written = stages.get(stage) if isinstance(stages, dict) else None
    use = written.get("use", stage) if isinstance(written, dict) else stage
    if use in CATALOG.stages and use != Decontaminate.name:
        raise RecipeError(
            f"--benchmarks is an option of decontaminate: `{stage}` has no benchmarks. Leave it"
            " out."
        )


def find_benchmarks(given: Sequence[str]) -> Settings:
    """The benchmarks by name, with absolute paths; see ``benchmark_settings``."""
    found: Settings = {}
    for text in given:
        for name, settings in _named(text).items():
            if name in found and found[name] != settings:
                raise RecipeError(
                    f"--benchmarks {text}: there are two benchmarks `{name}`:"
                    f" {found[name]['path']} and {settings['path']}. Name them: NAME=PATH."
                )
            found[name] = settings
    return found


def sample_benchmarks(recipe: Recipe, stage: str) -> dict[str, BenchmarkConfig]:
    """The benchmarks of a decontamination in a recipe, with absolute paths.

    Raises RecipeError for other stages, and when there are none.
    """
    config = next(entry.stage.config for entry in recipe.entries if entry.name == stage)
    if not isinstance(config, DecontaminateConfig):
        raise RecipeError(f"--test-side is a question to decontaminate, not to `{stage}`.")
    if not config.benchmarks:
        raise RecipeError("--test-side needs benchmarks: name them with --benchmarks NAME=PATH.")
    return {
        name: one.model_copy(update={"path": str(recipe.folder / one.path)})
        for name, one in config.benchmarks.items()
    }


def _named(text: str) -> Settings:
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return {name: _settings(name, _existing(text, path))}
    place = _existing(text, text)
    if (known := _recognised(place)) is not None:
        return {_stem(place): known}
    if not place.is_dir():
        raise RecipeError(f"--benchmarks {text}: {_unknown(place)}")
    return _in_folder(text, place)


def _in_folder(text: str, folder: Path) -> Settings:
    """The benchmarks of a folder: its files (and folders of data sets) that have known names."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and _recognised(path) is not None:
            by_name.setdefault(_plain(path), []).append(path)
    if not by_name:
        raise RecipeError(
            f"--benchmarks {text}: no file in it has the name of a benchmark that is ready:"
            f" {', '.join(sorted(DEFINITIONS))}. Name its files: NAME=PATH."
        )
    found: Settings = {}
    for name, paths in by_name.items():
        for path in paths:
            # two parts of one benchmark keep the names of their files
            found[name if len(paths) == 1 else _stem(path)] = _recognised(path) or {}
    return found


def unrecognised(given: Sequence[str]) -> list[Path]:
    """Files of the folders in ``given`` whose names are those of no benchmark that is ready."""
    folders = [Path(text) for text in given if Path(text).is_dir() and not _recognised(Path(text))]
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".") and _recognised(path) is None
    ]


def tell_unrecognised(benchmarks: Sequence[str]) -> None:
    """Says which files of the folders given are no benchmarks by their names."""
    left_out = unrecognised(benchmarks)
    if left_out:
        err.print(
            f"Left out, no benchmark by its name: {', '.join(path.name for path in left_out)}."
            " NAME=PATH takes one in.",
            highlight=False,
            style="dim",
        )


def _existing(text: str, path: str) -> Path:
    if not Path(path).exists():
        raise RecipeError(
            f"--benchmarks {text}: {path}: there is no such file. Write NAME=PATH, such as"
            " gsm8k=test.jsonl, or a file or folder."
        )
    return Path(path).resolve()


def _settings(name: str, path: Path) -> dict[str, str]:
    try:
        definition(name)
    except KeyError as error:
        raise RecipeError(f"--benchmarks {name}={path}: {_cure(error, name, path)}") from None
    return {"path": str(path)}


def _unknown(path: Path) -> str:
    name = _stem(path)
    try:
        definition(name)
    except KeyError as error:
        return _cure(error, name, path)
    return ""


def _cure(error: KeyError, name: str, path: Path) -> str:
    """Why a benchmark is not known, and what to write in place of it."""
    said = str(error.args[0]).split(" Name one of them")[0]
    return (
        f"{said}\n  Write NAME=PATH with the name of the one that it is written like, or say which"
        f" fields hold what: --set 'benchmarks.{name}={{path: {path}, question: FIELD}}'."
    )


def _recognised(path: Path) -> dict[str, str] | None:
    """The settings of a benchmark by the name of its file; None for an unknown name."""
    for name in (_stem(path), _plain(path)):
        try:
            definition(name)
        except KeyError:
            continue
        return {"path": str(path.resolve()), "definition": name}
    return None


def _stem(path: Path) -> str:
    return path.name.split(".")[0].lower().replace("-", "_")


def _plain(path: Path) -> str:
    """The name of the file without the split that it holds."""
    stem = _stem(path)
    return next((stem.removesuffix(split) for split in _SPLITS if stem.endswith(split)), stem)
