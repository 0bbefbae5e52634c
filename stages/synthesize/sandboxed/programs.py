"""What a confined process runs: a whole program, a candidate that answers calls, or its checker.

Everything here shares its process with hostile code, which may patch or forge anything in it. So
nothing here decides: a candidate can only answer calls (falsely, at worst), and never sees what
was expected of it. `stages/synthesize/grading.py` decides.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import os
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from stages.synthesize.sandboxed import frames
from stages.synthesize.sandboxed.values import Json, ValueRefusedError, decode, encode

OUT_OF_MEMORY = 77
"""Exit status after a MemoryError that nobody caught."""
_MESSAGE = 500
_CHANGEABLE = ("list", "dict", "set")


def run_program(request: dict[str, Json]) -> int:
    """Runs ``source`` as a main module; returns its exit status."""
    try:
        exec(_compiled(request["source"], "program"), _main_module())
        atexit._run_exitfuncs()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve_candidate(request: dict[str, Json]) -> int:
    """Loads ``source``, then answers calls on standard input until it ends.

    The first answer says ``{"ready": true}`` or what the loading raised. A call is ``{"call": name,
    "args": [...], "kwargs": {...}}``; its answer ``{"value": …}`` or ``{"error": type, "message":
    …}``, and in ``changed`` those arguments that the call changed in place, by position. Objects of
    other types than `values.py` knows stay here; a handle to them crosses and may come back.
    """
    calls, answers = _private_pipes()
    main = _main_module()
    error = _outcome(lambda: exec(_compiled(request["source"], "candidate"), main))[1]
    frames.write(answers, error or {"ready": True})
    held: list[object] = []

    def hold(value: object) -> Json:
        held.append(value)
        return ["object", [type(value).__name__[:100], len(held) - 1]]

    def take(encoded: list[Json]) -> object:
        return held[encoded[1][1]]

    while not error and (call := frames.read(calls)) is not None:
        frames.write(answers, _answer(main, call, hold, take))
    return 0


def _answer(
    main: dict[str, Any],
    call: dict[str, Json],
    hold: Callable[[object], Json],
    take: Callable[[list[Json]], object],
) -> dict[str, Json]:
    arguments = [decode(argument, take) for argument in call["args"]]
    named = {name: decode(argument, take) for name, argument in call.get("kwargs", {}).items()}
    value, error = _outcome(lambda: main[call["call"]](*arguments, **named))
    if error:
        return error
    try:
        answer: dict[str, Json] = {"value": encode(value, hold)}
        changed = {
            str(place): after
            for place, (before, argument) in enumerate(zip(call["args"], arguments, strict=True))
            if before[0] in _CHANGEABLE and (after := encode(argument, hold)) != before
        }
    except (ValueRefusedError, RecursionError) as refused:
        return {"error": "ValueRefusedError", "message": str(refused)[:_MESSAGE]}
    return {**answer, "changed": changed} if changed else answer


def run_checker(request: dict[str, Json]) -> int:
    """Runs ``source``, a program of tests, in which the names in ``remote`` call the candidate in
    its own process. The last frame is ``{"passed": true}`` or what the tests raised."""
    answers, calls = _private_pipes()
    main = _main_module()
    error = _outcome(lambda: exec(_compiled(request["setup"], "setup"), main))[1]
    for name in request["remote"]:
        main[name] = _remote(name, answers, calls)
    if not error:
        error = _outcome(lambda: exec(_compiled(request["source"], "tests"), main))[1]
    frames.write(calls, error or {"passed": True})
    return 0


def _remote(name: str, answers: int, calls: int) -> Callable[..., object]:
    """A function that calls the candidate's one of that name and returns or raises what it does."""

    def call(*arguments: object, **named: object) -> object:
        frames.write(
            calls,
            {
                "call": name,
                "args": [encode(argument, _handle) for argument in arguments],
                "kwargs": {key: encode(argument, _handle) for key, argument in named.items()},
            },
        )
        answer = frames.read(answers)
        if answer is None:
            raise CandidateGoneError("the candidate's process ended")
        if "error" in answer:
            raise _exception(str(answer["error"]), str(answer.get("message", "")))
        for place, after in answer.get("changed", {}).items():
            _replace_content(arguments[int(place)], decode(after, Handle))
        return decode(answer["value"], Handle)

    call.__name__ = name
    return call


class CandidateGoneError(Exception):
    """The candidate's process ended, or it answered something that is no answer."""


class CandidateError(Exception):
    """The candidate raised an error of a class of its own."""


class Handle:
    """An object of the candidate that stayed in its process. Equal only to itself."""

    def __init__(self, encoded: list[Json]) -> None:
        self.encoded = encoded


def _handle(value: object) -> Json:
    if type(value) is Handle:
        return value.encoded
    raise ValueRefusedError(f"an argument of type {type(value).__name__}")


def _exception(name: str, message: str) -> BaseException:
    """The built-in exception of that name, or a CandidateError that names it."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        with contextlib.suppress(TypeError):  # UnicodeDecodeError wants five arguments
            return kind(message)
    return CandidateError(f"{name}: {message}")


def _replace_content(argument: object, after: object) -> None:
    if isinstance(argument, list) and isinstance(after, list):
        argument[:] = after
    elif (isinstance(argument, dict) and isinstance(after, dict)) or (
        isinstance(argument, set) and isinstance(after, set)
    ):
        argument.clear()
        argument.update(after)


def _outcome(act: Callable[[], object]) -> tuple[object, dict[str, Json] | None]:
    """What ``act`` returns, and the error that it raised (SystemExit and all) as a frame."""
    try:
        return act(), None
    except BaseException as error:
        try:
            message = str(error)[:_MESSAGE]
        except BaseException:
            message = ""
        return None, {"error": type(error).__name__[:100], "message": message}


def _compiled(source: str, name: str) -> types.CodeType:
    return compile(source, f"<{name}>", "exec", dont_inherit=True)


def _main_module() -> dict[str, Any]:
    """The namespace of a new module ``__main__``."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def _private_pipes() -> tuple[int, int]:
    """Standard input and output, moved out of the way of programs that print and read: their
    output goes to standard error, their input is empty."""
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing
