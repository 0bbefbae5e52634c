"""Files from outside the workspace: found, checksummed once, named by content."""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.corpus import External
from pipeline.draft import Place
from pipeline.fingerprint import fingerprint, sha256_of_file
from pipeline.recipe import Recipe
from pipeline.remote import fetch, is_remote
from pipeline.source import InputFile, SourceBase
from pipeline.stage import external_places, what_file
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

    Raises RecipeError naming every source without a file, every two files with one relative path,
    and every file missing that a stage's config names; before anything is read.
    """
    places: dict[str, dict[str, Path]] = {}
    faults: list[tuple[Place, str]] = []
    for source in recipe.sources:
        downloads = checksums.store.path("downloads")
        places[source.name] = _source_files(source, recipe.folder, downloads, faults)
    faults += missing_externals(recipe)
    if faults:
        raise recipe.origin.faults(faults)
    found = {
        name: [
            InputFile(relative, str(path), path.stat().st_size, checksums.of_file(path))
            for relative, path in sorted(files.items())
        ]
        for name, files in places.items()
    }
    checksums.save()
    return found


def _source_files(
    source: SourceBase, folder: Path, downloads: Path, faults: list[tuple[Place, str]]
) -> dict[str, Path]:
    """Where the files of a source lie, by relative path; adds its faults. Files of object stores
    are fetched into ``downloads``."""
    place: Place = ("sources", source.name, "path")
    if isinstance(source.path, str):
        patterns: list[tuple[Place, str]] = [(place, source.path)]
    else:
        patterns = [((*place, index), pattern) for index, pattern in enumerate(source.path)]
    if not patterns:
        faults.append((place, "the list is empty. Name a file, a folder or a glob."))
    files: dict[str, Path] = {}
    for where, pattern in patterns:
        try:
            matched = _matched(pattern, folder, downloads)
        except (ValueError, OSError) as error:
            faults.append((where, f"{pattern}: {error}"))
            continue
        if not matched:
            looked = "" if is_remote(pattern) else f" (looked at {_located(folder, pattern)})"
            faults.append(
                (
                    where,
                    f"no file matches {pattern}{looked}. Paths are relative to the recipe.",
                )
            )
        for relative, path in matched.items():
            if relative in files:
                faults.append(
                    (
                        where,
                        f"{files[relative]} and {path} would both be called {relative}."
                        " Make them two sources, or give their common folder.",
                    )
                )
            files[relative] = path
    return files


def _matched(pattern: str, folder: Path, downloads: Path) -> dict[str, Path]:
    """The files that a source's path names, by relative path. ValueError for what is no glob."""
    if is_remote(pattern):
        return fetch(pattern, downloads)
    try:
        start, paths = _match(_located(folder, pattern))
    except ValueError as error:
        raise ValueError(f"is no glob: {error}. Write ** between slashes.") from error
    return {path.relative_to(start).as_posix(): path for path in paths}


def _located(folder: Path, written: str) -> Path:
    """A path as written in a recipe, seen from the recipe's folder. Steps up go by name, so that
    the folder itself need not exist: a recipe may come with the package."""
    path = Path(written)
    if path.is_absolute():
        return path
    steps = list(path.parts)
    while steps[:1] == [".."]:
        folder = folder.parent
        del steps[0]
    return folder.joinpath(*steps)


def _match(pattern: Path) -> tuple[Path, list[Path]]:
    """The folder that relative paths start from, and the files."""
    if pattern.is_dir():
        return pattern, sorted(p for p in pattern.rglob("*") if p.is_file())
    if pattern.is_file():
        return pattern.parent, [pattern]
    start = Path(pattern.anchor)
    for step in pattern.parts[1:]:
        if glob.has_magic(step):
            rest = pattern.relative_to(start).as_posix()
            return start, sorted(path for path in start.glob(rest) if path.is_file())
        start /= step
    return start, []


def missing_externals(recipe: Recipe) -> list[tuple[Place, str]]:
    """A fault for every file that a stage's or a maker's config names and that is not there: its
    place in the recipe, and what is wrong."""
    return [
        (
            place,
            f"there is no {what} {written} (looked at {path}). Paths are relative to the recipe.",
        )
        for place, what, written, path in _externals_told(recipe)
        if not path.exists()
    ]


def _externals_told(recipe: Recipe) -> list[tuple[Place, str, str, Path]]:
    """As ``_externals``, with what lies there in words."""
    whats = [
        what_file(config, place)
        for _, _, config in recipe.configs()
        for place, _ in external_places(config)
    ]
    return [
        (place, what, written, path)
        for what, (place, _, written, path) in zip(whats, _externals(recipe), strict=True)
    ]


def _externals(recipe: Recipe) -> list[tuple[Place, str, str, Path]]:
    """Files that stages and makers name: where in the recipe, whose they are, the path as written,
    and where that is."""
    return [
        ((*where, *place), name, written, _located(recipe.folder, written))
        for where, name, config in recipe.configs()
        for place, written in external_places(config)
    ]


def absent_files(recipe: Recipe) -> dict[str, list[str]]:
    """Files that the recipe names and that are not on this machine, as written, by what needs them:
    ``ingest``, a maker or a stage. What lies on an object store is not looked at."""
    absent: dict[str, list[str]] = {}
    for source in recipe.sources:
        patterns = [source.path] if isinstance(source.path, str) else source.path
        for pattern in patterns:
            if not is_remote(pattern) and not _match(_located(recipe.folder, pattern))[1]:
                absent.setdefault("ingest", []).append(pattern)
    for _, name, written, path in _externals(recipe):
        if not path.exists():
            absent.setdefault(name, []).append(written)
    return absent


def find_externals(recipe: Recipe, checksums: Checksums) -> Mapping[str, Mapping[str, External]]:
    """For every stage and maker the files that its config names, by the path as written there.

    Raises RecipeError naming every one that is not there.
    """
    faults = missing_externals(recipe)
    if faults:
        raise recipe.origin.faults(faults)
    found: dict[str, dict[str, External]] = {name: {} for _, name, _ in recipe.configs()}
    for _, name, written, path in _externals(recipe):
        found[name][written] = External(str(path.resolve()), checksums.of_path(path))
    checksums.save()
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
