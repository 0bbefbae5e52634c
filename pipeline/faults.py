"""Faults of a recipe's settings, told with the key and a cure."""

from __future__ import annotations

import difflib
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from pipeline.draft import Place
from pipeline.task import Json

Fault: TypeAlias = tuple[Place, str]
"""A place in a recipe, and what is wrong there."""


def checked_config(model: type[BaseModel], value: Json, place: Place, faults: list[Fault]) -> Any:
    """The typed config of a mapping of settings; None after adding its faults."""
    if value is not None and not isinstance(value, dict):
        faults.append((place, f"this is a mapping of settings, not `{value}`."))
        return None
    try:
        return model.model_validate(value or {})
    except ValidationError as error:
        for fault in error.errors():
            inner = tuple(
                step for step in fault["loc"] if isinstance(step, int) or not step.endswith("]")
            )
            faults.append(((*place, *inner), _explained(fault, model)))
    return None


def _explained(fault: Any, model: type[BaseModel]) -> str:
    kind, message = fault["type"], str(fault["msg"])
    name = str(fault["loc"][-1]) if fault["loc"] else ""
    if kind == "extra_forbidden":
        known = list(model.model_fields) if len(fault["loc"]) == 1 else []
        near = difflib.get_close_matches(name, known, n=1)
        if near:
            return f"there is no such key. Did you mean `{near[0]}`?"
        return "there is no such key." + (f" Known: {', '.join(known)}." if known else "")
    if kind == "missing":
        return "is missing, and has no default. Add it."
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    given = fault.get("input")
    if kind in ("tuple_type", "list_type") and isinstance(given, str | int | float):
        return f"this is a list: [{given}]."
    return f"{message}; it is `{given}`." if not isinstance(given, dict | list) else f"{message}."
