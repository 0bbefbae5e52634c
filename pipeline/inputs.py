"""Files from outside the workspace: found, checksummed once, named by content."""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.corpus import External
from pipeline.fingerprint import fingerprint, sha256_of_file
from pipeline.recipe import Recipe, RecipeError
from pipeline.source import InputFile, SourceBase
from pipeline.stage import external_files
from pipeline.store import Store

_CACHE = "inputs.json"


class Checksums:
    """SHA-256 of files, remembered in the workspace by path, size and time of last change."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[str, list[Any]] = {}
        self.fresh = False
        try:
            self.known = json.loads(store.path(_CACHE).read_text())
        except (FileNotFoundError, ValueError):
            self.known = {}

    def of_file(self, path: Path) -> str:
        """The checksum of a file; it is read only when it changed since the last run."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        entry = self.known.get(str(path))
        if entry is None or entry[:2] != stamp:
            entry = [*stamp, sha256_of_file(path)]
            self.known[str(path)] = entry
            self.fresh = True
        return str(entry[2])

    def of_path(self, path: Path) -> str:
        """The checksum of a file, or of a folder's relative paths and their checksums."""
        if not path.is_dir():
            return self.of_file(path)
        inner = sorted(p for p in path.rglob("*") if p.is_file())
        return fingerprint([[p.relative_to(path).as_posix(), self.of_file(p)] for p in inner])

    def save(self) -> None:
        """Remembers what was computed."""
        if self.fresh:
            self.store.replace_text(_CACHE, json.dumps(self.known, sort_keys=True))
            self.fresh = False


def find_inputs(recipe: Recipe, checksums: Checksums) -> dict[str, list[InputFile]]:
    """The files of every source, sorted by relative path.

    Raises RecipeError when a source has no file, or two files with one relative path.
    """
    found = {}
    for source in recipe.sources:
        found[source.name] = _source_files(source, recipe.folder, checksums)
    checksums.save()
    return found


def _source_files(source: SourceBase, folder: Path, checksums: Checksums) -> list[InputFile]:
    patterns = [source.path] if isinstance(source.path, str) else list(source.path)
    files: dict[str, InputFile] = {}
    for pattern in patterns:
        absolute = folder / pattern
        start, paths = _match(absolute)
        if not paths:
            raise RecipeError(
                f"sources.{source.name}.path: no file matches {pattern} (looked at {absolute})."
                " Paths are relative to the recipe."
            )
        for path in paths:
            relative = path.relative_to(start).as_posix()
            if relative in files:
                raise RecipeError(
                    f"sources.{source.name}.path: {files[relative].location} and {path} would both"
                    f" be called {relative}. Make them two sources, or give their common folder."
                )
            files[relative] = InputFile(
                relative, str(path), path.stat().st_size, checksums.of_file(path)
            )
    return [files[relative] for relative in sorted(files)]


def _match(pattern: Path) -> tuple[Path, list[Path]]:
    """The folder that relative paths start from, and the files."""
    if pattern.is_dir():
        return pattern, sorted(p for p in pattern.rglob("*") if p.is_file())
    if pattern.is_file():
        return pattern.parent, [pattern]
    start = Path(pattern.anchor)
    for step in pattern.parts[1:]:
        if glob.has_magic(step):
            break
        start /= step
    rest = pattern.relative_to(start).as_posix()
    return start, sorted(path for path in start.glob(rest) if path.is_file())


def find_externals(recipe: Recipe, checksums: Checksums) -> Mapping[str, Mapping[str, External]]:
    """For every stage the files that its config names, by the path as written there.

    Raises RecipeError when one is not there.
    """
    found: dict[str, dict[str, External]] = {}
    missing: list[str] = []
    for entry in recipe.entries:
        found[entry.name] = {}
        for written in external_files(entry.stage.config):
            path = recipe.folder / written
            if path.exists():
                external = External(str(path.resolve()), checksums.of_path(path))
                found[entry.name][written] = external
            else:
                missing.append(
                    f"stages.{entry.name}: there is no file {written} (looked at {path})."
                    " Paths are relative to the recipe."
                )
    checksums.save()
    if missing:
        raise RecipeError("\n".join(missing))
    return found


def summarize_inputs(inputs: Mapping[str, Sequence[InputFile]]) -> dict[str, Any]:
    """Per source: number of files, bytes, and one checksum over all names and contents."""
    return {
        name: {
            "files": len(files),
            "bytes": sum(file.bytes for file in files),
            "checksum": fingerprint([[file.relative, file.sha256] for file in files]),
        }
        for name, files in sorted(inputs.items())
    }
