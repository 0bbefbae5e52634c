"""Values on the wire between a program and the process that judges it.

JSON in which every value carries its exact type. What is decoded are values of the built-in types,
made by this process: no class of the program, no method of it, ever crosses (pickle would run its
code). So comparing them asks nobody but Python itself.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

Json = Any

MAX_DEPTH = 60
MAX_ITEMS = 20_000
"""Items of one container. Also bounds the time that a set of values with like hashes can take."""

_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple}
_SETS: dict[str, type] = {"set": set, "frozenset": frozenset}
_MAPPINGS: dict[type, str] = {
    dict: "dict",
    Counter: "Counter",
    OrderedDict: "OrderedDict",
    defaultdict: "defaultdict",
}
_REBUILT = {"dict": dict, "Counter": Counter, "OrderedDict": OrderedDict, "defaultdict": dict}
_BUILT_IN: tuple[type, ...] = (bool, int, float, complex, str, bytes, list, tuple, set, dict)
_TYPES = {kind.__name__: kind for kind in _BUILT_IN}


class ValueRefusedError(ValueError):
    """A value, or what claims to be one, that does not cross: its type, depth or size."""


def encode(value: object, other: Callable[[object], Json] | None = None, depth: int = 0) -> Json:
    """The value as JSON with types: ``["int", "0x1f"]``, ``["list", [...]]``, ``["none"]`` …

    Dicts keep their order, sets are sorted. True, 1 and 1.0 are three different values; an int has
    no limit of size; the types of which values are made are values too. ``other`` encodes what is
    of none of them. Raises ValueRefusedError where there is no ``other``, for more than MAX_DEPTH
    levels or MAX_ITEMS items.
    """
    kind = type(value)
    if depth > MAX_DEPTH:
        raise ValueRefusedError("nested too deeply")
    if value is None:
        return ["none"]
    if kind is bool:
        return ["bool", bool(value)]
    if isinstance(value, int) and kind is int:
        return ["int", hex(value)]
    if isinstance(value, float) and kind is float:
        return ["float", _float_text(value)]
    if isinstance(value, complex) and kind is complex:
        return ["complex", [_float_text(value.real), _float_text(value.imag)]]
    if kind is str:
        return ["str", value]
    if isinstance(value, bytes) and kind is bytes:
        return ["bytes", value.hex()]
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > MAX_ITEMS:
        raise ValueRefusedError(f"{len(value)} items")
    if isinstance(value, (list, tuple)) and kind in (list, tuple):
        return [kind.__name__, [encode(item, other, depth + 1) for item in value]]
    if isinstance(value, (set, frozenset)) and kind in (set, frozenset):
        items = [encode(item, other, depth + 1) for item in value]
        return [kind.__name__, sorted(items, key=json.dumps)]
    if isinstance(value, dict) and kind in _MAPPINGS:
        items = [[encode(part, other, depth + 1) for part in pair] for pair in value.items()]
        return [_MAPPINGS[kind], items]
    if isinstance(value, type) and _TYPES.get(value.__name__) is value:
        return ["type", value.__name__]
    if other is not None:
        return other(value)
    raise ValueRefusedError(f"a value of type {kind.__name__}")


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return "0x0.0p+0" if value == 0 else value.hex()


def decode(
    encoded: Json, other: Callable[[list[Json]], object] | None = None, depth: int = 0
) -> object:
    """The value. Raises ValueRefusedError for anything that ``encode`` does not write, unless
    ``other`` knows what to do with it."""
    if type(encoded) is not list or not encoded or type(encoded[0]) is not str:
        raise ValueRefusedError("not an encoded value")
    if depth > MAX_DEPTH:
        raise ValueRefusedError("nested too deeply")
    kind = encoded[0]
    content = encoded[1] if len(encoded) == 2 else None
    if kind == "none" and len(encoded) == 1:
        return None
    try:
        if kind == "bool" and type(content) is bool:
            return content
        if kind == "int" and type(content) is str:
            return int(content, 16)
        if kind == "float" and type(content) is str:
            return float.fromhex(content)
        if kind == "complex" and type(content) is list:
            real, imaginary = content
            return complex(float.fromhex(real), float.fromhex(imaginary))
        if kind == "str" and type(content) is str:
            return content
        if kind == "type" and type(content) is str and content in _TYPES:
            return _TYPES[content]
        if kind == "bytes" and type(content) is str:
            return bytes.fromhex(content)
        if type(content) is list and len(content) <= MAX_ITEMS:
            if kind in _SEQUENCES:
                return _SEQUENCES[kind](decode(item, other, depth + 1) for item in content)
            if kind in _SETS:
                return _SETS[kind](decode(item, other, depth + 1) for item in content)
            if kind in _REBUILT:
                pairs = (
                    (decode(key, other, depth + 1), decode(item, other, depth + 1))
                    for key, item in content
                )
                return _REBUILT[kind](dict(pairs))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueRefusedError(f"a damaged {kind}: {error}") from error
    if other is not None:
        return other(encoded)
    raise ValueRefusedError(f"a value of kind {kind!r}")


def canonical(encoded: Json) -> Json:
    """The encoded value with dicts in sorted order: equal for equal values of equal types, and for
    those alone. Raises ValueRefusedError for what is no encoded value."""
    decode(encoded)
    return _sorted(encoded)


def _sorted(encoded: Json) -> Json:
    if type(encoded) is not list:
        return encoded
    if encoded and encoded[0] in ("dict", "Counter", "defaultdict"):
        return [encoded[0], sorted((_sorted(pair) for pair in encoded[1]), key=json.dumps)]
    return [_sorted(part) for part in encoded]
