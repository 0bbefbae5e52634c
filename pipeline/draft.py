"""A recipe as it is written: YAML with the line of every key, changed by ``--set``, not checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.task import Json

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


class RecipeError(ValueError):
    """A recipe that cannot be built: all faults, each as ``file:line: key: problem and cure``."""


def _steps(place: Place) -> tuple[str, ...]:
    return tuple(str(step) for step in place)


@dataclass(frozen=True)
class Origin:
    """Where a recipe was written, to say what line a fault is about.

    ``lines`` holds the line of every place, list positions as strings; it is empty for recipes made
    in memory. ``set_places`` are those that ``--set`` gave.
    """

    file: str = "recipe"
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    set_places: frozenset[tuple[str, ...]] = frozenset()

    def fault(self, place: Place, message: str) -> RecipeError:
        """One fault: ``file:line: key: message``."""
        return self.faults([(place, message)])

    def faults(self, found: Iterable[tuple[Place, str]]) -> RecipeError:
        """All faults, sorted by line, one a line of the message."""
        told = [(self._line(place) or 0, self._told(place, message)) for place, message in found]
        return RecipeError("\n".join(text for _, text in sorted(told, key=lambda fault: fault[0])))

    def named(self, place: Place, name: Place) -> Origin:
        """The same, where all that is known about ``place`` is known about ``name`` too: a source
        is a position in the file, and a name everywhere else."""
        old, new = _steps(place), _steps(name)

        def other(steps: tuple[str, ...]) -> tuple[str, ...]:
            return new + steps[len(old) :]

        lines = {other(steps): n for steps, n in self.lines.items() if steps[: len(old)] == old}
        changed = {other(steps) for steps in self.set_places if steps[: len(old)] == old}
        return Origin(self.file, {**self.lines, **lines}, self.set_places | changed)

    def was_set(self, place: Place) -> bool:
        """Whether ``--set`` gave the place, or what it stands in."""
        steps = _steps(place)
        return any(steps[:length] in self.set_places for length in range(len(steps) + 1))

    def _told(self, place: Place, message: str) -> str:
        steps = _steps(place)
        line = self._line(place)
        inside = sorted(at for at in self.set_places if steps and at[: len(steps)] == steps)
        if self.was_set(place) or (inside and steps not in self.lines):
            where = "--set"
        else:
            where = self.file if line is None else f"{self.file}:{line}"
            if inside:  # a fault of settings together, of which some are not the file's
                where += f" with --set {', '.join('.'.join(at) for at in inside)}"
        return f"{where}: {'.'.join(steps)}: {message}" if steps else f"{where}: {message}"

    def _line(self, place: Place) -> int | None:
        """The line of the place, or of the nearest one around it; None when no line is known."""
        near = _steps(place)
        while near and near not in self.lines:
            near = near[:-1]
        return self.lines.get(near)


@dataclass(frozen=True)
class Draft:
    """A recipe's content and where it comes from."""

    content: dict[str, Json]
    origin: Origin = Origin()

    def changed(self, setting: str) -> Draft:
        """The draft after a change given as ``key.path=value``; the content is changed in place.

        Raises RecipeError when it is written otherwise, or leads nowhere.
        """
        place = _steps(_apply(self.content, setting))
        origin = self.origin
        return Draft(self.content, Origin(origin.file, origin.lines, origin.set_places | {place}))


def read_draft(path: Path) -> Draft:
    """Reads a recipe file. Raises RecipeError when it is missing or not a YAML mapping, and naming
    every key that stands twice."""
    shown = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{shown}: there is no such recipe.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{shown}: cannot be read: {error}") from None
    lines: dict[tuple[str, ...], int] = {}
    twice: list[tuple[Place, str]] = []
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _index(node, (), lines, twice)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise RecipeError(f"{shown}:{line}: not YAML: {_problem(error)}") from None
    except RecursionError:
        raise RecipeError(f"{shown}: an alias (*) stands inside what it repeats.") from None
    origin = Origin(shown, lines)
    if not isinstance(content, dict):
        raise RecipeError(f"{shown}:1: a recipe is a mapping with sources and stages.")
    if twice:
        raise origin.faults(twice)
    return Draft(content, origin)


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)


def _index(
    node: yaml.Node,
    place: tuple[str, ...],
    lines: dict[tuple[str, ...], int],
    twice: list[tuple[Place, str]],
) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*place, str(key.value))
            first = lines.get(step)
            lines[step] = key.start_mark.line + 1
            if first is not None:
                twice.append((step, f"stands twice (first in line {first}). Remove one."))
            _index(value, step, lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*place, str(index)), lines, twice)


def _apply(content: dict[str, Json], setting: str) -> Place:
    key, equals, text = setting.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise RecipeError(f"--set {setting}: write it as key.path=value, e.g. stages.quality.x=1.")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(
            f"--set {setting}: the value is not YAML: {_problem(error)}. Text with brackets, colons"
            " or hashes needs quotes inside the shell's: 'key.path=\"value\"'."
        ) from None
    here: Any = content
    place: list[str | int] = []
    for number, step in enumerate(steps):
        at: str | int = _position(here, step, setting) if isinstance(here, list) else step
        place.append(at)
        if number == len(steps) - 1:
            here[at] = value
            break
        if isinstance(here, dict) and here.get(at) is None:
            here[at] = {}
        here = here[at]
        if not isinstance(here, dict | list):
            raise RecipeError(f"--set {setting}: `{step}` holds a value, not settings.")
    return tuple(place)


def _position(items: list[Json], step: str, setting: str) -> int:
    """A list's element by number, or by its ``name``."""
    for index, item in enumerate(items):
        if step == str(index) or (isinstance(item, dict) and item.get("name") == step):
            return index
    raise RecipeError(f"--set {setting}: there is no `{step}` in the list.")


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
